"""What a user can get wrong with models, dictionaries and examples: one line, exit code 2, the culprit named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.test_bad_input import assert_refused
from tests.cli.toy import D_MODEL, PAIRS, make_dictionaries, make_examples, make_model, pair

pytestmark = pytest.mark.slow

GOOD = [pair(*texts) for texts in PAIRS]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good model, good dictionaries and good examples."""
    folder = tmp_path_factory.mktemp("toy")
    make_model(folder / "model")
    make_dictionaries(folder / "dictionaries")
    make_examples(folder / "examples.jsonl")
    return folder


def arguments(toy: Path, store: Path, **changed: Path | str) -> list[str]:
    """The command line of a quick good run, with some settings changed."""
    settings: dict[str, Path | str] = {
        "model": toy / "model",
        "dictionaries": toy / "dictionaries",
        "examples": toy / "examples.jsonl",
        "held_out_share": "0.25",
        "steps": "2",
        "measure_thresholds": "1",
        "random_circuits": "1",
    }
    options = [f"--{name.replace('_', '-')}={value}" for name, value in (settings | changed).items()]
    return ["discover", *options, "--store", str(store)]


@pytest.mark.slow
def test_the_same_without_mistake_works(atlas_here: Command, toy: Path, tmp_path: Path) -> None:
    done = atlas_here(*arguments(toy, tmp_path / "atlas.lbug"))
    assert done.code == 0
    assert all(line.startswith("warning: ") for line in done.err.splitlines())  # the toy's behaviour is random
    listed = atlas_here("circuits", "--store", str(tmp_path / "atlas.lbug"), "--format", "json")
    assert [row["task"] for row in json.loads(listed.out)] == ["examples"]


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(atlas_here: Command, toy: Path, tmp_path: Path) -> None:
    mixed = [*GOOD, *(pair(f"near {clean}", f"near {patch}") for clean, patch in PAIRS)]
    examples = make_examples(tmp_path / "examples.jsonl", mixed)
    done = atlas_here(*arguments(toy, tmp_path / "atlas.lbug", examples=examples, positions="sum"), "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert "6 to attribute over, 2 held out" in done.out
    assert not (tmp_path / "atlas.lbug").exists()


EXAMPLES: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "empty file": ([], ("examples.jsonl", "empty")),
    "blank lines alone": (["", "  "], ("examples.jsonl", "empty")),
    "broken line": ([*GOOD, '{"clean_prefix": '], ("line 5", "JSON")),
    "not an object": (["[1, 2]"], ("line 1", "object")),
    "answer missing": ([GOOD[0], '{"clean_prefix": "the man"}'], ("line 2", "clean_answer")),
    "answer of several tokens": (
        [*GOOD, pair("the man near the dogs", "the men near the dogs", " runs fast")],
        ("line 5", "2 tokens", "runs fast"),
    ),
    "answer out of the vocabulary": ([*GOOD, pair(*PAIRS[0], " sings")], ("line 5", "sings")),
    "unequal lengths": ([*GOOD, pair("the man", "the men")], ("line 5", "2")),
    "pair of unequal lengths": ([*GOOD, pair("the man near the dog", "the men")], ("line 5", "2")),
    "clean equal to patch": ([GOOD[0], pair("the man", "the man")], ("line 2", "same")),
    "pairs and single prompts mixed": (
        [GOOD[0], json.dumps({"clean_prefix": "the man", "clean_answer": " runs"})],
        ("line 2", "mixed"),
    ),
    "roles that do not fit": (
        [*GOOD, json.dumps(json.loads(pair(*PAIRS[0], " runs", " men")) | {"roles": ["determiner", "noun"]})],
        ("line 5", "2 roles"),
    ),
}


