"""Comparison, the overlap matrix, thresholds and faithfulness, on numbers worked out by hand."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from circuit_atlas.analysis import compare, faithfulness_table, overlap_matrix, require_threshold, strongest_paths
from circuit_atlas.analysis.faithfulness import bootstrap_interval
from circuit_atlas.cypher import CircuitRows, Store, connect
from circuit_atlas.errors import QueryError
from tests.graphs import (
    OBJECT,
    OBJECT_EDGES,
    SUBJECT,
    SUBJECT_EDGES,
    SVA,
    SVA_EDGES,
    circuit,
    small_circuits,
    with_measurements,
)


def with_circuit(rows: CircuitRows, **changes: Any) -> CircuitRows:
    """The same circuit with other properties on its `Circuit` node."""
    (one,) = rows.nodes["Circuit"]
    return dataclasses.replace(rows, nodes={**rows.nodes, "Circuit": [{**one, **changes}]})


def with_roles(rows: CircuitRows, roles: dict[int, str]) -> CircuitRows:
    """The same circuit under another template."""
    nodes = [{**n, "role": roles.get(n.get("position") or 0)} for n in rows.nodes["CircuitNode"]]
    return dataclasses.replace(rows, nodes={**rows.nodes, "CircuitNode": nodes})


RANDOM: list[dict[str, Any]] = [{"kind": "random", "seed": n, "faithfulness": n / 10, "full": None} for n in range(10)]
MEASURED: list[dict[str, Any]] = [
    {"faithfulness": 0.75},
    {"faithfulness": 0.5, "errors": "remove"},
    *RANDOM,
    {"kind": "random", "seed": 99, "faithfulness": 0.99, "node_threshold": 0.7},
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path: Path = tmp_path_factory.mktemp("compare") / "atlas.lbug"
    per_example = {"selection": "per-example", "node_floor": 0.1, "edge_floor": 0.05}
    with connect(f"ladybug:{path}") as opened:
        opened.write(
            [
                *small_circuits(),
                with_circuit(circuit("published", SUBJECT, SUBJECT_EDGES), **per_example),
                with_circuit(circuit("summed", SVA, SVA_EDGES), positions="sum"),
                with_circuit(circuit("steps", OBJECT, OBJECT_EDGES), steps=20, settings=json.dumps({"max_nodes": 9})),
                with_circuit(circuit("other suite", SVA, SVA_EDGES), suite="topk32"),
                with_circuit(circuit("other model", SVA, SVA_EDGES, model="toy2"), model_id="toy2"),
                with_roles(circuit("template", OBJECT, OBJECT_EDGES), {2: "verb", 3: "object"}),
                with_measurements(circuit("measured", SVA, SVA_EDGES), MEASURED),
            ]
        )
        yield opened


def test_what_two_circuits_share_and_what_each_has_alone(store: Store) -> None:
    found = compare(store, "he/subject", "he/object")
    assert (found.a, found.b) == ("he/subject", "he/object")
    features = found.shared_units[found.shared_units["kind"] == "feature"]
    assert features["unit"].tolist() == ["toy/topk/mlp_0/feature/7", "toy/topk/embed/feature/1"]
    assert found.units_only_a["effect_a"].tolist() == [2.0, 0.25]
    assert found.units_only_b["effect_b"].tolist() == [1.0]
    assert sorted(zip(found.shared_links["weight_a"], found.shared_links["weight_b"], strict=True)) == [
        (0.1, -0.3), (0.4, 0.2), (0.75, -0.5),
    ]  # fmt: skip
    assert found.links_only_a["weight_a"].tolist() == [2.0, -0.9, 0.3, 0.2]
    assert found.links_only_b["weight_b"].tolist() == [1.2, 1.0]
    assert found.nodes.set_index("kind").loc["feature", "jaccard"] == pytest.approx(0.4)
    assert found.edges.set_index("kind").loc["feature", "n_shared"] == 1
    assert found.units.attrs["query"] == "compare_nodes"


def test_settings_that_differ_are_listed(store: Store) -> None:
    table = compare(store, "he/object", "steps").settings.set_index("setting")
    assert list(table.loc["steps"]) == ["10", "20"]
    assert list(table.loc["max_nodes"]) == [None, "9"]
    assert set(table.index) == {"task", "steps", "max_nodes"}


def test_circuits_that_cannot_be_compared_are_refused_in_one_line(store: Store) -> None:
    for a, b, level, words in (
        ("sva", "other suite", "feature", "their dictionaries differ: 'topk' and 'topk32'"),
        ("sva", "other model", "feature", "their models differ: 'toy' and 'toy2'"),
        ("sva", "summed", "position", "'summed' sums over positions"),
        ("he/object", "template", "position", "position 2 is 'subject' and 'verb'"),
    ):
        with pytest.raises(QueryError, match=words) as caught:
            compare(store, a, b, level)
        assert "\n" not in str(caught.value)
    assert compare(store, "he/object", "template", "role").shared_units["kind"].tolist() == []


def test_the_strongest_node_that_a_threshold_leaves_out_is_no_target(tmp_path: Path) -> None:
    rows = circuit("sva", SVA, SVA_EDGES)
    nodes = [
        {**node, "effect": 17.9 if node["kind"] == "target" else node["effect"]} for node in rows.nodes["CircuitNode"]
    ]
    with connect(f"ladybug:{tmp_path / 'atlas.lbug'}") as opened:
        opened.write([dataclasses.replace(rows, nodes={**rows.nodes, "CircuitNode": nodes}), small_circuits()[0]])
        with pytest.raises(
            QueryError, match=r"leaves no node of circuit 'sva', whose strongest has an effect of 1: give"
        ):
            compare(opened, "sva", "he/subject", node_threshold=5.0)


def test_per_example_selection_holds_at_its_own_thresholds_alone(store: Store) -> None:
    require_threshold(store, "published", node_threshold=0.1, edge_threshold=0.05)
    require_threshold(store, "sva", node_threshold=0.7, edge_threshold=0.7)
    assert len(strongest_paths(store, "published")) == 3
    with pytest.raises(QueryError, match=r"hold at edge_threshold 0\.05 alone, not 0\.2"):
        require_threshold(store, "published", edge_threshold=0.2)
    for refused in (
        lambda: strongest_paths(store, "published", node_threshold=0.2),
        lambda: compare(store, "published", "he/object", edge_threshold=0.2),
        lambda: overlap_matrix(store, of="edges", edge_threshold=0.2),
    ):
        with pytest.raises(QueryError, match="selected per example"):
            refused()


def test_the_overlap_matrix(store: Store) -> None:
    matrix = overlap_matrix(store)
    assert matrix.loc["he/subject", "he/object"] == pytest.approx(2 / 5)
    assert matrix.loc["he/object", "he/subject"] == pytest.approx(2 / 5)
    assert matrix.loc["sva", "other model"] == 0.0
    assert np.diag(matrix).tolist() == [1.0] * len(matrix)
    contained = overlap_matrix(store, measure="containment")
    assert contained.loc["he/subject", "he/object"] == pytest.approx(2 / 4)
    assert contained.loc["he/object", "he/subject"] == pytest.approx(2 / 3)
    edges = overlap_matrix(store, of="edges", measure="weighted_jaccard")
    assert edges.loc["he/subject", "he/object"] == pytest.approx(0.2 / 3.0)
    assert matrix.attrs["query"] == "node_uses"
    assert matrix.attrs["units"]["sva"] == "share"
    for wrong in ({"of": "paths"}, {"measure": "dice"}, {"level": "layer"}):
        with pytest.raises(QueryError, match=r"choose one of|must be one of"):
            overlap_matrix(store, **wrong)  # type: ignore[arg-type]


def test_the_faithfulness_table(store: Store) -> None:
    table = faithfulness_table(store, "measured", resamples=500).set_index("errors")
    assert table["faithfulness"].to_dict() == {"default": 0.75, "remove": 0.5}
    whole = table.loc["default"]
    assert (whole["n_random"], whole["random_median"], whole["above_random"]) == (10, pytest.approx(0.45), 0.8)
    assert whole["random_95"] == pytest.approx(0.855)
    assert table.loc["remove", "n_random"] == 0
    assert table["random_median"].isna()["remove"]
    # Two examples, full 1 and 3, circuit 1 and 2: a resample is all first, all second, or one of each.
    assert (whole["low"], whole["high"]) == (pytest.approx(2 / 3), pytest.approx(1.0))


def test_intervals_resample_items_not_the_examples_that_repeat_them(tmp_path: Path) -> None:
    """Two items, eight examples of each: a resample is all of the one, all of the other, or half and half."""
    eight = {"full": [1.0] * 8 + [3.0] * 8, "empty": [0.0] * 16, "circuit": [1.0] * 8 + [2.0] * 8, "n_examples": 16}
    repeated = {**eight, "items": [4] * 8 + [9] * 8, "complement": [0.0] * 8 + [1.0] * 8}
    with connect(f"ladybug:{tmp_path / 'atlas.lbug'}") as store:
        store.write([with_measurements(circuit("repeated", SVA, SVA_EDGES), [repeated])])
        (row,) = faithfulness_table(store, "repeated", resamples=500).to_dict("records")
    assert (row["low"], row["high"]) == (pytest.approx(2 / 3), pytest.approx(1.0))
    assert (row["completeness_low"], row["completeness_high"]) == (pytest.approx(0.0), pytest.approx(1 / 3))
    singly = bootstrap_interval([1.0] * 8 + [2.0] * 8, [0.0] * 16, [1.0] * 8 + [3.0] * 8, 500, 0)
    assert singly[0] > 0.69  # were they taken for independent, it would be narrower


def test_the_bootstrap_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        full = rng.normal(2.0, 0.3, 60)
        kept = 0.8 * full + rng.normal(0.0, 0.2, 60)
        low, high = bootstrap_interval(kept.tolist(), [0.0] * 60, full.tolist(), 400, seed)
        covered += low <= 0.8 <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_an_interval_that_is_undefined_is_nan() -> None:
    for kept, empty, full in (
        (None, [0.0, 0.0], [1.0, 1.0]),
        ([1.0], [0.0], [1.0]),
        ([1.0, 1.0], [0.0, 0.0], [0.0, 0.0]),
        # Apart by rounding alone: some resamples have a denominator of 1e-9, and faithfulness is stored as null.
        ([3.0, 1.0, 2.0, 4.0], [1.0, 1.0, 2.0, 2.0], [1.0 + 1e-9, 1.0 - 1e-9, 2.0, 2.0]),
        ([3.0, 1.0, 2.0, 4.0], [1.0, 1.0, 2.0, 2.0], [1.0 + 1e-9, 1.0, 2.0, 2.0]),
    ):
        assert np.isnan(bootstrap_interval(kept, empty, full, 50, 0)).all()


def test_an_interval_of_a_small_metric_is_defined() -> None:
    """As of a probability: the rule goes by the metric's own size."""
    low, high = bootstrap_interval([1e-8, 1e-8], [0.0, 0.0], [4e-8, 4e-8], 50, 0)
    assert (low, high) == pytest.approx((0.25, 0.25))
