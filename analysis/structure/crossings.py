"""Where an effect crosses from one role's position to another's, and which layers carry it there.

An edge between two positions is what attention moved. Tokens are read forwards, so that no path crosses from one
position to another twice: weights and flows between two places may be summed over layers, as over a cut. Where nodes
have roles alone (positions "role"), a place is a role: what moves within a role is no crossing, and where the positions
of two roles take turns a path may cross from one to the other twice, and counts twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.flow import flow_of, share, summed
from circuit_atlas.analysis.graph import fetch_graph
from circuit_atlas.analysis.result import METRIC, Column, tabulate
from circuit_atlas.analysis.structure.sites import places, positions, require_positions, site_name, site_order

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

COLUMNS = {
    "source": Column("string", "", "role (else position) that the effect leaves"),
    "target": Column("string", "", "role (else position) that it reaches"),
    "site": Column("string", "", "the site that receives it"),
    "n_edges": Column("integer", "", "edges between them into that site"),
    "weight": Column("float", METRIC, "their weights, summed with sign"),
    "absolute_weight": Column("float", METRIC, "their absolute weights, summed"),
    "positive_flow": Column("float", METRIC, "strengths of the positive paths along them, summed"),
    "negative_flow": Column("float", METRIC, "absolute strengths of the negative paths along them, summed"),
    "share": Column("float", "share", "of the absolute strength of all paths; null where there are none"),
}
"""Type, unit and meaning of each column."""


def role_crossings(
    store: Store, circuit: str, node_threshold: float = 0.0, edge_threshold: float = 0.0, *, least_z: float = 0.0
) -> pd.DataFrame:
    """Say between which roles an effect crosses, and at which site it arrives, with weight and flow.

    Args:
        store: where the circuit is.
        circuit: its name.
        node_threshold: nodes of larger absolute effect only (units of the metric).
        edge_threshold: edges of larger absolute weight only (units of the metric).
        least_z: inner nodes whose effect is fewer standard errors from zero carry nothing.

    Returns:
        a row a pair of roles and receiving site, columns as in `COLUMNS`, the largest flow first.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: the circuit sums over positions, or the thresholds do not fit its selection.

    """
    require_positions(store, circuit)
    graph = fetch_graph(store, circuit, node_threshold, edge_threshold, least_z)
    flow = flow_of(graph)
    position, place = positions(graph), places(graph.nodes)
    inner = (graph.nodes["kind"] != "target").to_numpy()
    crossing = np.flatnonzero((position[graph.source] != position[graph.target]) & inner[graph.target])
    sites = list(zip(graph.nodes["component"], graph.nodes["layer"], strict=True))
    keys = [
        (place[u], place[d], *sites[d]) for u, d in zip(graph.source[crossing], graph.target[crossing], strict=True)
    ]
    found = sorted(set(keys), key=lambda key: (key[:2], site_order(*key[2:])))
    number = {key: place for place, key in enumerate(found)}
    which = np.array([number[key] for key in keys], np.int64)
    weight = graph.weight[crossing, None]
    sums = summed(which, np.concatenate([weight, np.abs(weight), flow.edges[crossing]], axis=1), len(found))
    counts = np.bincount(which, minlength=len(found))
    both = sums[:, 2] + sums[:, 3]
    shares = share(both, float(flow.total.sum()))
    order = np.lexsort((-sums[:, 1], -both))
    rows = [(*found[k][:2], site_name(*found[k][2:]), counts[k], *sums[k], shares[k]) for k in order]
    return tabulate(COLUMNS, rows, graph.asked, **graph.about)
