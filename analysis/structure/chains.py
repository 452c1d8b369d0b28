"""Chains of units that fit a pattern, such as feature → attention → feature: the strongest, and how many there are.

The strength of a chain is that of a path: the product of its weights over the effects of its inner nodes, in units
of the metric (see `circuit_atlas.analysis.paths`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from circuit_atlas.analysis.graph import CircuitGraph, Floats, Ints, fetch_graph
from circuit_atlas.analysis.paths import require_count, strongest
from circuit_atlas.analysis.result import METRIC, Column, tabulate
from circuit_atlas.analysis.structure.pattern import Step, parse_pattern

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

COLUMNS = {
    "rank": Column("integer", "", "1 for the strongest"),
    "strength": Column("float", METRIC, "product of weights over effects of inner nodes, signed"),
    "approximate": Column("boolean", "", "whether it passes through an error unit; it may start or end there"),
    "chain": Column("string", "", "its nodes for people, upstream first"),
    "nodes": Column("list of strings", "", "keys of its circuit nodes, upstream first"),
}
"""Type, unit and meaning of each column."""


def motif_chains(
    store: Store,
    circuit: str,
    pattern: str,
    k: int = 10,
    node_threshold: float = 0.0,
    edge_threshold: float = 0.0,
    *,
    least_z: float = 0.0,
) -> pd.DataFrame:
    """Find the k strongest chains that fit a pattern, and count all that do.

    Args:
        store: where the circuit is.
        circuit: its name.
        pattern: its steps, upstream first, such as `feature attn feature`: any, feature, error, target, a component or
            site (its features; with /error its errors), each with @ROLE where it must stand at that role.
        k: at most so many chains.
        node_threshold: nodes of larger absolute effect only (units of the metric).
        edge_threshold: edges of larger absolute weight only (units of the metric).
        least_z: inner nodes whose effect is fewer standard errors from zero carry nothing.

    Returns:
        a row a chain, columns as in `COLUMNS`; `attrs["count"]` is the number of all that fit.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: the pattern cannot be read, k is out of range, or the thresholds do not fit the circuit's selection.

    """
    steps = parse_pattern(pattern)
    require_count(k, "chains")
    graph = fetch_graph(store, circuit, node_threshold, edge_threshold, least_z)
    chains, count = best_chains(graph, steps, k)
    names, ids, kinds = graph.names, graph.nodes["id"].tolist(), graph.nodes["kind"].tolist()
    rows = [
        (
            rank,
            strength,
            any(kinds[place] == "error" for place in chain[1:-1]),
            " → ".join(names[place] for place in chain),
            [ids[place] for place in chain],
        )
        for rank, (strength, chain) in enumerate(chains, start=1)
    ]
    return tabulate(COLUMNS, rows, graph.asked, pattern=pattern, count=count, **graph.about)


def best_chains(graph: CircuitGraph, steps: Sequence[Step], k: int) -> tuple[list[tuple[float, list[int]]], int]:
    """Return the k strongest chains that fit, as (signed strength, places of nodes), and the number of all that fit.

    Backwards over the steps, keep for each node the k strongest ways to finish the pattern, as `paths` does.
    """
    fits = [step.among(graph) for step in steps]
    count = [int(fit) for fit in fits[-1]]
    ways = [_Ends(fits[-1].astype(np.float64)[:, None], np.empty((0, 0), np.int64))]
    for step in range(len(steps) - 2, -1, -1):
        edges = np.flatnonzero(fits[step][graph.source] & fits[step + 1][graph.target])
        carried = graph.weight if step == 0 else graph.fraction
        ways.append(_ways_on(graph, edges, carried, ways[-1], k))
        before = [0] * len(count)
        for edge in edges:
            before[graph.source[edge]] += count[graph.target[edge]]
        count = before
    first = ways[-1]
    chains = []
    for place in strongest(first.strength.ravel(), k):
        node, which = divmod(int(place), first.strength.shape[1])
        chains.append((float(first.strength[node, which]), _unrolled(ways, node, which)))
    return chains, sum(count)


class _Ends(NamedTuple):
    """Each node's ways to finish the pattern: strengths [nodes, k], and next · k' + which of its ways follows."""

    strength: Floats
    follows: Ints


def _ways_on(graph: CircuitGraph, edges: Ints, carried: Floats, after: _Ends, k: int) -> _Ends:
    n, width = after.strength.shape
    strength, follows = np.zeros((n, k)), np.zeros((n, k), np.int64)
    ends = np.searchsorted(graph.source[edges], np.arange(n + 1))
    for u in np.unique(graph.source[edges]):
        mine = edges[ends[u] : ends[u + 1]]
        options = (carried[mine, None] * after.strength[graph.target[mine]]).ravel()
        best = strongest(options, k)
        strength[u, : len(best)] = options[best]
        follows[u, : len(best)] = graph.target[mine][best // width] * width + best % width
    return _Ends(strength, follows)


def _unrolled(ways: Sequence[_Ends], node: int, which: int) -> list[int]:
    """Follow a way of the first step, which stands last in `ways`."""
    chain = [node]
    for here, after in zip(ways[:0:-1], ways[-2::-1], strict=True):
        node, which = divmod(int(here.follows[node, which]), after.strength.shape[1])
        chain.append(node)
    return chain
