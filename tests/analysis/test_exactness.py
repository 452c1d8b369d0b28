"""Exact against approximate values: figures worked out by hand, on both engines."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from circuit_atlas.analysis.exactness import BY, exactness, measured_points, worst
from circuit_atlas.analysis.plots import save
from circuit_atlas.analysis.plots.exactness import draw_exactness
from circuit_atlas.analysis.ranks import rank_correlation
from circuit_atlas.analysis.resampling import example_weights, median_interval, share_interval
from circuit_atlas.cypher import CircuitRows, Pair, Store, connect
from circuit_atlas.errors import QueryError, UnknownCircuitError
from tests.graphs import Edge, Unit, circuit, small_circuits
from tests.store_fixtures import ENGINES, Filled

pytestmark = pytest.mark.slow

UNITS: list[Unit] = [
    ("embed", 1, 2, 1.0),
    ("mlp_0", 7, 2, 0.5),
    ("mlp_0", None, 2, -0.25),
    ("resid_1", 3, 3, 2.0),
]
EDGES: list[Edge] = [(0, 1, 1.0), (0, 2, 0.4), (1, 3, -0.5), (2, 3, 0.2), (3, -1, 2.0), (0, 3, 0.1)]
EXACT = (1.25, 0.5, 0.25, 0.1, 2.0, 0.0)
"""Exact weights: relative errors 0.2, 0.2, 3 (the other sign), 1, 0, and one that is 0."""


SEEN = [
    (
        "resid_1/3@verb → target",
        "feature → target",
        "resid → target",
        2,
        "resid_1 → target",
        "strongest",
        1,
        2.0,
        2.0,
        0.0,
        True,
    ),
    (
        "embed/1@subject → mlp_0/7@subject",
        "feature → feature",
        "embed → mlp",
        0,
        "embed → mlp_0",
        "strongest",
        2,
        1.0,
        1.25,
        -0.25,
        True,
    ),
    (
        "mlp_0/7@subject → resid_1/3@verb",
        "feature → feature",
        "mlp → resid",
        1,
        "mlp_0 → resid_1",
        "strongest",
        4,
        -0.5,
        0.25,
        -0.75,
        False,
    ),
    (
        "embed/1@subject → mlp_0/error@subject",
        "feature → error",
        "embed → mlp",
        0,
        "embed → mlp_0",
        "sample",
        6,
        0.4,
        0.5,
        pytest.approx(-0.1),
        True,
    ),
    (
        "mlp_0/error@subject → resid_1/3@verb",
        "error → feature",
        "mlp → resid",
        1,
        "mlp_0 → resid_1",
        "sample",
        7,
        0.2,
        0.1,
        pytest.approx(0.1),
        True,
    ),
    (
        "embed/1@subject → resid_1/3@verb",
        "feature → feature",
        "embed → resid",
        1,
        "embed → resid_1",
        "sample",
        9,
        0.1,
        0.0,
        pytest.approx(0.1),
        False,
    ),
]


def measured(**settings: Any) -> CircuitRows:
    """A circuit with these exact weights, whose node effects are exact at 1, 0.4 and none."""
    rows = circuit("measured", UNITS, EDGES)
    pair = Pair("EDGE", "CircuitNode", "CircuitNode")
    edges = [{**edge, "exact_weight": exact} for edge, exact in zip(rows.relationships[pair], EXACT, strict=True)]
    effects = (0.8, None, -0.5, 2.0, None)
    nodes = [{**n, "exact_effect": exact} for n, exact in zip(rows.nodes["CircuitNode"], effects, strict=True)]
    (one,) = rows.nodes["Circuit"]
    named = {**one, "settings": json.dumps(settings)}
    return dataclasses.replace(
        rows,
        nodes={**rows.nodes, "Circuit": [named], "CircuitNode": nodes},
        relationships={**rows.relationships, pair: edges},
    )


def bare() -> CircuitRows:
    """A circuit without anything measured."""
    rows = circuit("bare", UNITS, EDGES)
    pair = Pair("EDGE", "CircuitNode", "CircuitNode")
    edges = [{**edge, "exact_weight": None} for edge in rows.relationships[pair]]
    nodes = [{**node, "exact_effect": None} for node in rows.nodes["CircuitNode"]]
    return dataclasses.replace(
        rows, nodes={**rows.nodes, "CircuitNode": nodes}, relationships={**rows.relationships, pair: edges}
    )


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """The circuits on each engine."""
    rows = [measured(exact_edges=3, exact_nodes=1), bare(), *small_circuits()]
    filled = Filled(request, tmp_path_factory.mktemp("exactness"), rows)
    yield filled
    filled.close()


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, stores: Mapping[str, Store]) -> Store:
    """The store of each engine."""
    return stores[request.param]


def test_points_of_edges(store: Store) -> None:
    points = measured_points(store, "measured")
    columns = "name kind component layer sites drawn decile approximate exact difference same_sign"
    assert [tuple(row) for row in points[columns.split()].itertuples(index=False)] == SEEN
    assert points["relative_error"].tolist()[:5] == pytest.approx([0.0, 0.2, 3.0, 0.2, 1.0])
    assert math.isnan(points["relative_error"].iloc[5])


def test_figures_of_all_edges_together(store: Store) -> None:
    (row,) = exactness(store, "measured").to_dict("records")
    # x = 2, 1, -0.5, 0.4, 0.2, 0.1 (sum 3.2, squares 5.46); y = 2, 1.25, 0.25, 0.5, 0.1, 0 (sum 4.1); Σxy = 5.345.
    assert row["group"] == "all"
    assert (row["n"], row["n_zero"]) == (6, 1)
    assert row["slope"] == pytest.approx(5.345 / 5.46)
    free = (5.345 - 3.2 * 4.1 / 6) / (5.46 - 3.2**2 / 6)
    assert row["slope_free"] == pytest.approx(free)
    assert row["intercept"] == pytest.approx((4.1 - free * 3.2) / 6)
    # Ranks of x 6 5 1 4 3 2, of y 6 5 3 4 2 1: squared differences 0 0 4 0 1 1.
    assert row["spearman"] == pytest.approx(1 - 6 * 6 / (6 * 35))
    assert row["median_relative_error"] == pytest.approx(0.2)  # of 0, 0.2, 0.2, 1, 3
    assert row["error_low"] <= 0.2 <= row["error_high"] <= 3.0
    assert row["same_sign"] == pytest.approx(4 / 6)
    # Wilson's bounds solve (p - 4/6)² = z² p (1 - p) / 6.
    for bound in (row["sign_low"], row["sign_high"]):
        assert (bound - 4 / 6) ** 2 == pytest.approx(1.959963984540054**2 * bound * (1 - bound) / 6)


def test_groups(store: Store) -> None:
    table = exactness(store, "measured", by="kind")
    assert table[["group", "n"]].to_numpy().tolist() == [
        ["error → feature", 1],
        ["feature → error", 1],
        ["feature → feature", 3],
        ["feature → target", 1],
    ]
    assert table["median_relative_error"].tolist() == pytest.approx([1.0, 0.2, 1.6, 0.0])
    assert exactness(store, "measured", by="drawn")["n"].tolist() == [3, 3]
    assert exactness(store, "measured", by="layer")["group"].tolist() == ["0", "1", "2"]
    for by in BY:
        assert exactness(store, "measured", by=by)["n"].sum() == 6
    assert table.attrs["queries"][0]["query"] == "measured_edges"
    assert table.attrs["units"]["median_relative_error"] == "share"


def test_nodes_and_the_worst(store: Store) -> None:
    table = exactness(store, "measured", of="nodes", by="kind")
    assert table["group"].tolist() == ["error", "feature"]
    assert table["median_relative_error"].tolist() == pytest.approx([0.5, 0.125])  # 0.25 / 0.5; 0.2 / 0.8 and 0
    named = worst(measured_points(store, "measured", "nodes"), limit=2)
    assert named["name"].tolist() == ["mlp_0/error@subject", "embed/1@subject"]
    assert named["difference"].tolist() == pytest.approx([0.25, 0.2])


def test_both_are_means_over_the_same_examples(tmp_path: Path) -> None:
    with connect(str(tmp_path / "a.lbug")) as store:
        store.write([measured(exact_examples=1)])
        points = measured_points(store, "measured")
        # The first example has half of the mean.
        assert points["approximate"].tolist() == pytest.approx([1.0, 0.5, -0.25, 0.2, 0.1, 0.05])
        assert points.attrs["note"] == "both are means over the first 1 examples"
        rows = measured(exact_examples=1)
        pair = Pair("EDGE", "CircuitNode", "CircuitNode")
        without = [{**edge, "weights": None} for edge in rows.relationships[pair]]
        store.write([dataclasses.replace(rows, relationships={**rows.relationships, pair: without})])
        points = measured_points(store, "measured")
        assert points["approximate"].tolist() == pytest.approx([2.0, 1.0, -0.5, 0.4, 0.2, 0.1])
        assert "approximate ones over all" in points.attrs["note"]


def test_what_changes_in_none_of_the_first_examples_is_left_out(tmp_path: Path) -> None:
    rows = measured(exact_examples=1, exact_edges=3)
    pair = Pair("EDGE", "CircuitNode", "CircuitNode")
    silent = [
        {**e, "weights": [0.0, 2.0], "exact_weight": 0.0} if e["weight"] == 1.0 else e for e in rows.relationships[pair]
    ]
    with connect(str(tmp_path / "a.lbug")) as store:
        store.write([dataclasses.replace(rows, relationships={**rows.relationships, pair: silent})])
        points = measured_points(store, "measured")
        none = [{**edge, "weights": [0.0, 2.0], "exact_weight": 0.0} for edge in silent]
        store.write([dataclasses.replace(rows, relationships={**rows.relationships, pair: none})])
        with pytest.raises(QueryError, match="changes in none of the first 1 examples"):
            measured_points(store, "measured")
    assert points["drawn"].tolist() == ["strongest"] * 2 + ["sample"] * 3
    assert points.attrs["note"].endswith("first 1 examples; 1 edges that change in none of them are left out")


@pytest.mark.slow
def test_both_engines_give_the_same_tables(stores: Mapping[str, Store]) -> None:
    for name in ("measured", "he/subject"):
        for of in ("nodes", "edges"):
            for by in BY:
                one, other = (exactness(stores[engine], name, of, by) for engine in ("ladybug", "neo4j"))
                pd.testing.assert_frame_equal(one, other)
                assert one.attrs == other.attrs


@pytest.mark.parametrize(
    ("circuit_name", "options", "said"),
    [
        ("bare", {}, "discover it again with --exact-edges"),
        ("bare", {"of": "nodes"}, "--exact-nodes"),
        ("measured", {"of": "units"}, "choose nodes or edges"),
        ("measured", {"by": "size"}, "choose one of all"),
        ("measured", {"resamples": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_answered_is_said(
    circuit_name: str, options: dict[str, Any], said: str, stores: Mapping[str, Store]
) -> None:
    with pytest.raises(QueryError, match=said):
        exactness(stores["ladybug"], circuit_name, **options)


def test_an_unknown_circuit_is_named(stores: Mapping[str, Store]) -> None:
    with pytest.raises(UnknownCircuitError, match="measured"):
        exactness(stores["ladybug"], "measurd")


def test_rank_correlation_with_ties() -> None:
    # Ranks 1.5 1.5 3 4 and 1 2 3 4: covariance 4.5, squares 4.5 and 5.
    assert rank_correlation(np.array([1.0, 1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0, 5.0])) == pytest.approx(
        4.5 / math.sqrt(4.5 * 5)
    )
    assert math.isnan(rank_correlation(np.array([1.0, 2.0]), np.array([1.0, 2.0])))
    assert math.isnan(rank_correlation(np.ones(4), np.arange(4.0)))


def test_intervals() -> None:
    values = np.random.default_rng(3).normal(size=201)
    low, high = median_interval(values, 4_000, 0)
    # The median of a resample lies below the k-th smallest value as often as a binomial says: bounds near 86 and 115.
    ordered = np.sort(values)
    assert ordered[83] <= low <= ordered[89]
    assert ordered[111] <= high <= ordered[117]
    assert all(math.isnan(bound) for bound in (*median_interval(values[:1], 10, 0), *share_interval(0, 0)))
    assert share_interval(10, 10) == pytest.approx((1 / (1 + 1.959963984540054**2 / 10), 1.0))


def test_an_item_brings_all_of_its_examples() -> None:
    weights = example_weights([5, 2, 5, 2, 9], 500, 0)
    assert weights.sum(axis=1) == pytest.approx(np.ones(500))
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 3]).all()
    # Three items drawn of three: one is missing with probability (2/3)³.
    assert (weights[:, 0] == 0).mean() == pytest.approx((2 / 3) ** 3, abs=0.06)


def test_a_scatter_is_drawn_the_same_twice(tmp_path: Path, stores: Mapping[str, Store]) -> None:
    points = measured_points(stores["ladybug"], "measured")
    one, other = (save(draw_exactness(points), tmp_path / name).read_bytes() for name in ("a.svg", "b.svg"))
    assert one == other
    for words in (b"feature \xe2\x86\x92 target (1)", b"measured: Spearman 0.83, slope 0.98", b"units of the metric"):
        assert words in one
