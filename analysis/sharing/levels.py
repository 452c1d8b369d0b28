"""Which circuits can be compared at a level: roles and positions must be there, and positions be of one template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from circuit_atlas.analysis.result import Asked, asked_for, rows_of

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store


@dataclass(frozen=True)
class Placed:
    """Where the nodes of one circuit are.

    Attributes:
        name: of the circuit.
        positions: keep (a node per position), sum, or role (a node per role).
        template: what positions at which it has nodes are called, where they have names.
        n_nodes: its nodes, where the level is role.
        n_without_role: of them, those that have none.

    """

    name: str
    positions: str
    template: Mapping[int, str]
    n_nodes: int = 0
    n_without_role: int = 0


def read_placed(
    store: Store, heads: pd.DataFrame, level: str, *, together: bool
) -> tuple[list[Placed], tuple[Asked, ...]]:
    """Read where the nodes of some circuits are; templates, and how many have roles, where the level asks for it.

    Args:
        store: where they are.
        heads: rows of the query `comparable`.
        level: feature, role or position.
        together: whether they are all circuits of the store, to be read at once; else one by one.

    """
    names = heads["circuit"].tolist()
    ranges = [("", "")] if together else [(name, name) for name in names]
    asked, templates = tuple[Asked, ...](), {name: dict[int, str]() for name in names}
    for first, last in ranges if level == "position" else ():
        table = store.query("templates", from_name=first, to_name=last)
        asked += asked_for(table)
        for row in rows_of(table):
            templates.setdefault(row.circuit, {})[int(row.position)] = row.role
    counts = dict[str, tuple[int, int]]()
    for first, last in ranges if level == "role" else ():
        table = store.query("roles", from_name=first, to_name=last)
        asked += asked_for(table)
        counts.update({row.circuit: (int(row.n_nodes), int(row.n_without)) for row in rows_of(table)})
    rows = zip(names, heads["positions"].tolist(), strict=True)
    return [Placed(name, positions, templates[name], *counts.get(name, ())) for name, positions in rows], asked


def hindrance(one: Placed, other: Placed, level: str) -> str | None:
    """Say in one line why two circuits cannot be compared at a level; None where they can."""
    if level == "feature":
        return None
    for placed in (one, other):
        if placed.positions == "sum":
            return f"circuit {placed.name!r} sums over positions, so level {level!r} has none: use 'feature'"
        if placed.positions == "role" and level == "position":
            return f"circuit {placed.name!r} has nodes for roles, not for positions: use level 'role'"
        if level == "role" and 0 < placed.n_nodes == placed.n_without_role:
            return f"no node of circuit {placed.name!r} has a role: use level 'feature' or 'position'"
    if level != "position":
        return None
    for position in sorted(one.template.keys() & other.template.keys()):
        if one.template[position] != other.template[position]:
            return (
                f"{one.name!r} and {other.name!r} have different templates: position {position} is "
                f"{one.template[position]!r} and {other.template[position]!r}; use level 'role' or 'feature'"
            )
    return None


def comparable_pairs(heads: pd.DataFrame) -> list[tuple[int, int]]:
    """Return every two circuits of the same model and dictionaries, as places in the rows of `comparable`."""
    groups = heads.groupby(["model", "suite"], sort=False).ngroup().tolist()
    return [(a, b) for a in range(len(groups)) for b in range(a + 1, len(groups)) if groups[a] == groups[b]]


def hindered(placed: Sequence[Placed], pairs: Iterable[tuple[int, int]], level: str) -> dict[tuple[int, int], str]:
    """Return the pairs of circuits, as places, that cannot be compared at a level, and why."""
    if level == "feature":
        return {}
    reasons = ((pair, hindrance(placed[pair[0]], placed[pair[1]], level)) for pair in pairs)
    return {pair: reason for pair, reason in reasons if reason is not None}
