"""Strongest paths from the embedding to the target, by dynamic programming on the acyclic subgraph.

Each edge weight already is an effect on the metric, so along u → d → e the linear effect is
w(u→d) · w(d→e) / effect(d): the strength of a path is the product of its weights over the product of its inner nodes'
effects, in units of the metric (a bare product of weights is not). Written with transmission fractions
t(d→e) = w(d→e) / effect(d), it is w(first edge) · Π t(later edges).

1. Backwards from the target, keep for each node the k strongest ways on: (signed Π t, next node, which of its ways).
   In an acyclic graph the k best of a node are among the k best of its successors.
2. From each unit of the embedding take weight times the ways of its successors; keep the k strongest of all.

Effects and weights are means over examples. An inner node whose absolute effect is at most 1e-6 of the largest
carries no path, for the quotient would be rounding alone; `attrs["left_out"]` names such nodes. A path through an
error unit has no such scalar (its weights are taken through a vector, not one feature), so it is marked approximate.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from circuit_atlas.analysis.graph import CircuitGraph, fetch_graph, readable
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

COLUMNS = {
    "rank": ("integer", "", "1 for the strongest"),
    "strength": ("float", "units of the metric", "product of weights over effects of inner nodes, signed"),
    "approximate": ("boolean", "", "whether it passes through an error unit"),
    "n_edges": ("integer", "", "edges on the path"),
    "path": ("string", "", "its nodes for people, embedding first"),
    "nodes": ("list of strings", "", "keys of its circuit nodes, embedding first"),
}
"""Type, unit and meaning of each column."""


class Way(NamedTuple):
    """One way from a node to the target: signed strength, the next node and which of that node's ways follows."""

    strength: float
    next: int
    which: int


def strongest_paths(
    store: Store,
    circuit: str,
    k: int = 10,
    node_threshold: float = 0.0,
    edge_threshold: float = 0.0,
    *,
    through_errors: bool = True,
) -> pd.DataFrame:
    """Find the k strongest paths from the embedding to the target, by absolute strength.

    Args:
        store: where the circuit is.
        circuit: its name.
        k: at most so many paths.
        node_threshold: nodes of larger absolute effect only (units of the metric).
        edge_threshold: edges of larger absolute weight only (units of the metric).
        through_errors: whether paths may pass through error units, where strength is only approximate.

    Returns:
        a row a path, columns as in `COLUMNS`; none where no path above the thresholds joins embedding and target.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: k is below 1, or the thresholds do not fit the circuit's selection.

    """
    if k < 1:
        raise QueryError(f"k is {k}; ask for at least 1 path")
    graph = fetch_graph(store, circuit, node_threshold, edge_threshold)
    kinds = graph.nodes["kind"].tolist()
    closed = set() if through_errors else {place for place, kind in enumerate(kinds) if kind == "error"}
    return _table(graph, best_paths(graph, k, closed))


def best_paths(graph: CircuitGraph, k: int, closed: Collection[int] = ()) -> list[tuple[float, list[int]]]:
    """Return the k strongest paths as (signed strength, places of nodes), strongest first; ties by the nodes' keys.

    No path goes on from a place that is `closed`; one may start there.
    """
    if graph.goal < 0:
        return []
    ways = _ways(graph, k, closed)
    starts = set(graph.starts.tolist())
    first = (
        (float(w) * way.strength, int(u), int(d), which)
        for u, d, w in zip(graph.source, graph.target, graph.weight, strict=True)
        if int(u) in starts
        for which, way in enumerate(ways[d])
    )
    # Zero strengths are no paths: an edge of weight zero or a node too small to divide by cuts them.
    strongest = heapq.nsmallest(k, (f for f in first if f[0] != 0.0), key=lambda f: (-abs(f[0]), f[1:]))
    return [(strength, [u, *_follow(ways, d, which)]) for strength, u, d, which in strongest]


def _ways(graph: CircuitGraph, k: int, closed: Collection[int]) -> list[list[Way]]:
    """For each node its k strongest ways to the target, strongest first; edges are sorted by source, so go back."""
    ways: list[list[Way]] = [[] for _ in range(len(graph.nodes))]
    ways[graph.goal] = [Way(1.0, -1, 0)]
    found: list[Way] = []
    for edge in range(len(graph.source) - 1, -1, -1):
        u, d, t = int(graph.source[edge]), int(graph.target[edge]), float(graph.fraction[edge])
        found += [Way(t * way.strength, d, which) for which, way in enumerate(ways[d]) if t * way.strength != 0.0]
        if edge == 0 or graph.source[edge - 1] != u:
            if u not in closed:
                ways[u] = heapq.nsmallest(k, found, key=lambda way: (-abs(way.strength), way.next, way.which))
            found = []
    return ways


def _follow(ways: list[list[Way]], node: int, which: int) -> list[int]:
    path = [node]
    while ways[node][which].next >= 0:
        node, which = ways[node][which].next, ways[node][which].which
        path.append(node)
    return path


def _table(graph: CircuitGraph, paths: list[tuple[float, list[int]]]) -> pd.DataFrame:
    import pandas as pd

    names = [readable(node) for node in graph.nodes.itertuples()]
    ids, kinds = graph.nodes["id"].tolist(), graph.nodes["kind"].tolist()
    rows = [
        (
            rank,
            strength,
            any(kinds[place] == "error" for place in path),
            len(path) - 1,
            " → ".join(names[place] for place in path),
            [ids[place] for place in path],
        )
        for rank, (strength, path) in enumerate(paths, start=1)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        {"rank": "int64", "strength": "float64", "approximate": "bool", "n_edges": "int64"}
    )
    table.attrs = {
        "query": "subgraph",
        "params": graph.params,
        "units": {name: unit for name, (_, unit, _) in COLUMNS.items() if unit},
        "descriptions": {name: text for name, (_, _, text) in COLUMNS.items()},
        "left_out": list(graph.too_small),
    }
    return table
