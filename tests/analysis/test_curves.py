"""Curves and what is left of them without thresholds, by hand; the same on both engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from circuit_atlas.analysis import (
    edge_curve,
    faithfulness_curves,
    faithfulness_table,
    sensitivity,
    sharing_table,
    summarise_curves,
)
from circuit_atlas.analysis.curves import integrals, log_area
from circuit_atlas.analysis.plots import draw_curves, draw_edge_curves, save
from circuit_atlas.analysis.telling import CHOICES, telling, told_apart
from circuit_atlas.cypher import Store
from circuit_atlas.errors import QueryError
from tests.graphs import SVA, SVA_EDGES, circuit, with_measurements
from tests.store_fixtures import ENGINES, Filled

HALF: dict[str, Any] = {
    "full": [1.0, 3.0, 1.0, 3.0], "empty": [0.0] * 4, "n_examples": 4, "m_full": 2.0, "m_empty": 0.0, "n_active": 10.0,
    "data_digest": "d", "level": "keep", "split": "held-out",
}  # fmt: skip


def point(threshold: float, n_nodes: int, faithfulness: float, **more: Any) -> dict[str, Any]:
    """A measurement in which every example keeps the same share of its metric."""
    only = [faithfulness * m for m in HALF["full"]]
    return {
        **HALF,
        "node_threshold": threshold,
        "n_nodes": n_nodes,
        "faithfulness": faithfulness,
        "circuit": only,
        **more,
    }


NODES = [
    point(0.4, 2, 0.5),
    point(0.2, 5, 1.5),
    point(0.2, 4, 1.0, errors="remove"),
    point(0.2, 5, 0.9, ablation="zero", means_over="none"),
    point(0.2, 5, 1.1, start_layer=1),
    point(0.2, 5, 7.0, start_layer=1, ablation="zero", means_over="none"),
    point(0.2, 5, 1.4, split="train", data_digest="e"),
    point(0.2, 5, 8.0, data_digest="f"),
    point(0.2, 5, 1.7, ablation="resample", means_over="none", data_digest="d+0"),
    point(0.2, 5, 1.8, ablation="resample", means_over="none", data_digest="d+3"),
    point(0.2, 5, 9.0, ablation="resample", means_over="none", data_digest="e+0"),
    *(point(0.2, 5, n / 10, kind="random", seed=n) for n in range(5)),
]
MIXED = {"active_set": "mixed"}
EDGES = [
    point(0.2, 5, 0.8, **MIXED, kind="edges", edge_threshold=None, n_edges=None),
    point(0.2, 5, 0.6, **MIXED, kind="edges", edge_threshold=0.1, n_edges=7),
    point(0.2, 5, 0.2, **MIXED, kind="edges", edge_threshold=0.3, n_edges=2),
    point(0.2, 4, 0.5, **MIXED, kind="edges", edge_threshold=0.1, n_edges=5, errors="remove"),
    point(0.2, 4, 0.9, **MIXED, kind="edges-random", edge_threshold=0.1, n_edges=5, errors="remove", seed=0),
    point(0.2, 4, 0.7, **MIXED, kind="edges-permuted", edge_threshold=0.1, n_edges=5, errors="remove", seed=0),
    point(0.2, 5, 0.4, kind="edges", edge_threshold=0.1, n_edges=7, active_set="clean"),
    *(point(0.2, 5, n / 10, **MIXED, kind="edges-permuted", edge_threshold=0.1, n_edges=7, seed=n) for n in range(3)),
    *(point(0.2, 5, -n / 10, **MIXED, kind="edges-random", edge_threshold=0.1, n_edges=7, seed=n) for n in range(3)),
]

POOLED = [
    point(0.2, 5, 0.8, level="sum"),
    point(0.2, 5, 0.1, level="sum", kind="random", seed=0),
    point(0.2, 5, 0.9, level="sum", means_over="clean"),
    point(0.2, 5, 0.7, level="sum", start_layer=1),
    point(0.2, 5, 0.6, level="sum", split="train"),
    point(0.2, 5, 0.5, level="sum", ablation="zero", means_over="none"),
    point(0.2, 5, 0.4, level="keep"),
    point(0.1, 6, 0.3, level="sum"),
    point(0.2, 5, 0.2, level="sum", errors="remove"),
]


VARIED = [
    *(point(threshold, n, 0.5) for threshold, n in ((0.9, 1), (0.5, 2), (0.3, 3), (0.1, 9))),
    *(point(threshold, 3, 0.4, errors="remove") for threshold in (0.9, 0.5, 0.3, 0.1)),
    *(point(threshold, 3, 0.3, ablation="zero", means_over="none") for threshold in (0.9, 0.5, 0.1)),
    *(point(0.1, 3, 0.3, ablation=one, means_over="none") for one in ("patch", "resample")),
    point(0.5, 2, 0.1, level="sum"),
]
"""Of ten active units: the third size is nearest a quarter, but only its errors were varied; the last has most rows."""


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Store]]:
    measured = {"curved": NODES + EDGES, "bare": [], "varied": VARIED, "plain": VARIED[:8], "without": VARIED[4:8]}
    made = [
        with_measurements(circuit(name, SVA, SVA_EDGES), some) for name, some in {**measured, "pooled": POOLED}.items()
    ]
    filled = Filled(request, tmp_path_factory.mktemp("curves"), made)
    yield filled
    filled.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_curve_has_its_points_with_what_stands_beside_them(stores: Mapping[str, Store], engine: str) -> None:
    curves = faithfulness_curves(stores[engine], ["curved"], ablation="mean", split="held-out", errors="default")
    usual = curves[(curves["start_layer"] == 0) & (curves["data_digest"] == "d")]
    assert usual["n_nodes"].tolist() == [2, 5]
    assert usual["share"].tolist() == [0.2, 0.5]
    assert usual["without_errors"].tolist() == pytest.approx([float("nan"), 1.0], nan_ok=True)
    assert usual["random_median"].tolist() == pytest.approx([float("nan"), 0.2], nan_ok=True)
    # Every example keeps the same share, so that the quotient is the same in every resample.
    assert usual["low"].tolist() == usual["high"].tolist() == pytest.approx([0.5, 1.5])
    advice = "with ablation patch: run `circuit-atlas measure curved --ablation patch` first"
    with pytest.raises(QueryError, match=advice):
        faithfulness_curves(stores[engine], ["curved"], ablation="patch")
    with pytest.raises(QueryError, match="choose by task"):
        faithfulness_curves(stores[engine], ["curved"], colour="red")


def test_curves_without_thresholds(stores: Mapping[str, Store]) -> None:
    """f is 0 at 0, 0.5 at 0.2, 1.5 at 0.5, and stays so to 1, for no larger circuit was measured.

    CPR: 0.2 · 0.25 + 0.3 · 1 + 0.5 · 1.5 = 1.1. CMD: 0.2 · 0.75 + 0.15 · 0.25 + 0.15 · 0.25 + 0.5 · 0.5 = 0.475.
    """
    curves = faithfulness_curves(stores["ladybug"], ["curved"], ablation="mean", start_layer=0, errors="default")
    summary = summarise_curves(curves[curves["data_digest"] == "d"].pipe(_with, curves), target=0.6)
    (row,) = summary[summary["split"] == "held-out"].to_dict("records")
    assert (row["points"], row["to_share"], row["target_nodes"], row["target_threshold"]) == (2, 0.5, 5, 0.2)
    assert row["cpr"] == pytest.approx(1.1)
    assert row["cmd"] == pytest.approx(0.475)
    never = summarise_curves(curves[curves["data_digest"] == "d"].pipe(_with, curves), target=9.0)
    assert never["target_nodes"].isna().all()


def _with(part: Any, whole: Any) -> Any:
    part.attrs = whole.attrs
    return part


def test_integrals_of_straight_lines() -> None:
    """A perfect ranking that needs one share in ten: CPR 0.95, CMD 0.05; f that never exceeds 0.8: 0.72 and 0.28."""
    assert integrals(np.array([0.1]), np.array([1.0])) == pytest.approx((0.95, 0.05))
    assert integrals(np.array([0.2, 0.6]), np.array([0.8, 0.8])) == pytest.approx((0.72, 0.28))
    assert integrals(np.array([0.5]), np.array([3.0])) == pytest.approx((2.25, 1 / 12 + 2 / 6 + 1.0))
    assert np.isnan(integrals(np.array([]), np.array([]))).all()
    assert np.isnan(integrals(np.array([np.nan]), np.array([0.5]))).all()


def test_what_was_measured_beyond_the_universe_counts() -> None:
    """0.4 at 0.5 and 0.6 at 1.2: at 1 it is 0.4 + 0.2 · 5 / 7. CPR: 0.5 · 0.2 + 0.5 · (0.4 + 0.1 · 5 / 7)."""
    cpr = 0.1 + 0.5 * (0.4 + 0.5 / 7)
    assert integrals(np.array([0.5, 1.2]), np.array([0.4, 0.6])) == pytest.approx((cpr, 1 - cpr))
    # Half way between 10 and 1000 nodes on a logarithm are 100.
    assert log_area(np.array([10.0, 1000.0]), 100.0, np.array([0.4, 0.8])) == pytest.approx((0.2 + 0.5) / 2)


def test_area_over_the_logarithm() -> None:
    """From one node to 100: f 0 at 1, 1 at 10, 1 at 100: half a decade and a decade of two."""
    assert log_area(np.array([10.0]), 100.0, np.array([1.0])) == pytest.approx(0.75)
    assert log_area(np.array([10.0]), 100.0, np.array([0.4])) == pytest.approx(0.3)
    assert log_area(np.array([1.0, 10.0]), 100.0, np.array([0.5, 1.0])) == pytest.approx(0.875)
    assert np.isnan(log_area(np.array([1.0]), 1.0, np.array([1.0])))


def test_a_set_of_no_node_is_no_point_on_a_logarithm() -> None:
    """As errors removed leave of a circuit whose strongest units are all errors."""
    found = log_area(np.array([0.0, 10.0]), 100.0, np.array([0.0, 1.0]))
    assert found == pytest.approx(0.75)
    assert np.isnan(log_area(np.array([0.0]), 100.0, np.array([0.0])))
    assert integrals(np.array([0.0, 0.5]), np.array([0.0, 1.0])) == pytest.approx((0.75, 0.25))


def test_settings_are_shown_where_rows_would_look_alike(stores: Mapping[str, Store]) -> None:
    names = ["circuit", "task", "errors", *CHOICES, "n_nodes"]
    row = ("a", "t", "default", "keep", "mean", "clean+patch", 0, "held-out", "d", 2)
    larger, other = (*row[:-1], 5), ("b", "u", *row[2:8], "e", 2)

    def shown(*rows: tuple[Any, ...]) -> list[str]:
        return told_apart(pd.DataFrame(rows, columns=names), ["circuit", "task", "errors", "n_nodes"])

    plain = ["circuit", "task", "errors", "n_nodes"]
    assert shown(row, larger, other) == plain  # other circuits have other data
    assert shown(row, (*row[:3], "sum", *row[4:])) == ["circuit", "task", "level", "errors", "n_nodes"]
    assert shown(row, (*row[:7], "train", "f", 2)) == ["circuit", "task", "split", "errors", "n_nodes"]
    assert shown(row, (*row[:8], "f", 2)) == ["circuit", "task", "data_digest", "errors", "n_nodes"]
    curves = faithfulness_curves(stores["ladybug"], ["curved"])
    assert telling(curves) == ["ablation", "start_layer", "split", "data_digest"]
    assert not curves.duplicated(["circuit", "task", "errors", *telling(curves), "n_nodes"]).any()
    own = faithfulness_table(stores["ladybug"], "curved", own=True)
    assert not own.duplicated(["errors", "n_nodes"]).any()
    assert set(own["split"]) == {"held-out"}


@pytest.mark.parametrize("engine", ENGINES)
def test_sharing_has_one_row_a_circuit_and_task(stores: Mapping[str, Store], engine: str) -> None:
    (task,) = set(faithfulness_table(stores[engine], "pooled")["task"])
    (row,) = sharing_table(stores[engine], [("pooled", 0.2)], [task], resamples=50).to_dict("records")
    assert (row["circuit"], row["n_nodes"], row["kept"], row["kept_low"]) == ("pooled", 5, 0.8, pytest.approx(0.8))
    assert (row["n_random"], row["kept_random"]) == (1, pytest.approx(0.1))
    assert sharing_table(stores[engine], [("pooled", 0.3)], [task]).empty


@pytest.mark.parametrize("engine", ENGINES)
def test_sensitivity_changes_one_choice_at_a_time(stores: Mapping[str, Store], engine: str) -> None:
    table = sensitivity(stores[engine], "curved", 0.2)
    assert table.loc[table["value"] == "resample", "moved"].tolist() == pytest.approx([0.2, 0.3])
    moved = {(row["choice"], row["value"]): row["moved"] for row in table.to_dict("records")}
    assert moved == pytest.approx(
        {
            ("", ""): 0.0,
            ("ablation", "resample"): 0.3,
            ("ablation", "zero"): -0.6,
            ("errors", "remove"): -0.5,
            ("start_layer", "1"): -0.4,
            ("split", "train"): -0.1,
        }
    )
    with pytest.raises(QueryError, match=r"--threshold 0\.3"):
        sensitivity(stores[engine], "curved", 0.3)


@pytest.mark.parametrize("engine", ENGINES)
def test_sensitivity_is_said_of_the_size_nearest_a_quarter(stores: Mapping[str, Store], engine: str) -> None:
    table = sensitivity(stores[engine], "varied")
    assert [*table[["node_threshold", "n_nodes", "share"]].loc[0]] == [0.5, 2, 0.2]
    assert sorted(table["choice"]) == ["", "ablation", "errors", "level"]
    only_errors = sensitivity(stores[engine], "plain")
    assert [*only_errors[["node_threshold", "n_nodes"]].loc[0]] == [0.3, 3]
    with pytest.raises(QueryError, match="'without' was not measured by mean ablation with its own errors"):
        sensitivity(stores[engine], "without")


@pytest.mark.parametrize("engine", ENGINES)
def test_edges_stand_beside_permuted_and_random_ones(stores: Mapping[str, Store], engine: str) -> None:
    table = edge_curve(stores[engine], "curved")
    assert table["errors"].tolist() == ["default"] * 4 + ["remove"]
    (held,) = table[table["active_set"] == "clean"].to_dict("records")
    assert (held["faithfulness"], held["n_draws"]) == (0.4, 0)
    assert np.isnan([held["of_nodes"], held["without_errors"]]).all()  # neither was measured with that choice held
    bare = table.iloc[-1]
    assert (bare["n_nodes"], bare["n_edges"], bare["permuted"], bare["random"]) == (4, 5, 0.7, 0.9)
    assert telling(table) == ["active_set"]
    table = table[(table["active_set"] != "clean") & (table["errors"] == "default")]
    assert table["without_errors"].tolist() == pytest.approx([float("nan"), 0.5, float("nan")], nan_ok=True)
    assert table["n_edges"].tolist()[:2] == [2, 7]
    assert table["faithfulness"].tolist() == [0.2, 0.6, 0.8]
    assert table["of_nodes"].tolist() == pytest.approx([0.25, 0.75, 1.0])
    seven = table.iloc[1]
    assert seven["permuted_95"] == pytest.approx(0.19)  # of three, between the two largest
    assert (seven["permuted"], seven["random"], seven["n_draws"]) == (pytest.approx(0.1), pytest.approx(-0.1), 3)
    assert table["n_draws"].tolist() == [0, 3, 0]
    with pytest.raises(QueryError, match="measure bare --edges 8"):
        edge_curve(stores[engine], "bare")


def test_pictures_are_drawn_from_the_rows(stores: Mapping[str, Store], tmp_path: Path) -> None:
    curves = save(draw_curves(faithfulness_curves(stores["ladybug"], ["curved"])), tmp_path / "curves.svg").read_text()
    assert ">no errors<" in curves
    table = edge_curve(stores["ladybug"], "curved")
    apart = [text.get_text() for legend in draw_edge_curves(table).legends for text in legend.get_texts()]
    assert {
        "curved, active set mixed, 5 nodes",
        "curved, active set clean, 5 nodes",
        "curved, no errors, active set mixed, 4 nodes",
    } <= set(apart)
    assert apart.count("weights permuted") == 1
    table = table[(table["active_set"] != "clean") & (table["errors"] == "default")]
    figure = draw_edge_curves(table)
    drawn = {str(line.get_label()): np.asarray(line.get_ydata()) for line in figure.axes[0].lines}
    of = {"strongest edges": "faithfulness", "weights permuted": "permuted", "random connected edges": "random"}
    for label, column in of.items():
        np.testing.assert_array_equal(drawn[f"curved, 5 nodes: {label}"], table[column][:2])
    assert drawn["curved, 5 nodes: every edge: faithfulness of the nodes"].tolist() == [0.8, 0.8]
    edges = save(figure, tmp_path / "edges.svg").read_text()
    assert all(f">{label}<" in edges for label in [*of, "every edge: faithfulness of the nodes"])
