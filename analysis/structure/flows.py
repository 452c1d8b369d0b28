"""Flow to the target as tables: along the strongest edges, and over cuts that every path crosses once.

What flows is defined in `circuit_atlas.analysis.flow`: strengths of paths from the embedding to the target, positive
and negative ones summed apart. A sum over layers would count one path many times; over one cut it counts each path
once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.flow import flow_of, parts, share, summed
from circuit_atlas.analysis.graph import Floats, fetch_graph
from circuit_atlas.analysis.result import METRIC, Column, tabulate
from circuit_atlas.analysis.structure.sites import places
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

POSITIVE = Column("float", METRIC, "strengths of the positive paths along it, summed")
NEGATIVE = Column("float", METRIC, "absolute strengths of the negative paths along it, summed")
SHARE = Column("float", "share", "of the absolute strength of all paths; null where there are none")

EDGE_COLUMNS = {
    "source_node": Column("string", "", "key of the upstream circuit node"),
    "target_node": Column("string", "", "key of the downstream circuit node"),
    "edge": Column("string", "", "both ends for people"),
    "weight": Column("float", METRIC, "indirect effect through this edge alone, signed"),
    "fraction": Column(
        "float", "share", "of the upstream end's effect that goes on along it; null where that is near 0"
    ),
    "positive_flow": POSITIVE,
    "negative_flow": NEGATIVE,
    "share": SHARE,
    "approximate": Column(
        "boolean", "", "whether its paths pass through an error unit at an end of it; they may start there"
    ),
}
CUT_COLUMNS = {
    "layer": Column("integer", "", "the cut lies behind this layer; -1: behind the embedding"),
    "place": Column(
        "string", "", "role (else position) that the crossing edges leave; empty where positions are summed"
    ),
    "kind": Column("string", "", "kind of unit that they leave: feature or error"),
    "n_edges": Column("integer", "", "edges from there across the cut"),
    "positive_weight": Column("float", METRIC, "their positive weights, summed"),
    "negative_weight": Column("float", METRIC, "their negative weights, summed in absolute value"),
    "positive_flow": POSITIVE,
    "negative_flow": NEGATIVE,
    "share": SHARE,
}


def edge_flow(
    store: Store,
    circuit: str,
    limit: int = 20,
    node_threshold: float = 0.0,
    edge_threshold: float = 0.0,
    *,
    least_z: float = 0.0,
) -> pd.DataFrame:
    """Rank the edges of a circuit by the flow from the embedding to the target that runs along them.

    Args:
        store: where the circuit is.
        circuit: its name.
        limit: at most so many rows.
        node_threshold: nodes of larger absolute effect only (units of the metric).
        edge_threshold: edges of larger absolute weight only (units of the metric).
        least_z: inner nodes whose effect is fewer standard errors from zero carry nothing.

    Returns:
        a row an edge, columns as in `EDGE_COLUMNS`; `attrs["total"]` holds the whole positive and negative flow.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: limit is below 1, or the thresholds do not fit the circuit's selection.

    """
    if limit < 1:
        raise QueryError(f"limit is {limit}; ask for at least 1 edge")
    graph = fetch_graph(store, circuit, node_threshold, edge_threshold, least_z)
    flow = flow_of(graph)
    both = flow.edges.sum(axis=1)
    shares = share(both, flow.total.sum())
    names, ids = graph.names, graph.nodes["id"].tolist()
    is_error = ((graph.nodes["kind"] == "error") & (graph.nodes["component"] != "embed")).to_numpy()
    small = graph.nodes["id"].isin(graph.too_small).to_numpy()
    rows = []
    for edge in np.argsort(-both, kind="stable")[:limit]:
        u, d = graph.source[edge], graph.target[edge]
        if both[edge] > 0.0:
            fraction = np.nan if small[u] else graph.fraction[edge]
            carried = (graph.weight[edge], fraction, *flow.edges[edge], shares[edge])
            rows.append((ids[u], ids[d], f"{names[u]} → {names[d]}", *carried, bool(is_error[u] or is_error[d])))
    return tabulate(EDGE_COLUMNS, rows, graph.asked, total=_total(flow.total), **graph.about)


def cut_flow(
    store: Store, circuit: str, node_threshold: float = 0.0, edge_threshold: float = 0.0, *, least_z: float = 0.0
) -> pd.DataFrame:
    """Say where the flow from the embedding to the target stands after each layer: in which role, features or errors.

    The cuts lie behind the embedding and behind the last site of each layer. Every path crosses each of them once, so
    that of one cut positive flows add up to the whole positive flow, and so do negative ones.

    Args:
        store: where the circuit is.
        circuit: its name.
        node_threshold: nodes of larger absolute effect only (units of the metric).
        edge_threshold: edges of larger absolute weight only (units of the metric).
        least_z: inner nodes whose effect is fewer standard errors from zero carry nothing.

    Returns:
        a row a cut, place and kind, columns as in `CUT_COLUMNS`, in order of the forward pass.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: the thresholds do not fit the circuit's selection.

    """
    graph = fetch_graph(store, circuit, node_threshold, edge_threshold, least_z)
    flow = flow_of(graph)
    layers = graph.nodes["layer"].to_numpy(np.int64)
    groups = list(zip(places(graph.nodes), graph.nodes["kind"], strict=True))
    carried = np.concatenate([parts(graph.weight), flow.edges], axis=1)
    rows: list[tuple[object, ...]] = []
    for layer in range(-1, layers.max(initial=-1)):
        crossing = np.flatnonzero((layers[graph.source] <= layer) & (layers[graph.target] > layer))
        leaves = [groups[u] for u in graph.source[crossing]]
        rows += _cut_rows(layer, leaves, carried[crossing], float(flow.total.sum()))
    return tabulate(CUT_COLUMNS, rows, graph.asked, total=_total(flow.total), **graph.about)


def _cut_rows(layer: int, leaves: list[tuple[str, str]], carried: Floats, whole: float) -> Iterator[tuple[object, ...]]:
    """Rows of one cut, the largest flow first; `leaves` names place and kind that each crossing edge leaves."""
    found = sorted(set(leaves))
    which = np.array([found.index(one) for one in leaves], np.int64)
    sums = summed(which, carried, len(found))
    counts = np.bincount(which, minlength=len(found))
    shares = share(sums[:, 2] + sums[:, 3], whole)
    for one in np.argsort(-(sums[:, 2] + sums[:, 3]), kind="stable"):
        yield (layer, *found[one], counts[one], *sums[one], shares[one])


def _total(total: Floats) -> dict[str, float]:
    return {"positive": float(total[0]), "negative": float(total[1])}
