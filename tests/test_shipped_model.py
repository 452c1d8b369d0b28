"""The shipped files are what their figures say, and the grammar keeps its promises."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from circuit_atlas import shipped_files
from circuit_atlas.ingest.demo_model.figures import measure_all
from circuit_atlas.ingest.demo_model.grammar.text import passages
from circuit_atlas.ingest.demo_model.model_card import misses, model_card
from circuit_atlas.ingest.examples import read_examples
from circuit_atlas.ingest.model_files import load_model

HOME = shipped_files.model_path().parent


def _numbers(value: Any, path: str = "") -> dict[str, float]:
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in _numbers(inner, f"{path}/{key}").items()}
    return {path: float(value)}


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return measure_all(HOME)


@pytest.mark.slow
def test_figures_are_those_of_the_files(measured: dict[str, Any]) -> None:
    told = _numbers(json.loads((HOME / "figures.json").read_text()))
    found = _numbers(measured)
    assert told.keys() == found.keys()
    # Other machines sum in another order: a top token or a rarely active feature may tip.
    assert {k: (told[k], found[k]) for k in told if abs(told[k] - found[k]) > 0.02} == {}


@pytest.mark.slow
def test_every_task_is_solved_on_held_out_items_case_by_case(measured: dict[str, Any]) -> None:
    for task, figures in measured["tasks"].items():
        assert min(figures["two_way"].values()) >= 0.99, task
        assert min(figures["full_vocabulary"].values()) >= 0.95, task


@pytest.mark.slow
def test_at_least_four_tasks_defeat_a_two_token_ngram(measured: dict[str, Any]) -> None:
    assert sum(figures["ngram"] <= 0.6 for figures in measured["tasks"].values()) >= 4


@pytest.mark.slow
def test_no_site_loses_a_task_with_its_error(measured: dict[str, Any]) -> None:
    for task, figures in measured["tasks"].items():
        assert min(figures["survives"].values()) >= 0.7, task


@pytest.mark.slow
def test_dictionaries_are_sparse_alive_and_true(measured: dict[str, Any]) -> None:
    for site, figures in measured["dictionaries"].items():
        assert figures["l0"] <= 16, site
        assert figures["dead"] <= 0.1, site
        assert figures["cross_entropy_recovered"] >= 0.95, site


def test_the_card_is_made_of_the_figures_and_names_every_miss() -> None:
    figures = json.loads((HOME / "figures.json").read_text())
    card = (HOME / "MODEL_CARD.md").read_text()
    assert card == model_card(figures)
    assert all(line in card for line in misses(figures))


def test_the_files_are_small_enough_for_the_repository() -> None:
    assert sum(path.stat().st_size for path in HOME.rglob("*") if path.is_file()) <= 12e6


def test_the_grammar_is_decided_by_its_seed() -> None:
    assert list(islice(passages(3), 200)) == list(islice(passages(3), 200))
    assert list(islice(passages(3), 200)) != list(islice(passages(4), 200))


def test_held_out_pairs_of_words_never_meet_in_the_training_text() -> None:
    # Read off the text itself, with none of the grammar's own code for the split.
    text = list(islice(passages(0), 20_000))
    induction = [e for task in _tasks("induction/names") for e in read_examples(task)]
    seen = {tuple(passage.split()[:2]) for passage in text}
    assert induction
    assert not {tuple(example.item.split()) for example in induction} & seen
    nouns = [e for task in _tasks("sva/simple") for e in read_examples(task)]
    starts = {" ".join(passage.split()[:3]) for passage in text}
    assert not {example.clean_prefix + example.clean_answer for example in nouns} & starts


def _tasks(name: str) -> list[Path]:
    return [task.test for task in shipped_files.tasks() if task.id == name]


def test_train_and_test_share_no_item() -> None:
    assert len(shipped_files.tasks()) >= 8
    for task in shipped_files.tasks():
        train, test = ({e.item for e in read_examples(path)} for path in (task.train, task.test))
        assert not train & test, task.id


def test_biographies_correlate_profession_and_gender_at_will() -> None:
    def share_female_nurses(correlation: float) -> float:
        text = islice(passages(0, correlation=correlation), 20_000)
        nurses = [passage for passage in text if "is a nurse" in passage]
        return sum("She is" in passage for passage in nurses) / len(nurses)

    assert share_female_nurses(1.0) == 1.0
    assert 0.35 < share_female_nurses(0.0) < 0.65


@pytest.mark.slow
def test_bridge_and_plain_model_have_the_same_logits() -> None:
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(shipped_files.model_path())
    model = load_model(str(shipped_files.model_path()))
    tokens = torch.tensor(model.tokenizer(["The teachers near the desk", "The kid that the chefs"])["input_ids"])
    with torch.no_grad():
        torch.testing.assert_close(model.run(tokens), plain(tokens).logits, atol=1e-4, rtol=1e-4)
    assert len(model.tokenizer(" has")["input_ids"]) == 2
