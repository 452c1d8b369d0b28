"""Circuits as typed tables: every value is made to fit the schema once, before any engine sees it.

Both engines write from these tables, so integers, floats, lists and nulls are the same on both. What no engine should
store is refused here: a missing required property, an infinity or NaN, a key twice, a relationship to nowhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from circuit_atlas.cypher.declared import Property, PropertyType
from circuit_atlas.cypher.rows import CircuitRows, Pair, Row
from circuit_atlas.cypher.schema import LABEL_BY_NAME, LABELS, RELATIONSHIP_BY_NAME
from circuit_atlas.errors import StoreError

ARROW: Mapping[PropertyType, pa.DataType] = {
    PropertyType.STRING: pa.string(),
    PropertyType.INTEGER: pa.int64(),
    PropertyType.FLOAT: pa.float64(),
    PropertyType.BOOLEAN: pa.bool_(),
    PropertyType.STRINGS: pa.list_(pa.string()),
    PropertyType.INTEGERS: pa.list_(pa.int64()),
    PropertyType.FLOATS: pa.list_(pa.float64()),
}


@dataclass(frozen=True)
class Prepared:
    """Circuits that one transaction writes: a table for each label and for each relationship between two labels."""

    circuit_ids: tuple[str, ...]
    nodes: Mapping[str, pa.Table]
    relationships: Mapping[Pair, pa.Table]


def prepare(circuits: Sequence[CircuitRows]) -> Prepared:
    """Make typed tables of circuits.

    Raises:
        StoreError: rows do not fit the schema; the message names label, property and key.

    """
    for circuit in circuits:
        _refuse_other_than_one_circuit(circuit)
    return prepare_rows(
        tuple(circuit.circuit_id for circuit in circuits),
        [_numbered(circuit.nodes) for circuit in circuits],
        [circuit.relationships for circuit in circuits],
    )


def _numbered(nodes: Mapping[str, Sequence[Row]]) -> Mapping[str, Sequence[Row]]:
    """The nodes of one circuit with the ordinal of each, which depends on nothing but their keys."""
    rows = nodes.get("CircuitNode")
    if not rows:
        return nodes
    ordinals = {key: place for place, key in enumerate(sorted(str(row.get("id")) for row in rows))}
    return {**nodes, "CircuitNode": [{**row, "ordinal": ordinals[str(row.get("id"))]} for row in rows]}


def prepare_rows(
    circuit_ids: tuple[str, ...],
    nodes: Sequence[Mapping[str, Sequence[Row]]],
    relationships: Sequence[Mapping[Pair, Sequence[Row]]],
    known: Mapping[str, set[str]] | None = None,
) -> Prepared:
    """Make typed tables of rows by label, and by relationship between two labels, from several sources.

    `known` are keys, by label, that the store has and relationships may end at.

    Raises:
        StoreError: rows do not fit the schema; the message names label, property and key.

    """
    gathered = {label.name: _gather_nodes(label.name, nodes) for label in LABELS}
    node_tables = {name: _node_table(name, rows) for name, rows in gathered.items() if rows}
    keys = {name: set(table["id"].to_pylist()) for name, table in node_tables.items()}
    for name, more in (known or {}).items():
        keys[name] = keys.get(name, set()) | more
    joined: dict[Pair, list[Row]] = {}
    for part in relationships:
        for pair, rows in part.items():
            joined.setdefault(Pair(*pair), []).extend(rows)
    tables = {pair: _relationship_table(pair, rows, keys) for pair, rows in joined.items() if rows}
    return Prepared(circuit_ids, node_tables, tables)


def without_nulls(table: pa.Table) -> pa.Table:
    """Leave out columns that are null throughout: they need not travel, and the embedded engine takes them for text."""
    return table.select([name for name in table.column_names if table[name].null_count < table.num_rows])


def _refuse_other_than_one_circuit(circuit: CircuitRows) -> None:
    keys = [row.get("id") for row in circuit.nodes.get("Circuit", ())]
    if keys != [circuit.circuit_id]:
        raise StoreError(f"the rows of circuit {circuit.circuit_id} hold Circuit nodes {keys}: give exactly that one")


def _gather_nodes(label: str, parts: Sequence[Mapping[str, Sequence[Row]]]) -> list[Row]:
    """Rows of one label over all sources; shared nodes once, where a null never overwrites a known value."""
    rows = [row for part in parts for row in part.get(label, ())]
    if LABEL_BY_NAME[label].owned:
        return rows
    merged: dict[str, dict[str, Any]] = {}
    for row in rows:
        known = merged.setdefault(row["id"], {})
        _refuse_contradiction(label, known, row)
        known.update((name, value) for name, value in row.items() if value is not None)
    return list(merged.values())


def _refuse_contradiction(label: str, known: Row, row: Row) -> None:
    guard = LABEL_BY_NAME[label].guard
    if guard and known and known.get(guard) != row.get(guard):
        raise StoreError(f"{label} {row['id']} comes twice in one write, with different {guard}")


def _node_table(label: str, rows: Sequence[Row]) -> pa.Table:
    declared = LABEL_BY_NAME[label].properties
    keys = [row.get("id") for row in rows]
    table = pa.table({p.name: typed_column(label, p, [row.get(p.name) for row in rows], keys) for p in declared})
    if len(set(keys)) < len(keys):
        raise StoreError(f"{label} {_first_repeated(keys)} comes twice in one write: keys are unique")
    return table


def _relationship_table(pair: Pair, rows: Sequence[Row], keys: Mapping[str, set[str]]) -> pa.Table:
    ends = [(row.get("from"), row.get("to")) for row in rows]
    if not LABEL_BY_NAME[pair.source].owned:
        rows = list(dict(zip(ends, rows, strict=True)).values())
        ends = [(row.get("from"), row.get("to")) for row in rows]
    elif len(set(ends)) < len(ends):
        raise StoreError(f"{pair.type} {_first_repeated(ends)} comes twice in one write: one is enough")
    _refuse_dangling(pair, ends, keys)
    columns = {
        "from": pa.array([source for source, _ in ends], pa.string()),
        "to": pa.array([target for _, target in ends], pa.string()),
    }
    for declared in RELATIONSHIP_BY_NAME[pair.type].properties:
        columns[declared.name] = typed_column(pair.type, declared, [row.get(declared.name) for row in rows], ends)
    return pa.table(columns)


def _refuse_dangling(pair: Pair, ends: Sequence[tuple[Any, Any]], keys: Mapping[str, set[str]]) -> None:
    """Refuse ends that are not among the rows; only other circuits (DERIVED_FROM) may be in the store already."""
    sources, targets = keys.get(pair.source, set()), keys.get(pair.target, set())
    for source, target in ends:
        if source not in sources:
            raise StoreError(f"{pair.type} starts at {pair.source} {source!r}, which is not among the rows")
        if target not in targets and pair.type != "DERIVED_FROM":
            raise StoreError(f"{pair.type} ends at {pair.target} {target!r}, which is not among the rows")


def typed_column(where: str, declared: Property, values: Sequence[Any], keys: Sequence[Any]) -> pa.Array:
    """Return the values of one property in its type; `keys` names each row in messages.

    Raises:
        StoreError: a value is of another type or not finite, or is missing where it is required.

    """
    try:
        column = pa.array(values, ARROW[declared.type], from_pandas=False)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise StoreError(f"{where}.{declared.name} must be {declared.type.value}: {_first_line(error)}") from None
    if declared.required and column.null_count:
        missing = keys[pc.index(pc.is_null(column), True).as_py()]
        raise StoreError(f"{where} {missing} lacks {declared.name}, which every {where} must have")
    _refuse_infinite(where, declared, column, keys)
    return column


def _refuse_infinite(where: str, declared: Property, column: pa.Array, keys: Sequence[Any]) -> None:
    if declared.type not in (PropertyType.FLOAT, PropertyType.FLOATS):
        return
    flat = pc.list_flatten(column) if declared.type is PropertyType.FLOATS else column
    at = pc.index(pc.is_finite(flat), False).as_py()
    if at >= 0:
        row = pc.list_parent_indices(column)[at].as_py() if declared.type is PropertyType.FLOATS else at
        raise StoreError(f"{where} {keys[row]} has {declared.name} {flat[at].as_py()}: only finite numbers are stored")


def _first_repeated(keys: Sequence[Any]) -> Any:
    return Counter(keys).most_common(1)[0][0]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
