"""A discovery as rows of the graph: how many, under which keys, above which floors, and with nothing left dangling."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from circuit_atlas.cypher.rows import Pair
from circuit_atlas.ingest.measuring.grid import FIRST_SHARES
from tests.ingest.tiny import D_SAE, SITES
from tests.ingest.tiny_runs import EDGE, TinyRun, run_tiny

pytestmark = pytest.mark.slow

MEASURED: dict[str, Any] = {"held_out_share": 0.5, "measure_thresholds": 2, "random_circuits": 3}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    folder = tmp_path_factory.mktemp("rows")
    return run_tiny(folder, method="atp", lengths=(5,) * 8, max_nodes=60, max_edges=300, **MEASURED)


def edges(run: TinyRun) -> list[dict[str, Any]]:
    return [dict(row) for row in run.circuit.rows.relationships[EDGE]]


def test_one_row_of_each_thing_there_is_one_of(run: TinyRun) -> None:
    nodes = run.circuit.rows.nodes

    assert {label: len(nodes[label]) for label in ("Model", "Task", "Circuit", "Sae", "Error", "Candidates")} == {
        "Model": 1,
        "Task": 1,
        "Circuit": 1,
        "Sae": len(SITES),
        "Error": len(SITES),
        "Candidates": len(SITES),
    }


def test_sizes_are_counted_and_bounded(run: TinyRun) -> None:
    (circuit,) = run.rows("Circuit")

    assert len(circuit["items"]) == circuit["n_examples"] == 4
    assert len(set(circuit["items"])) == circuit["n_items"] == 2
    assert circuit["n_nodes"] == len(run.nodes()) == len(run.rows("CircuitNode")) - 1
    assert circuit["n_edges"] == len(edges(run))
    assert 50 < circuit["n_nodes"] <= 60
    assert 250 < circuit["n_edges"] <= 300


def test_floors_are_exclusive_and_tight(tmp_path: Path, run: TinyRun) -> None:
    """All that is stored lies above the floor; the floor itself is the size of the strongest thing left out."""
    (circuit,) = run.rows("Circuit")
    every = run_tiny(tmp_path, method="atp", lengths=(5,) * 8, max_nodes=100_000, **MEASURED)
    stored = {key: abs(row["effect"]) for key, row in run.nodes().items()}
    others = [abs(row["effect"]) for key, row in every.nodes().items() if key not in stored]

    assert min(stored.values()) > circuit["node_floor"] == pytest.approx(max(others), rel=1e-5)
    assert min(abs(row["weight"]) for row in edges(run)) > circuit["edge_floor"]


def test_keys_are_unique_and_tell_what_they_are(run: TinyRun) -> None:
    (circuit,), (model,) = run.rows("Circuit"), run.rows("Model")
    ids = [row["id"] for rows in run.circuit.rows.nodes.values() for row in rows]

    assert len(ids) == len(set(ids))
    assert circuit["id"].startswith(f"{model['id']}/circuit/")
    for (site, unit, position), row in run.nodes().items():
        name = "error" if unit == D_SAE else f"feature/{unit}"
        assert row["id"] == f"{circuit['id']}/{site.name}/{name}/{position}"
    (target,) = (row for row in run.rows("CircuitNode") if row["kind"] == "target")
    assert target["id"] == f"{circuit['id']}/target/*"
    assert {row["id"] for row in run.rows("Sae")} == {f"{model['id']}/random/{site}" for site in SITES}


def test_no_relationship_dangles(run: TinyRun) -> None:
    ids = {label: {row["id"] for row in rows} for label, rows in run.circuit.rows.nodes.items()}
    for pair, rows in run.circuit.rows.relationships.items():
        assert {row["from"] for row in rows} <= ids[pair.source], pair
        assert {row["to"] for row in rows} <= ids[pair.target], pair


def test_every_node_is_an_instance_of_its_own_unit(run: TinyRun) -> None:
    nodes = {row["id"]: row for row in run.rows("CircuitNode") if row["kind"] != "target"}
    for label, kind in (("Feature", "feature"), ("Error", "error")):
        homes = {row["id"]: row for row in run.rows(label)}
        links = run.circuit.rows.relationships[Pair("INSTANCE_OF", "CircuitNode", label)]
        assert sorted(link["from"] for link in links) == sorted(i for i, row in nodes.items() if row["kind"] == kind)
        for link in links:
            node, home = nodes[link["from"]], homes[link["to"]]
            assert all(node[name] == home.get(name) for name in ("component", "layer", "feature_index"))


def test_edges_go_forwards_and_the_last_end_is_the_target(run: TinyRun) -> None:
    order = {row["id"]: SITES.index(key[0].name) for key, row in run.nodes().items()}
    (target,) = (row["id"] for row in run.rows("CircuitNode") if row["kind"] == "target")
    order[target] = len(SITES)
    pairs = [(edge["from"], edge["to"]) for edge in edges(run)]

    assert all(order[source] < order[end] for source, end in pairs)
    assert len(pairs) == len(set(pairs))
    assert any(end == target for _, end in pairs)


def test_the_target_holds_the_total_effect(run: TinyRun) -> None:
    (circuit,) = run.rows("Circuit")
    (target,) = (row for row in run.rows("CircuitNode") if row["kind"] == "target")

    assert target["effect"] == pytest.approx(circuit["metric_patch"] - circuit["metric_clean"], rel=1e-4)
    assert target["layer"] == 2


def test_what_is_undefined_is_null_and_never_a_nan(tmp_path: Path) -> None:
    """Two examples of one item: no standard error."""
    run = run_tiny(tmp_path, method="atp", lengths=(5, 5))
    rows = [row for found in run.circuit.rows.nodes.values() for row in found]
    rows += [row for found in run.circuit.rows.relationships.values() for row in found]

    assert all(row["effect_se"] is None for row in run.nodes().values())
    assert all(edge["weight_se"] is None for edge in edges(run))
    assert not [row for row in rows for value in row.values() if isinstance(value, float) and not math.isfinite(value)]


def test_first_tokens_are_marked_and_positions_named_by_their_token_where_all_agree(run: TinyRun) -> None:
    for (_, _, position), row in run.nodes().items():
        assert row["is_first_token"] == (position == 0)
        assert row["role"] is None  # random prompts agree nowhere


def test_measurements_stand_for_the_circuit_without_errors_and_at_random(run: TinyRun) -> None:
    rows = run.rows("Measurement")
    thresholds = {row["node_threshold"] for row in rows}

    assert 1 <= len(thresholds) <= len(FIRST_SHARES[:2])
    for threshold in thresholds:
        here = [row for row in rows if row["node_threshold"] == threshold]
        assert sorted((row["kind"], row["errors"]) for row in here) == [
            ("circuit", "default"),
            ("circuit", "remove"),
            *[("random", "default")] * 3,
            *[("random", "remove")] * 3,
        ]
        sizes = {row["kind"]: row["n_nodes"] for row in here if row["errors"] == "default"}
        kept = [abs(node["effect"]) > threshold and key[0].layer >= 0 for key, node in run.nodes().items()]
        assert sizes["circuit"] == sizes["random"] == sum(kept)
    for row in rows:
        assert row["n_examples"] == len(row["full"]) == len(row["circuit"]) == 4
        assert row["m_circuit"] == pytest.approx(float(torch.tensor(row["circuit"]).mean()), abs=1e-5)
        span = row["m_full"] - row["m_empty"]
        assert row["faithfulness"] == pytest.approx((row["m_circuit"] - row["m_empty"]) / span, rel=1e-3)


def test_writing_the_same_again_gives_the_same_rows_under_the_same_keys(tmp_path: Path) -> None:
    first, second = (run_tiny(tmp_path / name, method="atp") for name in ("a", "b"))

    assert first.rows("Circuit")[0]["id"] == second.rows("Circuit")[0]["id"]
    assert first.rows("CircuitNode") == second.rows("CircuitNode")
    assert first.circuit.rows.relationships == second.circuit.rows.relationships


def test_another_setting_that_decides_gives_another_key_and_the_way_of_running_does_not(tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [{}, {"batch_size": 1}, {"name": "mine"}, {"seed": 1}, {"positions": "sum"}]
    ids = [
        run_tiny(tmp_path / str(number), method="atp", **changed).rows("Circuit")[0]["id"]
        for number, changed in enumerate(changes)
    ]
    assert ids[0] == ids[1] == ids[2]
    assert len(set(ids)) == 3
