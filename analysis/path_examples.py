"""Strength of one path on every example, where a circuit was found with `edge_values = examples`.

On one example the weight of u → d is g_d · ∂d/∂u · Δu, with g_d the gradient of the metric with respect to d and Δ the
change from clean to the other end; the effect of d is g_d · Δd. So

    w(u → d) · w(d → e) / effect(d) = g_e · ∂e/∂d · ∂d/∂u · Δu,

the effect on the metric along u → d → e alone, example by example: exact for features at their own positions where
effects and weights have one gradient (`method` atp with `outer_gradient` clean, or ig with ig) and the Jacobian is at
clean, else approximate. Its mean is not the strength that `strongest_paths` gives: that is a quotient of means.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.graph import Floats
from circuit_atlas.analysis.result import METRIC, Column, asked_for, rows_of, tabulate
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

COLUMNS = {
    "example": Column("integer", "", "place of the example in the data, from 0"),
    "item": Column("integer", "", "number of its item: examples of one item are not independent"),
    "strength": Column("float", METRIC, "effect along the path alone; NaN where an inner node's effect is zero"),
}
"""Type, unit and meaning of each column."""


def path_examples(store: Store, circuit: str, nodes: Sequence[str]) -> pd.DataFrame:
    """Strength of one path on every example.

    Args:
        store: where the circuit is.
        circuit: its name.
        nodes: keys of the path's circuit nodes, as in the column `nodes` of `strongest_paths`.

    Returns:
        a row an example, columns as in `COLUMNS`. Strength is 0 where nothing comes through an edge into a node; NaN
        where something does, and the node's effect is zero, for what it hands on cannot be told from effects then.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: a step of the path is no edge of the circuit, or the circuit has no weights by example.

    """
    about = store.query("example_items", circuit=circuit)
    edges, units = (store.query(name, circuit=circuit) for name in ("edge_values", "node_values"))
    said: Any = next(rows_of(about))
    weights = {(row.source_id, row.target_id): row.weights for row in rows_of(edges)}
    effects = {row.id: row.effects for row in rows_of(units)}
    if len(nodes) < 2:
        raise QueryError(f"a path has at least two nodes; {len(nodes)} given")
    along = np.array([_weights(weights, step, str(said.name)) for step in pairwise(nodes)])
    inner = np.array([effects[node] for node in nodes[1:-1]], float).reshape(-1, along.shape[1])
    items = said.items if isinstance(said.items, list) else list(range(along.shape[1]))
    rows = list(zip(range(along.shape[1]), items, strength(along, inner).tolist(), strict=True))
    return tabulate(COLUMNS, rows, asked_for(edges, units, about), nodes=list(nodes))


def _weights(weights: dict[tuple[str, str], Any], step: tuple[str, str], circuit: str) -> list[float]:
    if step not in weights:
        raise QueryError(f"{circuit!r} has no edge from {step[0]} to {step[1]}; take nodes from strongest_paths")
    values = weights[step]
    if not isinstance(values, list):
        raise QueryError(f"{circuit!r} has no weights by example: discover it again with edge_values examples")
    return [float(value) for value in values]


def strength(along: Floats, inner: Floats) -> Floats:
    """Product of the edges' weights [edge, example] over the inner nodes' effects [edge - 1, example]."""
    found: Floats = along[0].copy()
    for effect, weight in zip(inner, along[1:], strict=True):
        dead, known = found == 0.0, effect != 0.0
        fraction = np.divide(weight, effect, out=np.full_like(weight, np.nan), where=known)
        found = np.where(dead, 0.0, found * fraction)
    return found
