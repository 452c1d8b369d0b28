"""Bottlenecks: the nodes whose removal cuts most of the flow from the embedding to the target (see `flow`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuit_atlas.analysis.flow import flow_of, share
from circuit_atlas.analysis.graph import CircuitGraph, fetch_graph
from circuit_atlas.analysis.result import METRIC, Column, tabulate
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

COLUMNS = {
    "node": Column("string", "", "key of the circuit node"),
    "name": Column("string", "", "the node for people"),
    "kind": Column("string", "", "feature, or error (whose flow is approximate)"),
    "component": Column("string", "", "embed, attn, mlp or resid"),
    "layer": Column("integer", "", "layer; the embedding -1"),
    "effect": Column("float", METRIC, "indirect effect of the node, signed"),
    "positive_flow": Column("float", METRIC, "strengths of the positive paths through it, summed"),
    "negative_flow": Column("float", METRIC, "absolute strengths of the negative paths through it, summed"),
    "positive_share": Column("float", "share", "of all positive paths; null where there are none"),
    "negative_share": Column("float", "share", "of all negative paths; null where there are none"),
    "share": Column("float", "share", "of the absolute strength of all paths: what its removal cuts"),
}
"""Type, unit and meaning of each column."""


def bottlenecks(
    store: Store,
    circuit: str,
    limit: int = 20,
    node_threshold: float = 0.0,
    edge_threshold: float = 0.0,
    *,
    least_z: float = 0.0,
) -> pd.DataFrame:
    """Rank the nodes of a circuit by the share of the flow that their removal cuts.

    Args:
        store: where the circuit is.
        circuit: its name.
        limit: at most so many rows.
        node_threshold: nodes of larger absolute effect only (units of the metric).
        edge_threshold: edges of larger absolute weight only (units of the metric).
        least_z: inner nodes whose effect is fewer standard errors from zero carry nothing.

    Returns:
        a row a node, columns as in `COLUMNS`; `attrs["total"]` holds the whole positive and negative flow.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: limit is below 1, or the thresholds do not fit the circuit's selection.

    """
    if limit < 1:
        raise QueryError(f"limit is {limit}; ask for at least 1 node")
    graph = fetch_graph(store, circuit, node_threshold, edge_threshold, least_z)
    return _table(graph, limit)


def _table(graph: CircuitGraph, limit: int) -> pd.DataFrame:
    flow = flow_of(graph)
    table = graph.nodes[["id", "kind", "component", "layer", "effect"]].rename(columns={"id": "node"})
    table.insert(1, "name", graph.names)
    table["positive_flow"], table["negative_flow"] = flow.nodes[:, 0], flow.nodes[:, 1]
    table["positive_share"], table["negative_share"] = share(flow.nodes, flow.total).T
    table["share"] = share(flow.nodes.sum(axis=1), flow.total.sum())
    table = table[(table["kind"] != "target") & (table["share"] > 0)]
    table = table.sort_values(["share", "node"], ascending=[False, True], ignore_index=True).head(limit)
    total = {"positive": float(flow.total[0]), "negative": float(flow.total[1])}
    rows = table[list(COLUMNS)].itertuples(index=False, name=None)
    return tabulate(COLUMNS, rows, graph.asked, total=total, **graph.about)
