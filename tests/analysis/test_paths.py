"""Strongest paths and bottlenecks against literal enumeration on random acyclic graphs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuit_atlas.analysis import bottlenecks, strongest_paths
from circuit_atlas.analysis.flow import flow_of
from circuit_atlas.analysis.graph import CircuitGraph, graph_of
from circuit_atlas.analysis.paths import best_paths
from circuit_atlas.cypher import Store, connect
from circuit_atlas.errors import QueryError, UnknownCircuitError
from tests.graphs import small_circuits

Path_ = tuple[str, ...]
Row = tuple[str, str, float]


def made_graph(rows: list[Row], effects: dict[str, float]) -> CircuitGraph:
    """The graph of made-up rows; a name's first letter says what it is: e, n, x (an error) or t."""
    kinds = {"e": "feature", "n": "feature", "x": "error", "t": "target"}
    components = {"e": "embed", "t": "target"}
    columns: dict[str, list[object]] = {
        "id": list(effects),
        "kind": [kinds[name[0]] for name in effects],
        "component": [components.get(name[0], "mlp") for name in effects],
        "effect": list(effects.values()),
    }
    columns |= {name: [0] * len(effects) for name in ("layer", "feature_index", "position")}
    columns |= {name: [None] * len(effects) for name in ("role", "effect_se", "label", "promotes")}
    edges = pd.DataFrame(rows, columns=["source", "target", "weight"])
    return graph_of(pd.DataFrame(columns), edges)


def every_path(rows: list[Row], effects: dict[str, float]) -> dict[Path_, float]:
    """Each path from an embedding unit to the target with its strength, by walking every way."""
    onward: dict[str, list[tuple[str, float]]] = {}
    for source, target, weight in rows:
        onward.setdefault(source, []).append((target, weight))
    found: dict[Path_, float] = {}

    def walk(path: Path_, strength: float) -> None:
        if path[-1] == "t":
            found[path] = strength
            return
        for target, weight in onward.get(path[-1], []):
            walk((*path, target), strength * weight / (effects[path[-1]] if len(path) > 1 else 1.0))

    for start in {source for source, *_ in rows if source[0] == "e"}:
        walk((start,), 1.0)
    return found


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Row], dict[str, float]]:
    """An acyclic graph: two embedding units, some inner ones in order, the target; values far from zero."""
    value = st.floats(0.25, 2.0).flatmap(lambda x: st.sampled_from([x, -x]))
    inner = [draw(st.sampled_from("nx")) + str(i) for i in range(draw(st.integers(0, 6)))]
    order = ["e0", "e1", *inner, "t"]
    effects = {name: draw(value) for name in order}
    rows: list[Row] = []
    for source, target in itertools.combinations(order, 2):
        if not (source[0] == "e" and target[0] == "e") and draw(st.booleans()):
            rows.append((source, target, draw(value)))
    if not rows:
        rows = [("e0", "t", 1.0)]
    return draw(st.permutations(rows)), effects


def names(graph: CircuitGraph, path: list[int]) -> Path_:
    return tuple(graph.nodes["id"].iloc[path])


@settings(max_examples=150, deadline=None)
@given(graphs(), st.integers(1, 12))
def test_the_k_strongest_paths_are_those_of_enumeration(made: tuple[list[Row], dict[str, float]], k: int) -> None:
    rows, effects = made
    graph = made_graph(rows, effects)
    wanted = every_path(rows, effects)
    found = best_paths(graph, k)
    assert len(found) == min(k, len(wanted))
    assert len({names(graph, path) for _, path in found}) == len(found)
    for strength, path in found:
        assert strength == pytest.approx(wanted[names(graph, path)])
    strongest = sorted(map(abs, wanted.values()), reverse=True)[:k]
    assert [abs(strength) for strength, _ in found] == pytest.approx(strongest)


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_the_flow_through_a_node_and_along_an_edge_is_what_its_removal_cuts(
    made: tuple[list[Row], dict[str, float]],
) -> None:
    rows, effects = made
    graph = made_graph(rows, effects)
    found = flow_of(graph)
    everything = every_path(rows, effects)
    assert found.total == pytest.approx(flow(everything))
    for place, node in enumerate(graph.nodes["id"]):
        without = every_path([row for row in rows if node not in row[:2]], effects)
        assert found.nodes[place] == pytest.approx(flow(everything) - flow(without), abs=1e-9)
    for edge, ends in enumerate(zip(graph.source, graph.target, strict=True)):
        cut = tuple(graph.nodes["id"].iloc[list(ends)])
        without = every_path([row for row in rows if row[:2] != cut], effects)
        assert found.edges[edge] == pytest.approx(flow(everything) - flow(without), abs=1e-9)


def flow(paths: dict[Path_, float]) -> np.ndarray:
    """Strengths of positive paths summed, and absolute strengths of negative ones."""
    return np.array([math.fsum(s for s in paths.values() if s > 0), math.fsum(-s for s in paths.values() if s < 0)])


