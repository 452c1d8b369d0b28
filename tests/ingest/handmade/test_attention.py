"""Edges through Q, K and V equal closed forms; what saturates is missed by gradients, and said; decoys stay out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from circuit_atlas.cypher.rows import Pair
from circuit_atlas.ingest import DiscoveredCircuit, DiscoverSettings, discover
from tests.ingest.handmade.attention import KAPPA, VALUES, Array, attention, derivatives, load, means, write_model
from tests.ingest.noted import Noted

CLEAN, PATCH, LAST = "A B A", "B D B", 2
MODERATE = 0.9
G, M, M2, OUT = (0, 1, 2), (3, 4, 5), 6, (7, 8, 9)
"""Features: the values of Q, K and V, their means, the mean of V once more, and what layer 1 writes."""

SIGNS = (1.0, 1.0, -1.0)
Node = tuple[str, int, int]
"""Site, feature, position."""


def find(folder: Path, beta: float, notes: Noted | None = None, **settings: Any) -> DiscoveredCircuit:
    write_model(folder / "model", beta)
    line = {"clean_prefix": CLEAN, "patch_prefix": PATCH, "clean_answer": " clean", "patch_answer": " patch"}
    (folder / "pair.jsonl").write_text(json.dumps({**line, **settings.pop("prompts", {})}))
    common: dict[str, Any] = {
        "held_out_share": 0.0,
        "measure_thresholds": 0,
        "node_floor": 1e-4,
        "edge_floor": 1e-4,
        **settings,
    }
    wanted = DiscoverSettings(model="m", dictionaries="d", examples=str(folder / "pair.jsonl"), **common)
    return discover(wanted, loaded=load(folder / "model"), reporter=notes)


def nodes(circuit: DiscoveredCircuit) -> dict[Node, float]:
    """Effect of each node but the target; an error counts as feature -1."""
    rows = [row for row in circuit.rows.nodes["CircuitNode"] if row["kind"] != "target"]
    return {_node(row): row["effect"] for row in rows}


def _node(row: Any) -> Node:
    site = row["component"] if row["component"] == "embed" else f"{row['component']}_{row['layer']}"
    return site, -1 if row["kind"] == "error" else row["feature_index"], row["position"]


def edges(circuit: DiscoveredCircuit, of: str = "weight") -> dict[tuple[Node, Node | None], float]:
    """Weight (or another property) of each edge; the target is None."""
    ends: dict[str, Node | None] = {
        row["id"]: None if row["kind"] == "target" else _node(row) for row in circuit.rows.nodes["CircuitNode"]
    }
    found: dict[tuple[Node, Node | None], float] = {}
    for row in circuit.rows.relationships[Pair("EDGE", "CircuitNode", "CircuitNode")]:
        source = ends[row["from"]]
        assert source is not None
        found[source, ends[row["to"]]] = row[of]
    return found


def expected_edges(beta: float) -> dict[tuple[Node, Node | None], float]:
    """Every edge there is, by the derivatives of docs and hands (see `attention`)."""
    clean, patch = means(CLEAN), means(PATCH)
    change = patch - clean
    g = np.array([VALUES[w] for w in PATCH.split()]) - np.array([VALUES[w] for w in CLEAN.split()])
    by_query, by_key, by_value = derivatives(clean, beta)
    slope: dict[tuple[int, int], float] = {(M[0], LAST): by_query}
    slope |= {(M[1], s): by_key[s] for s in range(3)}
    slope |= {(feature, s): by_value[s] for feature in (M[2], M2) for s in range(3)}
    delta = attention(patch, beta)[2] - attention(clean, beta)[2]
    found: dict[tuple[Node, Node | None], float] = {}
    for (feature, place), by in slope.items():
        kind = min(feature - M[0], 2)
        for source in range(place + 1):
            through = KAPPA * by * g[source, kind] / (place + 1)
            found[("embed", G[kind], source), ("attn_0", feature, place)] = through
        here = KAPPA * by * change[place, kind]
        found[("attn_0", feature, place), ("resid_0", feature, place)] = here
        for out, sign in zip(OUT, SIGNS, strict=True):
            found[("resid_0", feature, place), ("attn_1", out, LAST)] = sign * here
    for out, sign in zip(OUT, SIGNS, strict=True):
        found[("attn_1", out, LAST), ("resid_1", out, LAST)] = sign * KAPPA * delta
        found[("resid_1", out, LAST), None] = sign * KAPPA * delta
    return found


def test_every_edge_through_q_k_and_v_has_its_closed_form_and_there_are_no_others(tmp_path: Path) -> None:
    found, expected = edges(find(tmp_path, MODERATE)), expected_edges(MODERATE)
    assert len(expected) == 67
    assert set(found) == set(expected)  # precision and recall are 1
    for ends, weight in expected.items():
        assert found[ends] == pytest.approx(weight, abs=2e-5), ends


def _exact(feature: int, place: int, beta: float) -> float:
    """Change of the metric when one of the means takes its patch value."""
    clean, patch = means(CLEAN), means(PATCH)
    kind = min(feature - M[0], 2)
    moved: Array = clean.copy()
    moved[place, kind] = patch[place, kind]
    if kind == 2:  # one of two equal values
        moved[place, 2] = (clean[place, 2] + patch[place, 2]) / 2
    return KAPPA * (attention(moved, beta)[2] - attention(clean, beta)[2])


@pytest.mark.parametrize("method", ["exact", "ig"])
def test_the_nodes_are_those_with_an_effect_and_no_decoy(tmp_path: Path, method: str) -> None:
    found = nodes(find(tmp_path, MODERATE, method=method, steps=200, rule="midpoint"))
    read = [(M[0], LAST), *((feature, s) for feature in (M[1], M[2], M2) for s in range(3))]
    wanted = {("embed", feature, s) for feature in G for s in range(3)}
    wanted |= {(site, feature, s) for site in ("attn_0", "resid_0") for feature, s in read}
    wanted |= {(site, out, LAST) for site in ("attn_1", "resid_1") for out in OUT}
    assert set(found) == wanted  # no error, none of the values that pass on at resid_0 and resid_1
    for feature, s in read:
        if method == "exact":
            exact = _exact(feature, s, MODERATE)
            assert found["attn_0", feature, s] == pytest.approx(exact, abs=2e-5)
            assert found["resid_0", feature, s] == pytest.approx(exact, abs=2e-5)


def test_the_duplicated_path_counts_on_both_ways_and_the_cancelling_pair_on_both_sides(tmp_path: Path) -> None:
    found = nodes(find(tmp_path, MODERATE, method="exact"))
    for s in range(3):
        assert found["attn_0", M[2], s] == pytest.approx(found["attn_0", M2, s], abs=1e-5)
    assert found["resid_1", OUT[1], LAST] == pytest.approx(-found["resid_1", OUT[2], LAST], abs=1e-5)
    assert abs(found["resid_1", OUT[1], LAST]) > 0.05


SATURATED: dict[str, str] = {"clean_prefix": "A B", "patch_prefix": "A A"}
STEEP = 8 / ((1.2 * 0.7 + 0.3) * (1.0 - 0.5) / 4)
"""beta at which the keys of "A B" differ by 8 in the score: m_K is 0.5 and then 1.0; q is 1.2 · 0.7 + 0.3."""


def test_a_saturated_softmax_hides_the_keys_from_gradients_and_that_is_said(tmp_path: Path) -> None:
    """With a key-side score of 8 the last key has all attention; moving it to the other's value halves that."""
    notes = Noted()
    circuit = find(tmp_path, STEEP, notes, prompts=SATURATED, node_floor=1e-7, edge_floor=1e-9, exact_edges=500)
    by_weight, by_hand = edges(circuit), edges(circuit, "exact_weight")
    key = (("resid_0", M[1], 1), ("attn_1", OUT[0], 1))
    clean = means(SATURATED["clean_prefix"])
    moved: Array = clean.copy()
    moved[1, 1] = means(SATURATED["patch_prefix"])[1, 1]
    exact = KAPPA * (attention(moved, STEEP)[2] - attention(clean, STEEP)[2])
    assert attention(clean, STEEP)[0][1] > 0.999
    assert by_hand[key] == pytest.approx(exact, rel=1e-3)
    assert abs(by_weight[key]) < 0.02 * abs(by_hand[key])
    (said,) = [line for line in notes.lines if "saturated" in line]
    assert "exact effect" in said


def test_with_moderate_attention_nothing_is_said_of_saturation(tmp_path: Path) -> None:
    notes = Noted()
    find(tmp_path, 0.05, notes, exact_edges=500)
    assert not any("saturated" in line for line in notes.lines)
