"""The four small circuits that every query is asked about, and the form of an expected answer.

`pool` uses one feature at three positions, the first token among them, and another whose effects cancel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from circuit_atlas.cypher import CircuitRows
from circuit_atlas.cypher.library import Query
from tests.graphs import Edge, Unit, circuit, small_circuits, with_measurements

POOL: list[Unit] = [
    ("embed", 1, 0, 4.0),
    ("embed", 1, 1, 0.5),
    ("embed", 1, 2, -0.75),
    ("mlp_0", 7, 2, 1.0),
    ("mlp_0", 7, 3, -1.0),
    ("resid_1", None, 3, 0.25),
]
POOL_EDGES: list[Edge] = [
    (0, 3, 0.3),
    (1, 3, 0.2),
    (2, 3, 0.1),
    (2, 4, -0.4),
    (3, 5, 0.5),
    (4, 5, -0.125),
    (5, -1, 0.25),
]

REMOVED: dict[str, Any] = {
    "kind": "proximal", "removed": "mlp_0/feature/7/2", "circuit": [0.5, 2.0], "ranks_full": [1, 2], "ranks": [4, 2],
}  # fmt: skip
"""A feature of `pool` that was ablated alone."""

EMBED_1, EMBED_5 = "toy/topk/embed/feature/1", "toy/topk/embed/feature/5"
MLP_7, MLP_8 = "toy/topk/mlp_0/feature/7", "toy/topk/mlp_0/feature/8"
RESID_3, RESID_4 = "toy/topk/resid_1/feature/3", "toy/topk/resid_1/feature/4"
RESID_ERROR = "toy/topk/resid_1/error"
SUBJECT, OBJECT, SVA = "toy/circuit/he%2Fsubject", "toy/circuit/he%2Fobject", "toy/circuit/sva"
PAIR = {"circuit_a": "he/subject", "circuit_b": "he/object"}


def four_circuits() -> list[CircuitRows]:
    """`he/subject`, `he/object`, `sva` and `pool`."""
    return [*small_circuits(), with_measurements(circuit("pool", POOL, POOL_EDGES), [{}, REMOVED])]


def in_order(table: pd.DataFrame, query: Query) -> pd.DataFrame:
    """The table with the entries of its unordered lists, which belong together by their place, in ascending order."""
    if not query.unordered:
        return table
    rows = [sorted(zip(*lists, strict=True)) for lists in zip(*(table[n] for n in query.unordered), strict=True)]
    settled = table.copy()
    for k, name in enumerate(query.unordered):
        settled[name] = pd.Series([[one[k] for one in row] for row in rows], dtype="object")
    settled.attrs = table.attrs
    return settled


@dataclass(frozen=True)
class Case:
    """A query with parameters, some of its columns, and their values in every row."""

    query: str
    columns: str
    rows: list[tuple[Any, ...]]
    params: dict[str, Any] = field(default_factory=dict)


def case(query: str, columns: str, rows: list[tuple[Any, ...]], **params: Any) -> Case:
    """Build a case."""
    return Case(query, columns, rows, params)
