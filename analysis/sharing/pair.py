"""Two circuits that may be compared, with what each uses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.graph import Floats, Ints
from circuit_atlas.analysis.result import Asked, asked_for
from circuit_atlas.analysis.sharing.codes import Codes
from circuit_atlas.analysis.sharing.levels import hindrance, read_placed
from circuit_atlas.analysis.sharing.uses import (
    KINDS,
    LEVELS,
    TARGET,
    Reading,
    Uses,
    edge_uses,
    node_uses,
    read_edges,
    read_nodes,
    together,
)
from circuit_atlas.analysis.thresholds import no_node_left, refuse_threshold
from circuit_atlas.analysis.units import of_groups
from circuit_atlas.cypher.resolve import resolve_circuit
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

_IDENTITY = {"model": "models", "suite": "dictionaries"}


@dataclass(frozen=True)
class Cut:
    """Which units and edges of a circuit count.

    Attributes:
        node_threshold: units of larger absolute pooled effect; of edges, both ends are circuit nodes of larger
            absolute effect (units of the metric).
        edge_threshold: edges of larger absolute pooled weight (units of the metric).
        size: of them the so many strongest units of each kind and circuit; where one has fewer, as many of the other.
        edge_size: of them the so many strongest edges, likewise.

    """

    node_threshold: float = 0.0
    edge_threshold: float = 0.0
    size: int | None = None
    edge_size: int | None = None

    def __post_init__(self) -> None:
        for name in ("node_threshold", "edge_threshold"):
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise QueryError(f"{name} is {getattr(self, name):g}; give a finite number from 0 up")
        for name in ("size", "edge_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise QueryError(f"{name} is {value}; give a whole number from 1 up")

    @property
    def params(self) -> dict[str, Any]:
        """What results say of it."""
        thresholds = {"node_threshold": self.node_threshold, "edge_threshold": self.edge_threshold}
        return thresholds | {name: getattr(self, name) for name in ("size", "edge_size") if getattr(self, name)}


@dataclass(frozen=True)
class PairUses:
    """What two circuits use: circuit 0 is the one, circuit 1 the other.

    Attributes:
        names: both circuits.
        nodes: their units.
        edges: their edges; none where they were not asked for.
        asked: the queries.
        without_role: nodes of each that are left out, for they have no role and the level is role.

    """

    names: tuple[str, str]
    nodes: Uses
    edges: Uses | None
    asked: tuple[Asked, ...]
    without_role: tuple[int, int] = (0, 0)

    def of(self, what: str) -> Uses:
        """Return the uses of nodes or edges."""
        if what == "nodes":
            return self.nodes
        if self.edges is None:
            raise QueryError("the edges of these circuits were not read")
        return self.edges

    def at(self, cut: Cut) -> PairUses:
        """Keep what a stricter cut keeps, by size."""
        edges = None if self.edges is None else self.edges.strongest(cut.edge_size)
        return replace(self, nodes=self.nodes.strongest(cut.size), edges=edges)


def read_pair(store: Store, a: str, b: str, level: str, cut: Cut, *, edges: bool = True) -> PairUses:
    """Read what two circuits use, having seen that they may be compared.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: one is made of groups, their models or dictionaries differ, the level does not fit their positions,
            a circuit's selection forbids the thresholds, or these leave none of its nodes.

    """
    if level not in LEVELS:
        raise QueryError(f"level is {level!r}; it must be one of {', '.join(LEVELS)}")
    heads = store.query("comparable", derived="keep")
    asked = asked_for(heads)
    heads.attrs = {}
    known = set(heads["circuit"])
    one_name, other_name = (name if name in known else resolve_circuit(store, name) for name in (a, b))
    names = one_name, other_name
    for name in names:
        if name not in known:
            raise of_groups(name, "is compared with none")
    both = heads.set_index("circuit").loc[list(names)].reset_index()
    one, other = both.iloc[0], both.iloc[1]
    _require_same(one, other)
    placed, more = read_placed(store, both, level, together=False)
    if reason := hindrance(placed[0], placed[1], level):
        raise QueryError(reason)
    for row in (one, other):
        refuse_threshold(str(row["circuit"]), row, node_threshold=cut.node_threshold, edge_threshold=cut.edge_threshold)
    codes = Codes(level)
    read = [read_nodes(store, [name], codes, [0]) for name in names]
    made = dict(zip(both["circuit"], both["created_at"], strict=True))
    linked = [read_edges(store, [name], nodes, made) for name, nodes in zip(names, read, strict=True) if edges]
    nothing: tuple[Ints, Ints, Floats] = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    nodes, links = together(read[0], read[1], [one for one, _ in linked] or [nothing, nothing])
    uses = node_uses(nodes, codes, cut.node_threshold)
    for place, name in enumerate(names):
        _require_some(nodes, uses, place, name, cut.node_threshold)
    asked = (*asked, *more, *nodes.asked, *(each for _, some in linked for each in some))
    shared = edge_uses(nodes, links, codes, cut.node_threshold, cut.edge_threshold) if edges else None
    return PairUses(names, uses, shared, asked, (placed[0].n_without_role, placed[1].n_without_role)).at(cut)


def dense(uses: Uses, kind: str) -> tuple[Floats, Floats]:
    """Return both circuits' values over all items of one kind, 0 where a circuit does not use one."""
    here = uses.kind == KINDS.index(kind)
    items, place = np.unique(uses.item[here], return_inverse=True)
    values = np.zeros((2, len(items)))
    values[uses.circuit[here], place] = uses.value[here]
    return values[0], values[1]


def _require_same(one: pd.Series[Any], other: pd.Series[Any]) -> None:
    for column, what in _IDENTITY.items():
        if one[column] != other[column]:
            raise QueryError(
                f"{one['circuit']!r} and {other['circuit']!r} cannot be compared, their {what} differ: "
                f"{one[column]!r} and {other[column]!r}"
            )


def _require_some(nodes: Reading, uses: Uses, place: int, name: str, threshold: float) -> None:
    if not (uses.circuit == place).any():
        here = (nodes.circuit == place) & (nodes.kind != TARGET)
        strongest = np.abs(nodes.effect[here]).max(initial=0.0)
        raise no_node_left(name, threshold, strongest)
