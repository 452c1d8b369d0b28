"""Curves and what is left of them without thresholds, by hand; the same on both engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from circuit_atlas.analysis import edge_curve, faithfulness_curves, sensitivity, summarise_curves
from circuit_atlas.analysis.curves import integrals, log_area
from circuit_atlas.analysis.plots import draw_curves, draw_edge_curves, save
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
    *(point(0.2, 5, n / 10, kind="random", seed=n) for n in range(5)),
]
EDGES = [
    point(0.2, 5, 0.8, kind="edges", edge_threshold=None, n_edges=None),
    point(0.2, 5, 0.6, kind="edges", edge_threshold=0.1, n_edges=7),
    point(0.2, 5, 0.2, kind="edges", edge_threshold=0.3, n_edges=2),
    *(point(0.2, 5, n / 10, kind="edges-permuted", edge_threshold=0.1, n_edges=7, seed=n) for n in range(3)),
    *(point(0.2, 5, -n / 10, kind="edges-random", edge_threshold=0.1, n_edges=7, seed=n) for n in range(3)),
]


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Store]]:
    made = [with_measurements(circuit("curved", SVA, SVA_EDGES), NODES + EDGES), circuit("bare", SVA, SVA_EDGES)]
    made[1] = with_measurements(made[1], [])
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
    with pytest.raises(QueryError, match="with ablation patch: run `circuit-atlas measure curved` first"):
        faithfulness_curves(stores[engine], ["curved"], ablation="patch")
    with pytest.raises(QueryError, match="choose by task"):
        faithfulness_curves(stores[engine], ["curved"], colour="red")


def test_curves_without_thresholds(stores: Mapping[str, Store]) -> None:
    """f is 0 at 0, 0.5 at 0.2, 1.5 at 0.5 and 1 at 1.

    CPR: 0.2 · 0.25 + 0.3 · 1 + 0.5 · 1.25 = 0.975. CMD: 0.2 · 0.75 + 0.15 · 0.25 + 0.15 · 0.25 + 0.5 · 0.25 = 0.35.
    """
    curves = faithfulness_curves(stores["ladybug"], ["curved"], ablation="mean", start_layer=0, errors="default")
    summary = summarise_curves(curves[curves["data_digest"] == "d"].pipe(_with, curves), target=0.6)
    (row,) = summary[summary["split"] == "held-out"].to_dict("records")
    assert (row["points"], row["to_share"], row["target_nodes"], row["target_threshold"]) == (2, 0.5, 5, 0.2)
    assert row["cpr"] == pytest.approx(0.975)
    assert row["cmd"] == pytest.approx(0.35)
    never = summarise_curves(curves[curves["data_digest"] == "d"].pipe(_with, curves), target=9.0)
    assert never["target_nodes"].isna().all()


def _with(part: Any, whole: Any) -> Any:
    part.attrs = whole.attrs
    return part


def test_integrals_of_straight_lines() -> None:
    """A perfect ranking that needs one share in ten: CPR 0.95, CMD 0.05; nothing measured: the diagonal."""
    assert integrals(np.array([0.1]), np.array([1.0])) == pytest.approx((0.95, 0.05))
    assert integrals(np.array([]), np.array([])) == pytest.approx((0.5, 0.5))
    assert integrals(np.array([0.5, 2.0]), np.array([3.0, 99.0])) == pytest.approx((1.75, 1 / 12 + 2 / 6 + 0.5))


def test_area_over_the_logarithm() -> None:
    """From one node to 100: f 0 at 1, 1 at 10, 1 at 100: half a decade and a decade of two."""
    assert log_area(np.array([10.0]), 100.0, np.array([1.0])) == pytest.approx(0.75)
    assert log_area(np.array([1.0, 10.0]), 100.0, np.array([0.5, 1.0])) == pytest.approx(0.875)
    assert np.isnan(log_area(np.array([1.0]), 1.0, np.array([1.0])))


@pytest.mark.parametrize("engine", ENGINES)
def test_sensitivity_changes_one_choice_at_a_time(stores: Mapping[str, Store], engine: str) -> None:
    table = sensitivity(stores[engine], "curved", 0.2)
    moved = {(row["choice"], row["value"]): row["moved"] for row in table.to_dict("records")}
    assert moved == pytest.approx(
        {
            ("", ""): 0.0,
            ("ablation", "zero"): -0.6,
            ("errors", "remove"): -0.5,
            ("start_layer", "1"): -0.4,
            ("split", "train"): -0.1,
        }
    )
    with pytest.raises(QueryError, match=r"--threshold 0\.3"):
        sensitivity(stores[engine], "curved", 0.3)


@pytest.mark.parametrize("engine", ENGINES)
def test_edges_stand_beside_permuted_and_random_ones(stores: Mapping[str, Store], engine: str) -> None:
    table = edge_curve(stores[engine], "curved")
    assert table["n_edges"].tolist()[:2] == [2, 7]
    assert table["faithfulness"].tolist() == [0.2, 0.6, 0.8]
    assert table["of_nodes"].tolist() == pytest.approx([0.25, 0.75, 1.0])
    seven = table.iloc[1]
    assert (seven["permuted"], seven["random"], seven["n_draws"]) == (pytest.approx(0.1), pytest.approx(-0.1), 3)
    assert table["n_draws"].tolist() == [0, 3, 0]
    with pytest.raises(QueryError, match="measure bare --edges 8"):
        edge_curve(stores[engine], "bare")


def test_pictures_are_drawn_from_the_rows(stores: Mapping[str, Store], tmp_path: Path) -> None:
    curves = save(draw_curves(faithfulness_curves(stores["ladybug"], ["curved"])), tmp_path / "curves.svg").read_text()
    assert "curved, no errors" in curves
    table = edge_curve(stores["ladybug"], "curved")
    figure = draw_edge_curves(table)
    drawn = {str(line.get_label()): np.asarray(line.get_ydata()) for line in figure.axes[0].lines}
    of = {"curved, 5 nodes: strongest": "faithfulness", "weights permuted": "permuted", "random connected": "random"}
    for label, column in of.items():
        np.testing.assert_array_equal(drawn[label], table[column][:2])
    edges = save(figure, tmp_path / "edges.svg").read_text()
    assert all(label in edges for label in of)
