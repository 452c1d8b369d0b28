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
error unit has no such scalar (its weights are taken through a vector, not one feature), so it is marked approximate;
one that starts at an error unit does not divide by its effect, and is as exact as others.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from circuit_atlas.analysis.graph import CircuitGraph, Floats, Ints, fetch_graph
from circuit_atlas.analysis.result import METRIC, Column, tabulate
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

COLUMNS = {
    "rank": Column("integer", "", "1 for the strongest"),
    "strength": Column("float", METRIC, "product of weights over effects of inner nodes, signed"),
    "approximate": Column("boolean", "", "whether it passes through an error unit; one may start there"),
    "n_edges": Column("integer", "", "edges on the path"),
    "path": Column("string", "", "its nodes for people, embedding first"),
    "nodes": Column("list of strings", "", "keys of its circuit nodes, embedding first"),
}
"""Type, unit and meaning of each column."""

MOST_PATHS = 10_000
"""Most paths that may be asked for: each node keeps as many ways to the target."""


def strongest_paths(
    store: Store,
    circuit: str,
    k: int = 10,
    node_threshold: float = 0.0,
    edge_threshold: float = 0.0,
    *,
    least_z: float = 0.0,
    through_errors: bool = True,
) -> pd.DataFrame:
    """Find the k strongest paths from the embedding to the target, by absolute strength.

    Args:
        store: where the circuit is.
        circuit: its name.
        k: at most so many paths.
        node_threshold: nodes of larger absolute effect only (units of the metric).
        edge_threshold: edges of larger absolute weight only (units of the metric).
        least_z: inner nodes whose effect is fewer standard errors from zero carry nothing.
        through_errors: whether paths may pass through error units, where strength is only approximate.

    Returns:
        a row a path, columns as in `COLUMNS`; none where no path above the thresholds joins embedding and target.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: k is below 1 or above `MOST_PATHS`, or the thresholds do not fit the circuit's selection.

    """
    require_count(k, "paths")
    graph = fetch_graph(store, circuit, node_threshold, edge_threshold, least_z)
    kinds = graph.nodes["kind"].tolist()
    closed = set() if through_errors else {place for place, kind in enumerate(kinds) if kind == "error"}
    return path_table(graph, best_paths(graph, k, closed))


def require_count(k: int, what: str) -> None:
    """Refuse to look for none, or for more than `MOST_PATHS`.

    Raises:
        QueryError: k is out of range.

    """
    if not 1 <= k <= MOST_PATHS:
        raise QueryError(f"k is {k}; ask for 1 to {MOST_PATHS} {what}")


def best_paths(graph: CircuitGraph, k: int, closed: Collection[int] = ()) -> list[tuple[float, list[int]]]:
    """Return the k strongest paths as (signed strength, places of nodes), strongest first; ties by the nodes' places.

    No path goes on from a place that is `closed`; one may start there.
    """
    if graph.goal < 0:
        return []
    ways = _ways(graph, k, closed)
    first = np.flatnonzero(np.isin(graph.source, graph.starts))
    strength = (graph.weight[first, None] * ways.strength[graph.target[first]]).ravel()
    found = []
    for place in strongest(strength, k):
        edge, which = first[place // k], int(place % k)
        path = [int(graph.source[edge]), *_follow(ways, int(graph.target[edge]), which)]
        found.append((float(strength[place]), path))
    return found


def strongest(strength: Floats, k: int) -> Ints:
    """Return the places of the k largest absolute values that are not zero, largest first; ties in their order."""
    size = np.abs(strength)
    if len(size) > k:
        least = np.partition(size, len(size) - k)[len(size) - k]
        places = np.flatnonzero((size >= least) & (size > 0.0))
    else:
        places = np.flatnonzero(size)
    return places[np.argsort(-size[places], kind="stable")][:k]


class _Ways(NamedTuple):
    """For each node its k strongest ways to the target, strongest first, each array of shape [nodes, k].

    A way has a signed strength (0 where there is none), the next node, and which of that node's ways follows.
    """

    strength: Floats
    next: Ints
    which: Ints


def _ways(graph: CircuitGraph, k: int, closed: Collection[int]) -> _Ways:
    """Find every node's ways, from the target backwards: an edge leads to a later place."""
    n = len(graph.nodes)
    ways = _Ways(np.zeros((n, k)), np.full((n, k), -1), np.zeros((n, k), np.int64))
    ways.strength[graph.goal, 0] = 1.0
    ends = np.searchsorted(graph.source, np.arange(n + 1))
    for u in range(n - 1, -1, -1):
        edges = slice(ends[u], ends[u + 1])
        if edges.start == edges.stop or u in closed:
            continue
        after = graph.target[edges]
        strength = (graph.fraction[edges, None] * ways.strength[after]).ravel()
        places = strongest(strength, k)
        ways.strength[u, : len(places)] = strength[places]
        ways.next[u, : len(places)] = after[places // k]
        ways.which[u, : len(places)] = places % k
    return ways


def _follow(ways: _Ways, node: int, which: int) -> list[int]:
    path = [node]
    while ways.next[node, which] >= 0:
        node, which = int(ways.next[node, which]), int(ways.which[node, which])
        path.append(node)
    return path


def path_table(graph: CircuitGraph, paths: list[tuple[float, list[int]]]) -> pd.DataFrame:
    """Tabulate paths as `best_paths` gives them; columns as in `COLUMNS`."""
    names, kinds = graph.names, graph.nodes["kind"].tolist()
    ids = graph.nodes["id"].tolist()
    rows = [
        (
            rank,
            strength,
            any(kinds[place] == "error" for place in path[1:-1]),
            len(path) - 1,
            " → ".join(names[place] for place in path),
            [ids[place] for place in path],
        )
        for rank, (strength, path) in enumerate(paths, start=1)
    ]
    return tabulate(COLUMNS, rows, graph.asked, **graph.about)
