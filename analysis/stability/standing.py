"""What stays: over resampled examples, and over a range of settings.

A *view* is a circuit at a threshold; views are the settings compared: thresholds, `atp` or `ig`, metrics.

1. *Survival* of a unit in a view: share of bootstrap resamples of the items in which its mean effect has its own sign
   and exceeds the view's threshold. Of an edge likewise.
2. *Present*: share of the views that have the unit at all.
3. *Stably in* a view: in it, and surviving in at least `stable_share` of the resamples.
4. *Standing*: core, where a unit is stably in at least `core_share` of the views; contingent, where in fewer but one at
   least; noise, where in none: whether it is found depends on which examples were drawn.

After CIRCUS (Parekh 2026, arXiv 2603.00523), which calls core what is in every view and noise what is in few. Presence
alone cannot tell a unit that a setting leaves out from one that chance let in: here the bootstrap decides that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from circuit_atlas.analysis.graph import Floats
from circuit_atlas.analysis.resampling import require_resamples
from circuit_atlas.analysis.result import METRIC, Asked, Column, tabulate
from circuit_atlas.analysis.stability.views import Values, View, fetch, refuse_unlike, survival, views_of
from circuit_atlas.cypher.rows import Pair, Row
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

CORE, CONTINGENT, NOISE, ABSENT = "core", "contingent", "noise", "absent"
"""Standings; absent is what a circuit stores and no view has."""

_SHARES = {
    "n_views": Column("integer", "", "views that have it"),
    "present": Column("float", "share", "of the views, those that have it"),
    "stability": Column("float", "share", "of resamples in which it survives, mean over the views that have it"),
    "least": Column("float", "share", "the smallest of these"),
    "standing": Column("string", "", "core, contingent or noise; null where examples' values were not kept"),
}
NODE_COLUMNS = {
    "node": Column("string", "", "the unit for people"),
    "unit_id": Column("string", "", "key of the feature or error"),
    "role": Column("string", "", "role of its position; empty where it has none"),
    "position": Column("integer", "", "its position; -1 where positions are summed or aligned by role"),
    "effect": Column("float", METRIC, "its effect in the first circuit that has it"),
    **_SHARES,
}
EDGE_COLUMNS = {
    "edge": Column("string", "", "upstream → downstream for people"),
    "weight": Column("float", METRIC, "its weight in the first circuit that has it"),
    **_SHARES,
}
VIEW_COLUMNS = {
    "circuit": Column("string", "", "name of the circuit"),
    "node_threshold": Column("float", METRIC, "nodes of larger absolute effect are in the view"),
    "edge_threshold": Column("float", METRIC, "edges between them of larger absolute weight are"),
    "n_nodes": Column("integer", "", "nodes in it"),
    "n_stable": Column("integer or null", "", "of them, those that survive in at least stable_share of the resamples"),
    "n_edges": Column("integer", "", "edges in it"),
    "n_stable_edges": Column("integer or null", "", "of them, likewise; null where a value on an example is not known"),
}


@dataclass(frozen=True)
class Stability:
    """What stays of some circuits; every table names its queries and parameters in `attrs`.

    Attributes:
        nodes: a row a unit that any view has, columns as in `NODE_COLUMNS`.
        edges: a row an edge that any view has, columns as in `EDGE_COLUMNS`.
        views: a row a view, columns as in `VIEW_COLUMNS`.
        node_changes: properties to set on circuit nodes: the survival at the circuit's lowest threshold, the standing.
        edge_changes: properties to set on edges.
        circuit_changes: on each circuit, how they were found.
        found_at: when each circuit was found, by key: nothing is written to one that was found anew since.

    """

    nodes: pd.DataFrame
    edges: pd.DataFrame
    views: pd.DataFrame
    node_changes: tuple[Row, ...]
    edge_changes: tuple[Row, ...]
    circuit_changes: tuple[Row, ...]
    found_at: Mapping[str, str]


def stability(
    store: Store,
    circuits: Sequence[str],
    *,
    thresholds: Sequence[float] = (),
    sizes: Sequence[int] = (),
    edge_threshold: float = 0.0,
    resamples: int = 2000,
    seed: int = 0,
    stable_share: float = 0.9,
    core_share: float = 1.0,
) -> Stability:
    """Find what of one or several circuits of one task stays, over resampled items and over settings.

    Args:
        store: where the circuits are.
        circuits: their names: one model, suite, task and treatment of positions.
        thresholds: node thresholds, each of which makes a view of every circuit (units of the metric); 0 and none: what
            is stored.
        sizes: in their place, numbers of nodes: circuits of other metrics have other units.
        edge_threshold: edges of larger absolute weight are in a view (units of the metric); 0: what is stored.
        resamples: bootstrap samples of the items.
        seed: seed of the drawing.
        stable_share: share of the resamples that a unit must survive to be stably in a view.
        core_share: share of the views that a unit must stably be in to be core.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: the circuits have other units, or an argument is out of range.

    """
    require_resamples(resamples)
    for name, share in (("stable_share", stable_share), ("core_share", core_share)):
        if not 0.0 < share <= 1.0:
            raise QueryError(f"{name} is {share:g}; give a share above 0, at most 1")
    alike = refuse_unlike(store, circuits)
    fetched = [fetch(store, name, resamples, seed) for name in circuits]
    asked = [*alike, *(one for some in fetched for one in some.asked)]
    views = views_of(store, fetched, thresholds, sizes, edge_threshold)
    how = {"resamples": resamples, "seed": seed, "stable_share": stable_share, "core_share": core_share}
    of_nodes = [_seen(v, v.circuit.nodes, v.has_node, v.threshold) for v in views]
    of_edges = [_seen(v, v.circuit.edges, v.has_edge, v.edge_threshold) for v in views]
    nodes, edges = (_pool(seen, stable_share, core_share) for seen in (of_nodes, of_edges))
    return Stability(
        _table(NODE_COLUMNS, nodes, lambda key: key, asked, how),
        _table(EDGE_COLUMNS, edges, lambda key: (), asked, how),
        _views_table(views, of_nodes, of_edges, stable_share, asked, how),
        tuple(_node_changes(views, of_nodes, nodes)),
        tuple(_edge_changes(views, of_edges)),
        tuple(_circuit_changes(views, how)),
        {one.id: one.created_at for one in fetched},
    )


def write_stability(store: Store, found: Stability) -> None:
    """Write survival and standing to the circuits, as properties to query by, all in one transaction.

    Raises:
        StoreError: a circuit was replaced or deleted meanwhile, or the store cannot be written.

    """
    store.set_properties(
        {"Circuit": found.circuit_changes, "CircuitNode": found.node_changes},
        {Pair("EDGE", "CircuitNode", "CircuitNode"): found.edge_changes},
        found_at=found.found_at,
    )


@dataclass(frozen=True)
class _Seen:
    """Nodes or edges in one view: which are in it, and the share of resamples that each survives."""

    values: Values
    inside: NDArray[np.bool_]
    survives: Floats


def _seen(view: View, values: Values, inside: NDArray[np.bool_], threshold: float) -> _Seen:
    return _Seen(values, inside, survival(values, view.circuit.resampled, threshold))


@dataclass(frozen=True)
class _Pooled:
    """One unit or edge over all views."""

    name: str
    mean: float
    n_views: int
    present: float
    stability: float
    least: float
    standing: str | None


def _pool(seen: Sequence[_Seen], stable_share: float, core_share: float) -> dict[Any, _Pooled]:
    """Everything that any view has, with its shares, in order of the first view that has it."""
    shares: dict[Any, list[float]] = {}
    first: dict[Any, tuple[str, float]] = {}
    for one in seen:
        for place in np.flatnonzero(one.inside):
            key = one.values.keys[place]
            first.setdefault(key, (one.values.names[place], float(one.values.mean[place])))
            shares.setdefault(key, []).append(float(one.survives[place]))
    return {
        key: _Pooled(
            *first[key],
            len(some),
            len(some) / len(seen),
            *(sum(some) / len(some), min(some) if not any(map(math.isnan, some)) else math.nan),
            _standing(some, len(seen), stable_share, core_share),
        )
        for key, some in shares.items()
    }


def _standing(survives: Sequence[float], views: int, stable_share: float, core_share: float) -> str | None:
    """Judge by the shares of resamples in the views that have it; null where one is not known."""
    if any(map(math.isnan, survives)):
        return None
    stably = sum(share >= stable_share for share in survives)
    # Rounding must not decide whether 2 of 3 views are two thirds.
    if stably >= core_share * views - 1e-9:
        return CORE
    return CONTINGENT if stably else NOISE


def _table(
    columns: dict[str, Column],
    pooled: dict[Any, _Pooled],
    identity: Callable[[Any], tuple[Any, ...]],
    asked: Sequence[Asked],
    how: dict[str, Any],
) -> pd.DataFrame:
    rows = [
        (one.name, *identity(key), one.mean, one.n_views, one.present, one.stability, one.least, one.standing)
        for key, one in pooled.items()
    ]
    rows.sort(key=lambda row: (-abs(row[-6]), row[0]))
    return tabulate(columns, rows, asked, **how)


def _views_table(
    views: Sequence[View],
    nodes: Sequence[_Seen],
    edges: Sequence[_Seen],
    stable_share: float,
    asked: Sequence[Asked],
    how: dict[str, Any],
) -> pd.DataFrame:
    rows = [
        (
            *(view.circuit.name, view.threshold, view.edge_threshold),
            *(n for seen in (node, edge) for n in _counts(seen, stable_share)),
        )
        for view, node, edge in zip(views, nodes, edges, strict=True)
    ]
    return tabulate(VIEW_COLUMNS, rows, asked, **how)


def _counts(seen: _Seen, stable_share: float) -> tuple[int, int | None]:
    survives = seen.survives[seen.inside]
    return len(survives), None if np.isnan(survives).any() else int((survives >= stable_share).sum())


def _lowest(views: Sequence[View]) -> dict[str, int]:
    """For each circuit the place of its view with the lowest threshold."""
    found: dict[str, int] = {}
    for place, view in enumerate(views):
        known = found.setdefault(view.circuit.id, place)
        if view.threshold < views[known].threshold:
            found[view.circuit.id] = place
    return found


def _node_changes(views: Sequence[View], seen: Sequence[_Seen], pooled: dict[Any, _Pooled]) -> list[Row]:
    rows: list[Row] = []
    for place in _lowest(views).values():
        circuit, one = views[place].circuit, seen[place]
        for node, key, share in zip(circuit.node_ids, one.values.keys, one.survives, strict=True):
            standing = pooled[key].standing if key in pooled else ABSENT
            rows.append({"id": node, "stability": _known(share), "standing": standing})
    return rows


def _edge_changes(views: Sequence[View], seen: Sequence[_Seen]) -> list[Row]:
    return [
        {"from": up, "to": down, "stability": _known(share)}
        for place in _lowest(views).values()
        for (up, down), share in zip(views[place].circuit.edge_ids, seen[place].survives, strict=True)
    ]


def _circuit_changes(views: Sequence[View], how: dict[str, Any]) -> list[Row]:
    compared = [{"circuit": v.circuit.name, "node": v.threshold, "edge": v.edge_threshold} for v in views]
    return [
        {"id": key, "certainty": json.dumps({**how, "stability_at": views[place].threshold, "views": compared})}
        for key, place in _lowest(views).items()
    ]


def _known(share: float) -> float | None:
    return None if math.isnan(share) else float(share)
