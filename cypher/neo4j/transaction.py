"""How the server engine writes inside a transaction: UNWIND over rows, in portions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import neo4j
import pyarrow as pa

from circuit_atlas.cypher.prepare import without_nulls
from circuit_atlas.cypher.rows import Pair
from circuit_atlas.cypher.schema import LABEL_BY_NAME
from circuit_atlas.cypher.statements import create_nodes
from circuit_atlas.cypher.transaction import properties_of

PORTION = 20_000
"""Rows that go to the server in one statement."""


class Neo4jTransaction:
    """One open transaction of a session."""

    def __init__(self, transaction: neo4j.ManagedTransaction) -> None:
        self._transaction = transaction

    def run(self, cypher: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Run one statement and return its rows."""
        return [record.data() for record in self._transaction.run(cypher, dict(params))]

    def add_nodes(self, label: str, table: pa.Table) -> None:
        """Create nodes whose keys are new."""
        known = without_nulls(table)
        self._run_in_portions(create_nodes(label, known.column_names), known)

    def merge_nodes(self, label: str, table: pa.Table) -> None:
        """Create or complete shared nodes; a null overwrites nothing, and a known guard stays."""
        guard = LABEL_BY_NAME[label].guard
        sets = (
            f"n.{name} = coalesce(n.{name}, row.{name})"
            if name == guard
            else f"n.{name} = coalesce(row.{name}, n.{name})"
            for name in properties_of(label)
        )
        self._run_in_portions(f"UNWIND $rows AS row MERGE (n:{label} {{id: row.id}}) SET {', '.join(sets)}", table)

    def add_relationships(self, pair: Pair, table: pa.Table) -> None:
        """Create relationships of nodes that just lost all of theirs."""
        known = without_nulls(table)
        sources, targets = (known[end].combine_chunks().dictionary_encode() for end in ("from", "to"))
        columns = [sources.indices, targets.indices, *(known[name] for name in known.column_names[2:])]
        rows = list(zip(*(column.to_pylist() for column in columns), strict=True))
        ends = {"sources": sources.dictionary.to_pylist(), "targets": targets.dictionary.to_pylist()}
        statement = _create_by_place(pair, known.column_names[2:])
        for start in range(0, len(rows), PORTION):
            self.run(statement, {**ends, "rows": rows[start : start + PORTION]})

    def merge_relationships(self, pair: Pair, table: pa.Table) -> None:
        """Create those relationships between shared nodes that are not there yet."""
        sets = ", ".join(f"r.{name} = row.{name}" for name in table.column_names[2:])
        self._run_in_portions(
            f"UNWIND $rows AS row MATCH (a:{pair.source} {{id: row.`from`}}) MATCH (b:{pair.target} {{id: row.`to`}}) "
            f"MERGE (a)-[r:{pair.type}]->(b){f' ON CREATE SET {sets}' if sets else ''}",
            table,
        )

    def _run_in_portions(self, cypher: str, table: pa.Table) -> None:
        for start in range(0, table.num_rows, PORTION):
            self.run(cypher, {"rows": table.slice(start, PORTION).to_pylist()})


def _create_by_place(pair: Pair, names: Sequence[str]) -> str:
    """Relationships whose rows name their ends by place in `$sources` and `$targets`, so that a key travels once."""
    properties = ", ".join(f"{name}: row[{place}]" for place, name in enumerate(names, start=2))
    return (
        f"UNWIND range(0, size($sources) - 1) AS place MATCH (n:{pair.source} {{id: $sources[place]}}) "
        "WITH place, n ORDER BY place WITH collect(n) AS sources "
        f"UNWIND range(0, size($targets) - 1) AS place MATCH (n:{pair.target} {{id: $targets[place]}}) "
        "WITH sources, place, n ORDER BY place WITH sources, collect(n) AS targets "
        "UNWIND $rows AS row WITH sources[row[0]] AS a, targets[row[1]] AS b, row "
        f"CREATE (a)-[:{pair.type}{f' {{{properties}}}' if properties else ''}]->(b)"
    )
