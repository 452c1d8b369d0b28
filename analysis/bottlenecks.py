"""Bottlenecks: the nodes whose removal cuts most of the flow from the embedding to the target.

The flow is the sum of the strengths of all paths (see `paths`), positive and negative paths apart, so that they do not
cancel. With t(d→e) = w(d→e) / effect(d), and x⁺, x⁻ the positive and the absolute negative part of x:

1. Forwards, reach(v) = what arrives at v: an edge of the embedding brings w, a later edge reach(d) · t(d→v).
2. Backwards, onward(v) = Σ t(v→e) · onward(e), 1 at the target.
   A product of two signed numbers keeps parts apart: (a·b)⁺ = a⁺b⁺ + a⁻b⁻, (a·b)⁻ = a⁺b⁻ + a⁻b⁺.
3. The flow through v is reach(v) · onward(v), for v in the embedding Σ w(v→e) · onward(e). Removing v cuts exactly
   that: every path through v, and no other.

Effects too small to divide by carry no flow, as in `paths`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.graph import CircuitGraph, Floats, fetch_graph, readable
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

COLUMNS = {
    "node": ("", "key of the circuit node"),
    "name": ("", "the node for people"),
    "kind": ("", "feature, or error (whose flow is approximate)"),
    "component": ("", "embed, attn, mlp or resid"),
    "layer": ("", "layer; the embedding -1"),
    "effect": ("units of the metric", "indirect effect of the node, signed"),
    "positive_flow": ("units of the metric", "strengths of the positive paths through it, summed"),
    "negative_flow": ("units of the metric", "absolute strengths of the negative paths through it, summed"),
    "positive_share": ("share", "of all positive paths; null where there are none"),
    "negative_share": ("share", "of all negative paths; null where there are none"),
    "share": ("share", "of the absolute strength of all paths: what its removal cuts"),
}
"""Unit and meaning of each column."""


def bottlenecks(
    store: Store, circuit: str, limit: int = 20, node_threshold: float = 0.0, edge_threshold: float = 0.0
) -> pd.DataFrame:
    """Rank the nodes of a circuit by the share of the flow that their removal cuts.

    Args:
        store: where the circuit is.
        circuit: its name.
        limit: at most so many rows.
        node_threshold: nodes of larger absolute effect only (units of the metric).
        edge_threshold: edges of larger absolute weight only (units of the metric).

    Returns:
        a row a node, columns as in `COLUMNS`; `attrs["total"]` holds the whole positive and negative flow.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: limit is below 1, or the thresholds do not fit the circuit's selection.

    """
    if limit < 1:
        raise QueryError(f"limit is {limit}; ask for at least 1 node")
    graph = fetch_graph(store, circuit, node_threshold, edge_threshold)
    return _table(graph, limit)


def flow_through(graph: CircuitGraph) -> tuple[Floats, Floats]:
    """Return the flow through each node, shape [nodes, 2], and in all, shape [2]: positive part, negative part."""
    n = len(graph.nodes)
    reach, onward, through = np.zeros((n, 2)), np.zeros((n, 2)), np.zeros((n, 2))
    if graph.goal < 0:
        return through, np.zeros(2)
    is_start = np.zeros(n, bool)
    is_start[graph.starts] = True
    onward[graph.goal, 0] = 1.0
    edges = list(zip(graph.source.tolist(), graph.target.tolist(), graph.weight.tolist(), graph.fraction, strict=True))
    for u, d, w, t in edges:
        # Nothing arrives at the embedding: its own edges bring their weight.
        reach[d] += _parts(w) if is_start[u] else _times(reach[u], _parts(t))
    for u, d, w, t in reversed(edges):
        onward[u] += _times(_parts(t), onward[d])
        if is_start[u]:
            through[u] += _times(_parts(w), onward[d])
    inner = ~is_start
    through[inner] = np.stack(
        [
            reach[inner, 0] * onward[inner, 0] + reach[inner, 1] * onward[inner, 1],
            reach[inner, 0] * onward[inner, 1] + reach[inner, 1] * onward[inner, 0],
        ],
        axis=1,
    )
    return through, through[graph.goal].copy()


def _parts(value: float) -> Floats:
    return np.array([max(value, 0.0), max(-value, 0.0)])


def _times(a: Floats, b: Floats) -> Floats:
    return np.array([a[0] * b[0] + a[1] * b[1], a[0] * b[1] + a[1] * b[0]])


def _table(graph: CircuitGraph, limit: int) -> pd.DataFrame:
    through, total = flow_through(graph)
    table = graph.nodes[["id", "kind", "component", "layer", "effect"]].rename(columns={"id": "node"})
    table.insert(1, "name", [readable(node) for node in graph.nodes.itertuples()])
    table["positive_flow"], table["negative_flow"] = through[:, 0], through[:, 1]
    table["positive_share"] = through[:, 0] / total[0] if total[0] > 0 else np.nan
    table["negative_share"] = through[:, 1] / total[1] if total[1] > 0 else np.nan
    table["share"] = through.sum(axis=1) / total.sum() if total.sum() > 0 else np.nan
    table = table[(table["kind"] != "target") & (table["share"] > 0)]
    table = table.sort_values(["share", "node"], ascending=[False, True], ignore_index=True).head(limit)
    table.attrs = {
        "query": "subgraph",
        "params": graph.params,
        "units": {name: unit for name, (unit, _) in COLUMNS.items() if unit},
        "descriptions": {name: text for name, (_, text) in COLUMNS.items()},
        "total": {"positive": float(total[0]), "negative": float(total[1])},
        "left_out": list(graph.too_small),
    }
    return table
