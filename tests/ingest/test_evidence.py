"""What a feature says for itself: the tokens it fires on and those it promotes, against loops over a tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from circuit_atlas.cypher.rows import Row
from circuit_atlas.ingest.evidence import token_text
from circuit_atlas.ingest.sites import Site
from tests.ingest.tiny_runs import TinyRun, run_tiny

TOLD = 5
"""Tokens told of each feature."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evidence")


@pytest.fixture(scope="module")
def run(folder: Path) -> TinyRun:
    return run_tiny(folder, positions="sum", method="atp", lengths=(4, 5, 5, 4, 6, 6))


def features(run: TinyRun) -> list[tuple[Site, Row]]:
    sites = {(site.component, site.layer): site for site in run.subject.dictionaries}
    return [(sites[row["component"], row["layer"]], row) for row in run.rows("Feature")]


@pytest.mark.slow
def test_tokens_a_feature_fires_on_are_those_of_a_loop_over_all_clean_tokens(run: TinyRun) -> None:
    words = run.subject.model.tokenizer.convert_ids_to_tokens
    for site, row in features(run):
        strongest: dict[int, float] = {}
        for example in run.examples:
            x = run.subject.model.activations(torch.tensor([example.clean]), [site])[site]
            acts = run.subject.dictionaries[site].sae.encode(x)[0, :, row["feature_index"]].tolist()
            for token, activation in zip(example.clean, acts, strict=True):
                if activation > strongest.get(token, 0.0):
                    strongest[token] = activation
        ranked = sorted(strongest, key=lambda token: -strongest[token])[:TOLD]

        assert row["top_tokens"] == words(ranked)
        assert row["top_activations"] == pytest.approx([strongest[token] for token in ranked], rel=1e-4)


def test_tokens_a_feature_promotes_are_those_its_direction_raises_most(run: TinyRun, folder: Path) -> None:
    words = run.subject.model.tokenizer.convert_ids_to_tokens
    unembedding: Any = AutoModelForCausalLM.from_pretrained(folder / "model").lm_head.weight.detach()
    for site, row in features(run):
        direction = run.subject.dictionaries[site].sae.W_dec[row["feature_index"]]
        logits = [float((direction * column).sum()) for column in unembedding]
        ranked = sorted(range(len(logits)), key=lambda token: -logits[token])

        assert row["promotes"] == words(ranked[:TOLD])
        assert row["suppresses"] == words(ranked[: -TOLD - 1 : -1])


def test_the_marks_of_spaces_in_both_kinds_of_tokenizers_are_shown_as_spaces() -> None:
    vocabulary = Tokenizer(models.WordLevel({"▁the": 0, "Ġthe": 1, "the": 2}, unk_token="the"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=vocabulary)

    assert [token_text(tokenizer, token) for token in range(3)] == [" the", " the", "the"]


def test_every_feature_of_the_circuit_has_evidence(run: TinyRun) -> None:
    used = {(r["component"], r["layer"], r["feature_index"]) for r in run.rows("CircuitNode") if r["kind"] == "feature"}

    assert {(r["component"], r["layer"], r["feature_index"]) for r in run.rows("Feature")} == used
