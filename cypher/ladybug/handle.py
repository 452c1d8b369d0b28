"""One opening of the file: the engine's database with a connection, and how it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ladybug

from circuit_atlas.cypher.base import Result
from circuit_atlas.cypher.ladybug.values import Place, ends_of, plain

KEYS = "MATCH (n:{label}) WHERE offset(id(n)) IN $offsets RETURN offset(id(n)), n.id"

PLAIN = frozenset({"STRING", "INT64", "INT32", "DOUBLE", "BOOL"})
"""Types of columns whose values, and lists of them, are plain already."""


MANY = 2000
"""Rows from which on columns come by Arrow: for fewer it takes longer to set up than it saves."""


class Handle:
    """The file, open."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        # Compressed, the engine (0.22.0) loses numbers: what is appended to lists of doubles may be read as 0.0.
        self._database = ladybug.Database(str(path), read_only=read_only, compression=False)
        self.connection = ladybug.Connection(self._database)

    def close(self) -> None:
        """Let go of the file; after writing, this brings everything into it."""
        self.connection.close()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(
        self, cypher: str, params: Mapping[str, Any], *, row_limit: int | None, time_limit: float | None
    ) -> Result:
        """Run one statement; values come back plain."""
        self.connection.set_query_timeout(0 if time_limit is None else max(1, round(time_limit * 1000)))
        return self._rows(self.connection.execute(cypher, dict(params)), row_limit)

    def _rows(self, answer: Any, row_limit: int | None) -> Result:
        rows: list[list[Any]] = answer.get_all() if row_limit is None else answer.get_n(row_limit)
        truncated = answer.has_next()
        columns, types = answer.get_column_names(), answer.get_column_data_types()
        answer.close()
        if not all(name.removesuffix("[]") in PLAIN for name in types):
            known = self._keys(rows)
            rows = [[plain(value, known) for value in row] for row in rows]
        return Result(columns, rows, truncated)

    def columns(self, cypher: str, params: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
        """Run one statement and give its columns: by Arrow where there are many plain rows, in a third of the time."""
        self.connection.set_query_timeout(0)
        answer = self.connection.execute(cypher, dict(params))
        if answer.get_num_tuples() >= MANY and PLAIN.issuperset(answer.get_column_data_types()):
            table = answer.get_as_arrow()
            answer.close()
            return {
                name: column.to_pylist() if column.null_count else column.to_numpy()
                for name, column in zip(table.column_names, table.columns, strict=True)
            }
        result = self._rows(answer, None)
        columns: list[Sequence[Any]] = list(zip(*result.rows, strict=True)) or [()] * len(result.columns)
        return dict(zip(result.columns, columns, strict=True))

    def _keys(self, rows: list[list[Any]]) -> dict[Place, str]:
        """Keys of the nodes at the ends of every relationship in the rows, which carry the engine's own places."""
        wanted: dict[int, set[int]] = {}
        for table, offset in (end for row in rows for value in row for end in ends_of(value)):
            wanted.setdefault(table, set()).add(offset)
        if not wanted:
            return {}
        labels = dict(self.connection.execute("CALL show_tables() RETURN id, name").get_all())
        return {
            (table, offset): key
            for table, offsets in wanted.items()
            for offset, key in self.connection.execute(
                KEYS.format(label=labels[table]), {"offsets": sorted(offsets)}
            ).get_all()
        }
