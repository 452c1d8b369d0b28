"""Set properties of owned nodes and relationships that are stored already, without writing their circuit anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from circuit_atlas.cypher.declared import Property
from circuit_atlas.cypher.prepare import typed_column
from circuit_atlas.cypher.rows import Pair, Row
from circuit_atlas.cypher.schema import LABEL_BY_NAME, RELATIONSHIP_BY_NAME
from circuit_atlas.cypher.statements import (
    MADE_AT,
    find_nodes,
    find_relationships,
    set_node_property,
    set_relationship_property,
)
from circuit_atlas.cypher.transaction import Transaction
from circuit_atlas.errors import StoreError

PORTION = 5_000
"""Rows that one statement takes."""


@dataclass(frozen=True)
class _Change:
    """Values of one property, of rows that have one."""

    find: str
    set: str
    keys: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    what: str


def prepare_changes(
    nodes: Mapping[str, Sequence[Row]], relationships: Mapping[Pair, Sequence[Row]]
) -> tuple[_Change, ...]:
    """Check rows against the schema and take them apart by property; a null changes nothing.

    Args:
        nodes: by owned label, rows of `id` and the properties to set.
        relationships: by type and labels, the source owned: rows of `from`, `to` and the properties to set.

    Raises:
        StoreError: the schema has no such thing, it belongs to no circuit, a value does not fit, or a key comes twice.

    """
    found: list[_Change] = []
    for label, rows in nodes.items():
        if label not in LABEL_BY_NAME or not LABEL_BY_NAME[label].owned:
            raise StoreError(f"{label} is no label whose nodes belong to a circuit: only their properties are set so")
        statements = (find_nodes(label), lambda name, label=label: set_node_property(label, name))
        found += _by_property(label, LABEL_BY_NAME[label].properties, ("id",), rows, statements)
    for pair, rows in relationships.items():
        known = RELATIONSHIP_BY_NAME.get(pair.type)
        if known is None or (pair.source, pair.target) not in known.pairs or not LABEL_BY_NAME[pair.source].owned:
            raise StoreError(f"{pair.type} from {pair.source} to {pair.target} is no relationship of a circuit")
        statements = (find_relationships(pair), lambda name, pair=pair: set_relationship_property(pair, name))
        found += _by_property(pair.type, known.properties, ("from", "to"), rows, statements)
    return tuple(found)


def _by_property(
    where: str, declared: Sequence[Property], keys: tuple[str, ...], rows: Sequence[Row], statements: Any
) -> list[_Change]:
    find, setter = statements
    known = {one.name: one for one in declared if one.name not in keys}
    unknown = sorted({name for row in rows for name in row} - known.keys() - set(keys))
    if unknown:
        raise StoreError(f"a change of {where} names the unknown property {unknown[0]!r}: declare it in the schema")
    named = [tuple(row.get(key) for key in keys) for row in rows]
    if len(set(named)) < len(named) or any(None in one for one in named):
        raise StoreError(f"a change of {where} names one of them twice, or without {' and '.join(keys)}")
    changes = []
    for name in sorted({name for row in rows for name in row} - set(keys)):
        optional = replace(known[name], required=False)  # what is left out is not taken away
        column = typed_column(where, optional, [row.get(name) for row in rows], named)
        filled = [
            {**dict(zip(keys, key, strict=True)), "value": value}
            for key, value in zip(named, column.to_pylist(), strict=True)
            if value is not None
        ]
        changes.append(_Change(find, setter(name), keys, tuple(filled), where))
    return changes


def amend(tx: Transaction, changes: Sequence[_Change], found_at: Mapping[str, str]) -> None:
    """Set the properties, all or none; `found_at` says when each circuit that they were worked out from was made.

    Raises:
        StoreError: the store has not all of what is to be changed, or a circuit was made anew meanwhile.

    """
    made = {row["id"]: row["made"] for row in tx.run(MADE_AT, {"ids": list(found_at)})} if found_at else {}
    for circuit, time in found_at.items():
        if made.get(circuit) != time:
            raise StoreError(f"circuit {circuit} was replaced or deleted meanwhile; ask again")
    for change in changes:
        for start in range(0, len(change.rows), PORTION):
            rows = list(change.rows[start : start + PORTION])
            (found,) = tx.run(change.find, {"rows": rows})
            if found["found"] != len(rows):
                missing = len(rows) - found["found"]
                raise StoreError(
                    f"{missing} of {len(rows)} {change.what} to be changed are not in the store: "
                    "their circuit was replaced or deleted meanwhile; ask again"
                )
            tx.run(change.set, {"rows": rows})


__all__ = ["amend", "prepare_changes"]
