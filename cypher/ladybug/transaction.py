"""How the embedded engine writes inside a transaction: many new rows by COPY, few by UNWIND, known ones by SET."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ladybug
import pyarrow as pa
import pyarrow.compute as pc

from circuit_atlas.cypher.rows import Pair
from circuit_atlas.cypher.schema import LABEL_BY_NAME
from circuit_atlas.cypher.statements import create_nodes, create_relationships, returned_properties
from circuit_atlas.cypher.transaction import merged, properties_of

FEW = 200
"""Rows up to which UNWIND is quicker than COPY, which costs some 20 ms however few there are."""


class LadybugTransaction:
    """One open transaction of a connection."""

    def __init__(self, connection: ladybug.Connection, before_copy: Callable[[], None]) -> None:
        self._connection = connection
        self._before_copy = before_copy

    def run(self, cypher: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Run one statement and return its rows."""
        result = self._connection.execute(cypher, dict(params))
        columns = result.get_column_names()
        return [dict(zip(columns, row, strict=True)) for row in result.get_all()]

    def add_nodes(self, label: str, table: pa.Table) -> None:
        """Create nodes whose keys are new."""
        if table.num_rows > FEW:
            self._copy(label, table)
        elif table.num_rows:
            known = _without_nulls(table)
            self.run(create_nodes(label, known.column_names), {"rows": known.to_pylist()})

    def merge_nodes(self, label: str, table: pa.Table) -> None:
        """Copy the new nodes, set what changes in the known ones."""
        names = ("id", *properties_of(label))
        read = f"UNWIND $ids AS key MATCH (n:{label} {{id: key}}) RETURN {returned_properties('n', names)}"
        known = {row["id"]: row for row in self.run(read, {"ids": table["id"].to_pylist()})}
        is_new = pa.array([key not in known for key in table["id"].to_pylist()], pa.bool_())
        self.add_nodes(label, table.filter(is_new))
        for given in table.filter(pc.invert(is_new)).to_pylist():
            before = known[given["id"]]
            after = merged(before, given, LABEL_BY_NAME[label].guard)
            changed = {name: value for name, value in after.items() if value != before[name]}
            if changed:
                changes = ", ".join(f"n.{name} = ${name}" for name in changed)
                self.run(f"MATCH (n:{label} {{id: $id}}) SET {changes}", {"id": given["id"], **changed})

    def add_relationships(self, pair: Pair, table: pa.Table) -> None:
        """Create relationships of nodes that just lost all of theirs."""
        if table.num_rows > FEW:
            self._copy(pair.type, table, f" (from='{pair.source}', to='{pair.target}')")
        elif table.num_rows:
            known = _without_nulls(table)
            self.run(create_relationships(pair, known.column_names), {"rows": known.to_pylist()})

    def merge_relationships(self, pair: Pair, table: pa.Table) -> None:
        """Copy those that are not there yet."""
        read = (
            f"UNWIND $ids AS key MATCH (a:{pair.source} {{id: key}})-[:{pair.type}]->(b:{pair.target}) "
            "RETURN a.id AS source, b.id AS target"
        )
        known = {(row["source"], row["target"]) for row in self.run(read, {"ids": _distinct(table["from"])})}
        ends = zip(table["from"].to_pylist(), table["to"].to_pylist(), strict=True)
        self.add_relationships(pair, table.filter(pa.array([end not in known for end in ends], pa.bool_())))

    def _copy(self, into: str, table: pa.Table, ends: str = "") -> None:
        self._before_copy()
        # A table of its own for every COPY: the engine crashed on copying from one object twice.
        rows = pa.table(table.columns, schema=table.schema)
        self._connection.execute(f"COPY {into} FROM $rows{ends}", {"rows": rows})


def _without_nulls(table: pa.Table) -> pa.Table:
    """Leave out columns that are null throughout: the engine takes a parameter without a value for a string."""
    return table.select([name for name in table.column_names if table[name].null_count < table.num_rows])


def _distinct(column: pa.ChunkedArray) -> list[str]:
    keys: list[str] = pc.unique(column).to_pylist()
    return keys