@pytest.mark.parametrize(("lines", "culprits"), EXAMPLES.values(), ids=EXAMPLES.keys())
def test_examples(lines: list[str], culprits: tuple[str, ...], atlas_here: Command, toy: Path, tmp_path: Path) -> None:
    examples = make_examples(tmp_path / "examples.jsonl", lines)
    store = tmp_path / "atlas.lbug"
    assert_refused(atlas_here(*arguments(toy, store, examples=examples)), *culprits)


def test_no_examples_file(atlas_here: Command, toy: Path, tmp_path: Path) -> None:
    assert_refused(atlas_here(*arguments(toy, tmp_path / "a.lbug", examples="none.jsonl")), "none.jsonl")


def test_no_such_model(atlas_here: Command, toy: Path, tmp_path: Path) -> None:
    assert_refused(atlas_here(*arguments(toy, tmp_path / "a.lbug", model="./no-model")), "no-model")


def test_a_folder_that_is_no_model(atlas_here: Command, toy: Path, tmp_path: Path) -> None:
    assert_refused(atlas_here(*arguments(toy, tmp_path / "a.lbug", model=tmp_path)), "config.json")


def test_no_such_dictionaries(atlas_here: Command, toy: Path, tmp_path: Path) -> None:
    assert_refused(atlas_here(*arguments(toy, tmp_path / "a.lbug", dictionaries="./none")), "none")


def test_an_empty_folder_of_dictionaries(atlas_here: Command, toy: Path, tmp_path: Path) -> None:
    assert_refused(atlas_here(*arguments(toy, tmp_path / "a.lbug", dictionaries=tmp_path)), str(tmp_path))


def test_dictionaries_of_the_wrong_width(atlas_here: Command, toy: Path, tmp_path: Path) -> None:
    wide = make_dictionaries(tmp_path / "wide", d_in=D_MODEL * 2)
    assert_refused(atlas_here(*arguments(toy, tmp_path / "a.lbug", dictionaries=wide)), "resid_0", "32", "16")


def test_dictionaries_of_a_deeper_model(atlas_here: Command, toy: Path, tmp_path: Path) -> None:
    deep = make_dictionaries(tmp_path / "deep", layers=[0, 5])
    assert_refused(atlas_here(*arguments(toy, tmp_path / "a.lbug", dictionaries=deep)), "resid_5")


def test_an_unknown_hook_name(atlas_here: Command, toy: Path, tmp_path: Path) -> None:
    odd = make_dictionaries(tmp_path / "odd", hook="hook_reside_post")
    assert_refused(atlas_here(*arguments(toy, tmp_path / "a.lbug", dictionaries=odd)), "blocks.0.hook_reside_post")


def test_broken_dictionary_weights(atlas_here: Command, toy: Path, tmp_path: Path) -> None:
    broken = make_dictionaries(tmp_path / "broken")
    (broken / "resid_1" / "sae_weights.safetensors").write_bytes(b"nothing")
    assert_refused(atlas_here(*arguments(toy, tmp_path / "a.lbug", dictionaries=broken)), "resid_1")


def test_nan_in_effects(atlas_here: Command, toy: Path, tmp_path: Path) -> None:
    model = make_model(tmp_path / "model", with_nan=True)
    store = tmp_path / "a.lbug"
    assert_refused(atlas_here(*arguments(toy, store, model=model)), "NaN")
    listed = atlas_here("circuits", "--store", str(store), "--format", "json")
    assert listed.code == 2 or json.loads(listed.out) == []


def test_no_such_device(atlas_here: Command, toy: Path, tmp_path: Path) -> None:
    assert_refused(atlas_here(*arguments(toy, tmp_path / "a.lbug", device="gpu")), "gpu")


def test_another_model_under_a_known_name(atlas_here: Command, toy: Path, tmp_path: Path) -> None:
    store = tmp_path / "a.lbug"
    assert atlas_here(*arguments(toy, store)).code == 0
    other = make_model(tmp_path / "model", seed=1)
    assert_refused(atlas_here(*arguments(toy, store, model=other)), "model", "--model-id")
    assert atlas_here(*arguments(toy, store, model=other), "--model-id", "another").code == 0
