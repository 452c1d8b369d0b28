"""The engine gives what the published implementation gives, on the golden folder."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bench.golden import Worst, compare
from bench.golden_folder import open_golden
from bench.made_golden import make
from tests.fixtures_folder import fixtures, needs_fixtures


@pytest.mark.slow
@needs_fixtures("golden/neox")
def test_effects_edges_and_ablation_equal_the_published_ones() -> None:
    figures = compare(open_golden(fixtures() / "golden" / "neox"))

    assert len(figures) == 13
    assert [f"{f.name}: {f.value}" for f in figures if not f.holds] == []


def test_a_difference_that_is_not_a_number_never_passes() -> None:
    worst = Worst()
    worst.add(np.array([np.nan, 1.0], dtype=np.float32), np.array([1.0, 1.0], dtype=np.float32))
    worst.add(np.array([1.0], dtype=np.float32), np.array([1.0], dtype=np.float32))

    assert math.isnan(worst.relative)


def test_nothing_compared_is_no_agreement() -> None:
    assert math.isnan(Worst().relative)


@pytest.mark.slow
def test_the_embedding_of_gemma_is_read_before_its_scale(tmp_path: Path) -> None:
    make(tmp_path / "made", "gemma2")
    folder = open_golden(tmp_path / "made")
    (site,) = (site for site in folder.dictionaries if site.component == "embed")
    file = load_file(tmp_path / "made" / "dictionaries" / "embed" / "ae.safetensors")
    tokens = torch.tensor([[3, 5, 7]])
    words = folder.model.unembedding()[tokens]  # tied to the embedding, which Gemma looks up and then scales
    before = words @ file["W_enc"] + file["b_enc"]
    expected = before * (before > file["threshold"])
    found = folder.dictionaries[site].encode(folder.model.activations(tokens, [site])[site])
    assert bool((expected != 0).any())
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["neox", "gemma2"])
def test_another_architecture_and_dictionary_equal_the_literal_definitions(tmp_path: Path, family: str) -> None:
    make(tmp_path / "made", family)

    figures = compare(open_golden(tmp_path / "made"))

    assert len(figures) == 14
    assert [f"{f.name}: {f.value}" for f in figures if not f.holds] == []
