"""What two circuits share, and what each has alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from circuit_atlas.analysis.thresholds import require_threshold
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

_IDENTITY = {"model": "models", "suite": "dictionaries"}
_NOT_SETTINGS = {
    *("name", "id", "n_nodes", "n_edges", "settings", "created_at", "metric_clean", "metric_patch"),
    # Places, whose content the digests tell apart, and ways of running.
    *("model", "dictionaries", "examples", "held_out", "batch_size", "device"),
}
_NOT_SETTINGS |= {"accuracy", "right_sign", "data_digest", "model", "suite"}


@dataclass(frozen=True)
class Comparison:
    """Two circuits side by side; every table names its query and parameters in `attrs`.

    Attributes:
        a: name of the one.
        b: name of the other.
        level: where two units count as the same: feature, role or position.
        settings: the settings that differ, columns setting, a, b.
        nodes: counts and weighted figures by kind of unit (query `overlap_nodes`).
        edges: the same for edges (query `overlap_edges`).
        units: units of either circuit with their effect in each, strongest first (query `compare_nodes`).
        links: edges of either circuit with their weight in each, strongest first (query `compare_edges`).

    """

    a: str
    b: str
    level: str
    settings: pd.DataFrame
    nodes: pd.DataFrame
    edges: pd.DataFrame
    units: pd.DataFrame
    links: pd.DataFrame

    @property
    def shared_units(self) -> pd.DataFrame:
        """Units that both use."""
        return _where(self.units, in_a=True, in_b=True)

    @property
    def units_only_a(self) -> pd.DataFrame:
        """Units that the one uses alone."""
        return _where(self.units, in_a=True, in_b=False)

    @property
    def units_only_b(self) -> pd.DataFrame:
        """Units that the other uses alone."""
        return _where(self.units, in_a=False, in_b=True)

    @property
    def shared_links(self) -> pd.DataFrame:
        """Edges that both have."""
        return _where(self.links, in_a=True, in_b=True)

    @property
    def links_only_a(self) -> pd.DataFrame:
        """Edges that the one has alone."""
        return _where(self.links, in_a=True, in_b=False)

    @property
    def links_only_b(self) -> pd.DataFrame:
        """Edges that the other has alone."""
        return _where(self.links, in_a=False, in_b=True)


def compare(
    store: Store,
    a: str,
    b: str,
    level: str = "feature",
    node_threshold: float = 0.0,
    edge_threshold: float = 0.0,
    limit: int = 1000,
) -> Comparison:
    """Compare two circuits of one model and one set of dictionaries.

    Args:
        store: where they are.
        a: name of the one.
        b: name of the other.
        level: feature (positions pooled by signed sum), role, or position (one template only).
        node_threshold: units of larger absolute pooled effect (of edges: ends of larger absolute effect).
        edge_threshold: edges of larger absolute pooled weight (units of the metric).
        limit: at most so many units, and so many edges, are listed; the counts are of all.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: their models or dictionaries differ, the level does not fit their positions, or a circuit's
            selection forbids the thresholds.

    """
    one, other = (store.query("circuit", circuit=name).iloc[0] for name in (a, b))
    _require_same(one, other)
    if level != "feature":
        _require_positions(store, one, other, level)
    for row in (one, other):
        require_threshold(store, row["name"], node_threshold=node_threshold, edge_threshold=edge_threshold)
    pair = {"circuit_a": one["name"], "circuit_b": other["name"], "level": level, "node_threshold": node_threshold}
    return Comparison(
        a=one["name"],
        b=other["name"],
        level=level,
        settings=_differing(one, other),
        nodes=store.query("overlap_nodes", **pair),
        edges=store.query("overlap_edges", **pair, edge_threshold=edge_threshold),
        units=store.query("compare_nodes", **pair, limit=limit),
        links=store.query("compare_edges", **pair, edge_threshold=edge_threshold, limit=limit),
    )


def _where(table: pd.DataFrame, *, in_a: bool, in_b: bool) -> pd.DataFrame:
    return table[(table["in_a"] == in_a) & (table["in_b"] == in_b)].reset_index(drop=True)


def _require_same(one: pd.Series[Any], other: pd.Series[Any]) -> None:
    for column, what in _IDENTITY.items():
        if one[column] != other[column]:
            raise QueryError(
                f"{one['name']!r} and {other['name']!r} cannot be compared, their {what} differ: "
                f"{one[column]!r} and {other[column]!r}"
            )


def _require_positions(store: Store, one: pd.Series[Any], other: pd.Series[Any], level: str) -> None:
    """Refuse roles and positions where there are none, and positions of two templates."""
    for row in (one, other):
        if row["positions"] == "sum":
            raise QueryError(f"circuit {row['name']!r} sums over positions, so level {level!r} has none: use 'feature'")
        if row["positions"] == "role" and level == "position":
            raise QueryError(f"circuit {row['name']!r} has nodes for roles, not for positions: use level 'role'")
    if level != "position":
        return
    roles = [_roles(store, row["name"]) for row in (one, other)]
    for position in sorted(roles[0].keys() & roles[1].keys()):
        if roles[0][position] != roles[1][position]:
            raise QueryError(
                f"{one['name']!r} and {other['name']!r} have different templates: position {position} is "
                f"{roles[0][position]!r} and {roles[1][position]!r}; use level 'role' or 'feature'"
            )


def _roles(store: Store, circuit: str) -> dict[int, str]:
    table = store.query("effect_by_position", circuit=circuit)
    return {int(p): role for p, role in zip(table["position"], table["role"], strict=True) if isinstance(role, str)}


def _differing(one: pd.Series[Any], other: pd.Series[Any]) -> pd.DataFrame:
    import pandas as pd

    whole = [_settings(row) for row in (one, other)]
    names = sorted(whole[0].keys() | whole[1].keys())
    rows = [
        (name, whole[0].get(name), whole[1].get(name)) for name in names if whole[0].get(name) != whole[1].get(name)
    ]
    table = pd.DataFrame(rows, columns=["setting", "a", "b"], dtype="object")
    table.attrs = {
        "query": "circuit",
        "params": {"circuit": [one["name"], other["name"]]},
        "units": {},
        "descriptions": {"setting": "name of the setting", "a": "its value in the one", "b": "its value in the other"},
    }
    return table


def _settings(row: pd.Series[Any]) -> dict[str, str]:
    """All settings of a circuit as text: those on its node, and the rest of the JSON it was discovered with."""
    stored = {name: str(row[name]) for name in row.index if name not in _NOT_SETTINGS}
    given = json.loads(row["settings"])
    return {name: str(value) for name, value in given.items() if name not in _NOT_SETTINGS} | stored
