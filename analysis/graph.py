"""The subgraph of one circuit as arrays, in an order in which every edge goes forward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from circuit_atlas.analysis.result import Asked, asked_for, rows_of
from circuit_atlas.analysis.thresholds import refuse_nothing_left, require_threshold
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_KEPT = (
    "id",
    "kind",
    "component",
    "layer",
    "feature_index",
    "position",
    "role",
    "effect",
    "effect_se",
    "label",
    "unit_id",
    "name",
)

RELATIVE_FLOOR = 1e-6
"""Inner nodes of a smaller share of the largest absolute effect carry no flow: dividing by them blows up rounding."""


@dataclass(frozen=True)
class CircuitGraph:
    """One circuit above thresholds, acyclic.

    Attributes:
        nodes: a row a node, in topological order: id, kind, component, layer, feature_index, position, role, effect
            and effect_se (units of the metric), label, unit_id; where nodes are groups of a grouping, name.
        source: upstream place of each edge in `nodes`; edges are sorted by it, then by their target.
        target: downstream place of each edge.
        weight: weight of each edge (units of the metric).
        fraction: weight over the effect of the edge's source, the share of that effect which it transmits; 0 where the
            effect is too small to divide by.
        too_small: ids of the nodes whose effect is too small to divide by.
        least_z: effects of fewer standard errors count as too small.
        unsure: ids of the nodes whose standard error is not known (a derived circuit's): `least_z` holds none of them.
        asked: the queries that gave it, that of the edges first.

    """

    nodes: pd.DataFrame
    source: Ints
    target: Ints
    weight: Floats
    fraction: Floats
    too_small: tuple[str, ...]
    least_z: float = 0.0
    unsure: tuple[str, ...] = ()
    asked: tuple[Asked, ...] = ()

    @property
    def about(self) -> dict[str, Any]:
        """What a result on paths says beside its rows.

        `least_z`; as `left_out` the nodes that carry none; as `unsure` those whose standard error is not known.
        """
        return {"least_z": self.least_z, "left_out": list(self.too_small), "unsure": list(self.unsure)}

    @property
    def params(self) -> dict[str, Any]:
        """Circuit and thresholds, as the query of the edges was asked with them."""
        return dict(self.asked[0].params) if self.asked else {}

    @property
    def goal(self) -> int:
        """The place of the target; -1 where no edge above the thresholds reaches it."""
        places = np.flatnonzero((self.nodes["kind"] == "target").to_numpy())
        return int(places[0]) if len(places) else -1

    @property
    def names(self) -> list[str]:
        """The nodes for people, in order of their places."""
        if "name" in self.nodes:
            return [str(name) for name in self.nodes["name"]]
        return [readable(node) for node in rows_of(self.nodes)]

    @property
    def starts(self) -> Ints:
        """The places of the embedding's units."""
        return np.flatnonzero((self.nodes["component"] == "embed").to_numpy())


def fetch_graph(
    store: Store, circuit: str, node_threshold: float, edge_threshold: float, least_z: float = 0.0
) -> CircuitGraph:
    """Fetch nodes and edges of a circuit above thresholds and put them in topological order.

    Args:
        store: where the circuit is.
        circuit: its name.
        node_threshold: nodes of larger absolute effect only (units of the metric).
        edge_threshold: edges of larger absolute weight only (units of the metric).
        least_z: an effect of fewer standard errors counts as too small to divide by: where effects of several examples
            cancel, the quotient of a weight by their mean is noise of any size. It holds back no node without a
            standard error, as those of derived circuits are: `unsure` names them.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: least_z is negative, the thresholds do not fit the selection, no node or no edge is above them,
            or edges run in a circle.

    """
    if not least_z >= 0.0:
        raise QueryError(f"least_z is {least_z:g}; give a number of standard errors from 0 up")
    require_threshold(store, circuit, node_threshold=node_threshold, edge_threshold=edge_threshold)
    edges = store.query("edges", circuit=circuit, node_threshold=node_threshold, edge_threshold=edge_threshold)
    nodes = store.query("nodes", circuit=circuit, node_threshold=node_threshold)
    if edges.empty:
        refuse_nothing_left(store, circuit, node_threshold=node_threshold, edge_threshold=edge_threshold)
    return graph_of(nodes, edges, least_z)


def graph_of(nodes: pd.DataFrame, edges: pd.DataFrame, least_z: float = 0.0) -> CircuitGraph:
    """Make the graph of the rows of the queries `nodes` and `edges`, of the nodes that an edge starts or ends at."""
    import pandas as pd

    asked = asked_for(*(table for table in (edges, nodes) if table.attrs))
    kept = [str(name) for name in nodes.columns if name in _KEPT]
    nodes = nodes.loc[nodes["id"].isin(pd.concat([edges["source"], edges["target"]])), kept]
    nodes = nodes.sort_values("id", ignore_index=True)
    place = pd.Series(np.arange(len(nodes)), index=nodes["id"])
    source = place.reindex(edges["source"]).to_numpy(np.int64)
    target = place.reindex(edges["target"]).to_numpy(np.int64)
    order = _topological(len(nodes), source, target, str(asked[0].params["circuit"] if asked else ""))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    nodes = nodes.iloc[order].reset_index(drop=True)
    in_order = np.lexsort((rank[target], rank[source]))
    source, target = rank[source][in_order], rank[target][in_order]
    weight = edges["weight"].to_numpy(np.float64)[in_order]
    effect = nodes["effect"].to_numpy(np.float64)
    units = (nodes["kind"] != "target").to_numpy()
    floor = RELATIVE_FLOOR * float(np.abs(effect[units]).max(initial=0.0))
    error = nodes["effect_se"].to_numpy(np.float64)
    small = (np.abs(effect) <= floor) | (np.abs(effect) < least_z * np.nan_to_num(error))
    fraction = np.divide(weight, effect[source], out=np.zeros_like(weight), where=~small[source])
    too_small, unsure = (tuple(nodes["id"][some & units]) for some in (small, np.isnan(error)))
    return CircuitGraph(nodes, source, target, weight, fraction, too_small, least_z, unsure, asked)


def _topological(n: int, source: Ints, target: Ints, circuit: str) -> Ints:
    """Kahn's algorithm, a generation at a time."""
    waiting = np.bincount(target, minlength=n)
    by_source = np.argsort(source, kind="stable")
    ends = np.searchsorted(source[by_source], np.arange(n + 1))
    ready = list(np.flatnonzero(waiting == 0))
    order: list[int] = []
    while ready:
        node = ready.pop()
        order.append(int(node))
        for edge in by_source[ends[node] : ends[node + 1]]:
            waiting[target[edge]] -= 1
            if waiting[target[edge]] == 0:
                ready.append(target[edge])
    if len(order) < n:
        raise QueryError(f"the edges of circuit {circuit!r} run in a circle: verify the store with circuit-atlas check")
    return np.array(order, np.int64)


def readable(node: Any) -> str:
    """Name a node for people: `resid_3/417@subject`, `resid_3/417+2@subject`, `attn_0/error@4`, `target`."""
    if node.kind == "target":
        return "target"
    site = node.component if node.component == "embed" else f"{node.component}_{node.layer}"
    unit = "error" if node.kind == "error" else node.label if node.kind == "group" else str(node.feature_index)
    where = node.role if isinstance(node.role, str) else "" if _missing(node.position) else str(node.position)
    return f"{site}/{unit}@{where}" if where else f"{site}/{unit}"


def _missing(value: Any) -> bool:
    import pandas as pd

    return value is None or bool(pd.isna(value))