def test_a_node_too_small_to_divide_by_carries_nothing_and_is_named() -> None:
    rows: list[Row] = [("e0", "n0", 1.0), ("n0", "t", 1.0), ("e0", "n1", 1.0), ("n1", "t", 0.5)]
    graph = made_graph(rows, {"e0": 1.0, "n0": 1e-9, "n1": 0.5, "t": 0.0})
    assert graph.too_small == ("n0",)
    assert [(strength, names(graph, path)) for strength, path in best_paths(graph, 5)] == [(1.0, ("e0", "n1", "t"))]


def test_edges_in_a_circle_are_refused() -> None:
    rows: list[Row] = [("e0", "n0", 1.0), ("n0", "n1", 1.0), ("n1", "n0", 1.0), ("n1", "t", 1.0)]
    with pytest.raises(QueryError, match="run in a circle"):
        made_graph(rows, {"e0": 1.0, "n0": 1.0, "n1": 1.0, "t": 0.0})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path: Path = tmp_path_factory.mktemp("paths") / "atlas.lbug"
    with connect(f"ladybug:{path}") as opened:
        opened.write(small_circuits())
        yield opened


def test_paths_of_a_stored_circuit(store: Store) -> None:
    table = strongest_paths(store, "he/subject", k=5)
    assert table["path"].tolist() == [
        "embed/1@subject → mlp_0/7@subject → resid_1/3@verb → target",
        "embed/1@subject → mlp_0/8@verb → resid_1/3@verb → target",
        "embed/1@subject → mlp_0/7@subject → resid_1/error@verb → target",
    ]
    # 0.4 · -0.9 · 2 / (-1 · 2), 0.2 · 0.3 · 2 / (0.25 · 2), 0.4 · 0.1 · 0.75 / (-1 · 0.75)
    assert table["strength"].tolist() == pytest.approx([0.36, 0.24, -0.04])
    assert table["approximate"].tolist() == [False, False, True]
    assert table["nodes"].iloc[0][-1] == "toy/circuit/he%2Fsubject/target/*"
    assert table.attrs["query"] == "edges"
    assert table.attrs["params"] == {"circuit": "he/subject", "node_threshold": 0.0, "edge_threshold": 0.0}
    assert table.attrs["units"] == {"strength": "units of the metric"}
    assert strongest_paths(store, "he/subject", k=1)["strength"].tolist() == pytest.approx([0.36])


def test_paths_may_be_kept_to_those_whose_strength_is_defined(store: Store) -> None:
    table = strongest_paths(store, "he/subject", k=5, through_errors=False)
    assert table["strength"].tolist() == pytest.approx([0.36, 0.24])
    assert not table["approximate"].any()


def test_thresholds_cut_paths(store: Store) -> None:
    assert strongest_paths(store, "he/subject", node_threshold=0.3)["strength"].tolist() == pytest.approx([0.36, -0.04])
    assert strongest_paths(store, "he/subject", edge_threshold=0.35)["strength"].tolist() == pytest.approx([0.36])
    nothing = strongest_paths(store, "he/subject", edge_threshold=1.0)  # one edge is left, and leads from no start
    assert nothing.empty
    assert nothing["rank"].dtype == "int64"
    with pytest.raises(
        QueryError, match="edge_threshold 99 leaves no edge of circuit 'he/subject', whose strongest among"
    ):
        strongest_paths(store, "he/subject", edge_threshold=99.0)


def test_bottlenecks_of_a_stored_circuit(store: Store) -> None:
    table = bottlenecks(store, "he/subject").set_index("name")
    assert table.index.tolist() == [
        "embed/1@subject", "resid_1/3@verb", "mlp_0/7@subject", "mlp_0/8@verb", "resid_1/error@verb",
    ]  # fmt: skip
    assert table["share"].tolist() == pytest.approx([1.0, 0.6 / 0.64, 0.4 / 0.64, 0.24 / 0.64, 0.04 / 0.64])
    assert table["negative_flow"].tolist() == pytest.approx([0.04, 0.0, 0.04, 0.0, 0.04])
    assert table.attrs["total"] == pytest.approx({"positive": 0.6, "negative": 0.04})
    assert bottlenecks(store, "he/subject", edge_threshold=1.0).empty
    with pytest.raises(QueryError, match="edge_threshold 99 leaves no edge"):
        bottlenecks(store, "he/subject", edge_threshold=99.0)
    assert len(bottlenecks(store, "he/subject", limit=2)) == 2


def test_wrong_arguments_are_refused_in_one_line(store: Store) -> None:
    with pytest.raises(QueryError, match="ask for 1 to 10000 paths"):
        strongest_paths(store, "he/subject", k=0)
    with pytest.raises(QueryError, match="at least 1 node"):
        bottlenecks(store, "he/subject", limit=0)
    with pytest.raises(UnknownCircuitError, match="did you mean 'he/subject'"):
        strongest_paths(store, "he/subjekt")
