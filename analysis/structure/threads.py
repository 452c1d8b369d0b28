"""Causal threads: features of the residual stream that hand their effect on from layer to layer at one position.

A thread goes on from feature u of one residual site to feature d of the next at the same position where each is the
other's closest: among the edges between features of the two sites at that position, d receives most of u's effect
and u gives most of d's, and both shares, w(u→d) / effect(u) and w(u→d) / effect(d), are at least `min_share`. So
threads never split or join. Whether it is one feature that persists, the cosine of the two decoder directions says;
where `min_cosine` is given, only edges between features with at least this cosine take part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from circuit_atlas.analysis.graph import CircuitGraph, Floats, Ints, fetch_graph, readable
from circuit_atlas.analysis.result import METRIC, Column, rows_of, tabulate
from circuit_atlas.analysis.structure.likeness import Likeness, fetch_likeness
from circuit_atlas.analysis.structure.sites import positions
from circuit_atlas.analysis.units import require_features
from circuit_atlas.cypher.schema import LEAST_COSINE
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

COLUMNS = {
    "n_layers": Column("integer", "", "residual sites that it passes through"),
    "strength": Column("float", METRIC, "product of its weights over effects of inner nodes, signed"),
    "kept": Column("float", "share", "of its first feature's effect that it carries to its last"),
    "weakest": Column("float", "share", "the smallest of w / effect of either end along it"),
    "cosine": Column(
        "float",
        "",
        f"of the decoder directions of a step's ends, mean over steps; 0 where it is below {LEAST_COSINE:g}",
    ),
    "least_cosine": Column("float", "", "the smallest of these"),
    "thread": Column("string", "", "its features for people, first layer first"),
    "nodes": Column("list of strings", "", "keys of its circuit nodes, first layer first"),
}
"""Type, unit and meaning of each column."""


def threads(
    store: Store,
    circuit: str,
    min_share: float = 0.1,
    limit: int = 20,
    node_threshold: float = 0.0,
    edge_threshold: float = 0.0,
    *,
    min_cosine: float | None = None,
    least_z: float = 0.0,
) -> pd.DataFrame:
    """Find the features that persist over layers of the residual stream, as chains of mutually strongest edges.

    Args:
        store: where the circuit is.
        circuit: its name.
        min_share: least share of either end's effect that every edge of a thread carries, above 0, at most 1.
        limit: at most so many rows.
        node_threshold: nodes of larger absolute effect only (units of the metric).
        edge_threshold: edges of larger absolute weight only (units of the metric).
        min_cosine: edges of features whose decoder directions have at least this cosine alone; None: all.
        least_z: inner nodes whose effect is fewer standard errors from zero carry nothing.

    Returns:
        a row a thread, columns as in `COLUMNS`: the longest first, then the strongest.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: an argument is out of range, the circuit holds groups, or the thresholds do not fit its selection.

    """
    if not 0.0 < min_share <= 1.0 or limit < 1:
        raise QueryError(f"min_share is {min_share:g}, limit {limit}; give a share above 0 up to 1 and at least 1 row")
    if min_cosine is not None and not LEAST_COSINE <= min_cosine <= 1.0:
        raise QueryError(
            f"min_cosine is {min_cosine:g}; give one from {LEAST_COSINE:g}, below which none are stored, to 1"
        )
    require_features(store, circuit, "has no threads")
    graph = fetch_graph(store, circuit, node_threshold, edge_threshold, least_z)
    likeness = fetch_likeness(store, circuit)
    rows = [_row(graph, likeness, thread) for thread in find_threads(graph, likeness, min_share, min_cosine)]
    rows.sort(key=lambda row: (-row[0], -abs(row[1]), row[-1]))
    asked = (*graph.asked, *likeness.asked)
    return tabulate(COLUMNS, rows[:limit], asked, min_share=min_share, min_cosine=min_cosine, **graph.about)


def find_threads(
    graph: CircuitGraph, likeness: Likeness, min_share: float, min_cosine: float | None
) -> list[list[int]]:
    """Return each thread as the places of its edges, first layer first."""
    out_share, in_share = _shares(graph)
    kept = np.flatnonzero(_persists(graph) & (out_share >= min_share) & (in_share >= min_share))
    if min_cosine is not None:
        kept = kept[likeness.between(graph, graph.source[kept], graph.target[kept]) >= min_cosine]
    closest_after = _largest(graph.source[kept], out_share[kept])
    closest_before = _largest(graph.target[kept], in_share[kept])
    after: dict[int, int] = {}
    for u, edge in closest_after.items():
        if closest_before[int(graph.target[kept[edge]])] == edge:
            after[u] = int(kept[edge])
    reached = {int(graph.target[edge]) for edge in after.values()}
    return [_followed(graph, after, edge) for u, edge in after.items() if u not in reached]


def _shares(graph: CircuitGraph) -> tuple[Floats, Floats]:
    """Each edge's weight over the effect of its upstream and of its downstream end; 0 where that is too small."""
    effect = graph.nodes["effect"].to_numpy(np.float64)[graph.target]
    usable = ~graph.nodes["id"].isin(graph.too_small).to_numpy()[graph.target] & (graph.target != graph.goal)
    return graph.fraction, np.divide(graph.weight, effect, out=np.zeros_like(effect), where=usable)


def _persists(graph: CircuitGraph) -> NDArray[np.bool_]:
    """Whether an edge joins features of two residual sites (the embedding is the first) at one position."""
    nodes = graph.nodes
    carries = (nodes["component"].isin(["embed", "resid"]) & (nodes["kind"] == "feature")).to_numpy()
    where = positions(graph)
    same: NDArray[np.bool_] = where[graph.source] == where[graph.target]
    return same & carries[graph.source] & carries[graph.target]


def _largest(ends: Ints, shares: Floats) -> dict[int, int]:
    """For each node among `ends` the place of its largest share; the first of equal ones."""
    found: dict[int, int] = {}
    for place in np.argsort(-shares, kind="stable"):
        found.setdefault(int(ends[place]), int(place))
    return found


def _followed(graph: CircuitGraph, after: Mapping[int, int], edge: int) -> list[int]:
    edges = [edge]
    while (node := int(graph.target[edges[-1]])) in after:
        edges.append(after[node])
    return edges


def _row(graph: CircuitGraph, likeness: Likeness, edges: list[int]) -> tuple[Any, ...]:
    places = [int(graph.source[edges[0]]), *(int(graph.target[edge]) for edge in edges)]
    out_share, in_share = (share[edges] for share in _shares(graph))
    cosines = likeness.between(graph, graph.source[edges], graph.target[edges])
    kept = float(np.prod(out_share))
    first = float(graph.nodes["effect"].iloc[places[0]])
    nodes = graph.nodes.iloc[places]
    return (
        *(len(places), kept * first, kept, float(min(out_share.min(), in_share.min()))),
        *(float(cosines.mean()), float(cosines.min())),
        " → ".join(readable(node) for node in rows_of(nodes)),
        nodes["id"].tolist(),
    )
