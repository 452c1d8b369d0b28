"""Cosines of decoder directions, against numpy's on the weights themselves."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from circuit_atlas.cypher import keys
from circuit_atlas.cypher.rows import Pair
from circuit_atlas.cypher.schema import LEAST_COSINE
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.directions import Directions, similar_features
from circuit_atlas.ingest.neurons import Identity
from circuit_atlas.ingest.sites import site_from_name
from tests.ingest.tiny_runs import TinyRun, run_tiny

EMBED, ATTN_0, RESID_0, RESID_1 = (site_from_name(name) for name in ("embed", "attn_0", "resid_0", "resid_1"))


def directions(rows: list[list[float]], features: list[int] | None = None) -> Directions:
    return Directions(torch.tensor(features or list(range(len(rows)))), torch.tensor(rows))


def test_cosines_of_a_small_case() -> None:
    """Features 2 and 7 of one site at 60 degrees, 2 and 9 opposite; lengths and order play no part."""
    half = directions([[2.0, 0.0], [1.0, 3**0.5], [-5.0, 0.0]], [2, 7, 9])
    found = similar_features({RESID_0: half}, [RESID_0])
    assert [(pair.source, pair.target) for pair in found] == [(2, 7), (2, 9), (7, 9)]
    assert [pair.cosine for pair in found] == pytest.approx([0.5, -1.0, -0.5], abs=1e-7)
    assert {(pair.source_site, pair.target_site) for pair in found} == {(RESID_0, RESID_0)}


def test_residual_sites_that_follow_each_other_are_compared() -> None:
    """The embedding with the first, the first with the second; not the embedding with the second, nor attention."""
    one = {site: directions([[1.0, 0.0]]) for site in (EMBED, ATTN_0, RESID_0, RESID_1)}
    found = similar_features(one, [EMBED, ATTN_0, RESID_0, RESID_1])
    assert [(pair.source_site, pair.target_site) for pair in found] == [(EMBED, RESID_0), (RESID_0, RESID_1)]
    without = {site: rows for site, rows in one.items() if site != RESID_0}
    assert similar_features(without, [EMBED, ATTN_0, RESID_0, RESID_1]) == []
    # Where the first has no dictionary at all, the embedding feeds the second directly.
    assert len(similar_features(without, [EMBED, ATTN_0, RESID_1])) == 1


def test_what_points_nowhere_or_is_of_another_width_is_like_nothing() -> None:
    assert similar_features({RESID_0: directions([[0.0, 0.0], [1.0, 0.0]])}, [RESID_0]) == []
    wide = {EMBED: directions([[1.0, 0.0]]), RESID_0: directions([[1.0, 0.0, 0.0]])}
    assert similar_features(wide, [EMBED, RESID_0]) == []


def test_neurons_are_like_themselves_on_the_next_site_alone() -> None:
    identity = SparseDictionary.holding(RESID_0, Identity(4, torch.device("cpu")), "made here")
    chosen = {site: torch.tensor(some) for site, some in ((RESID_0, [0, 1, 3]), (RESID_1, [1, 2, 3]))}
    rows = {site: Directions(some, identity.decoder_rows(some)) for site, some in chosen.items()}
    found = similar_features(rows, [RESID_0, RESID_1])
    assert [(pair.source, pair.target, pair.cosine) for pair in found] == [(1, 1, 1.0), (3, 3, 1.0)]


@pytest.mark.parametrize("block", [2, 1_024])
def test_blocks_make_no_difference(block: int) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(9, 3, generator=generator)
    half = Directions(torch.arange(9), rows)
    found = {(pair.source, pair.target): pair.cosine for pair in similar_features({RESID_0: half}, [RESID_0], block)}
    assert found == pytest.approx(literal(rows.numpy(), rows.numpy(), same=True))


def literal(one: np.ndarray, other: np.ndarray, *, same: bool) -> dict[tuple[int, int], float]:
    """Cosine of each pair above the floor, one at a time."""
    cosines = {
        (i, j): float(a.astype(np.float64) @ b.astype(np.float64) / np.linalg.norm(a) / np.linalg.norm(b))
        for (i, a), (j, b) in itertools.product(enumerate(one), enumerate(other))
        if not same or i < j
    }
    return {pair: cosine for pair, cosine in cosines.items() if abs(cosine) >= LEAST_COSINE}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["standard", "rescaled topk"])
def test_a_discovered_circuit_says_which_of_its_features_are_alike(kind: str, tmp_path: Path) -> None:
    run = run_tiny(tmp_path, kind=kind, method="atp", max_nodes=60)
    found: dict[tuple[str, str], float] = {
        (row["from"], row["to"]): row["cosine"]
        for row in run.circuit.rows.relationships[Pair("SIMILAR_TO", "Feature", "Feature")]
    }
    assert found == pytest.approx(expected(run))
    assert len(found) > 10


def expected(run: TinyRun) -> dict[tuple[str, str], float]:
    """Every pair of features of the circuit that is to be compared, by the weights of its dictionaries."""
    used: dict[str, list[int]] = {}
    for row in run.rows("Feature"):
        used.setdefault(row["id"].split("/")[2], []).append(row["feature_index"])
    weights: dict[str, Any] = {site.name: one.sae.W_dec for site, one in run.subject.dictionaries.items()}
    stream = [("embed", "resid_0"), ("resid_0", "resid_1")]
    pairs = {}
    for one, other in [*((name, name) for name in used), *stream]:
        rows, columns = sorted(used.get(one, [])), sorted(used.get(other, []))
        some = literal(weights[one][rows].numpy(), weights[other][columns].numpy(), same=one == other)
        for (i, j), cosine in some.items():
            sae = run.rows("Sae")[0]["id"].rsplit("/", 1)[0]
            ends = keys.feature_id(f"{sae}/{one}", rows[i]), keys.feature_id(f"{sae}/{other}", columns[j])
            pairs[ends] = cosine
    return pairs
