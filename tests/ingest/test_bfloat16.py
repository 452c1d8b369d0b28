"""A model in bfloat16: dictionaries and sums stay in float32, and results are those of float32 but for its rounding."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from circuit_atlas.ingest import DiscoverSettings, discover
from circuit_atlas.ingest.changes import run_ends
from circuit_atlas.ingest.model_files import load_model
from circuit_atlas.ingest.sites import site_from_name
from circuit_atlas.ingest.starts import Start
from circuit_atlas.ingest.subject import Subject
from tests.cli.toy import make_dictionaries, make_examples, make_model
from tests.ingest.test_literal import dense_effects
from tests.ingest.tiny import make_batch, make_subject


def both(folder: Path, family: str) -> tuple[Subject, Subject]:
    """The same model in float32 and in bfloat16, with the same dictionaries."""
    wide = make_subject(folder, family, "jumprelu", "none")
    return wide, dataclasses.replace(wide, model=load_model(str(folder), dtype="bfloat16"))


@pytest.mark.parametrize("family", ["llama", "gemma"])
def test_what_reaches_dictionaries_and_metric_is_float32(family: str, tmp_path: Path) -> None:
    _, narrow = both(tmp_path, family)
    batch = make_batch()
    assert narrow.model.dtype is torch.bfloat16
    ends = run_ends(narrow.model, narrow.dictionaries, batch)
    logits = narrow.model.run(batch.clean)
    assert {x.dtype for x in ends.clean.values()} | {logits.dtype} == {torch.float32}
    # Every value is one that bfloat16 can hold: the model itself ran in it.
    assert all(torch.equal(x, x.bfloat16().float()) for x in ends.clean.values())


def test_a_run_begun_at_a_later_block_is_the_whole_run(tmp_path: Path) -> None:
    _, narrow = both(tmp_path, "llama")
    tokens, site = make_batch().clean, site_from_name("resid_0")
    stream = narrow.model.activations(tokens, [site])[site]
    with torch.no_grad():
        assert torch.equal(narrow.model.run(tokens), narrow.model.run(tokens, start=Start(1, stream)))


@pytest.mark.parametrize("family", ["llama", "gemma"])
def test_effects_are_those_of_float32_but_for_rounding(family: str, tmp_path: Path) -> None:
    wide, narrow = both(tmp_path, family)
    batch = make_batch()
    expected, found = (dense_effects(subject, batch, "ig") for subject in (wide, narrow))
    for site, effects in expected.items():
        # bfloat16 keeps 8 bits; a few layers of it leave some hundredths of the largest value
        assert float((found[site] - effects).abs().max()) < 0.1 * float(effects.abs().max())


@pytest.mark.slow
def test_a_whole_discovery(tmp_path: Path) -> None:
    settings = DiscoverSettings(
        model=str(make_model(tmp_path / "model")),
        dictionaries=str(make_dictionaries(tmp_path / "dictionaries")),
        examples=str(make_examples(tmp_path / "examples.jsonl")),
        exact_edges=3,
        random_circuits=1,
        measure_thresholds=1,
    )
    wide, narrow = (discover(dataclasses.replace(settings, dtype=dtype)).summary for dtype in ("float32", "bfloat16"))
    for name in ("metric_clean", "metric_patch"):
        assert narrow[name] == pytest.approx(wide[name], rel=0.1)
    assert narrow["n_nodes"] == pytest.approx(wide["n_nodes"], rel=0.1)
