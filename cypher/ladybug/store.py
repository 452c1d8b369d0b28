"""A store in one file of the embedded engine LadybugDB."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import ladybug

from circuit_atlas.cypher import keys
from circuit_atlas.cypher.base import GraphStore, Result
from circuit_atlas.cypher.ladybug.ddl import tables
from circuit_atlas.cypher.ladybug.values import plain
from circuit_atlas.cypher.schema import SCHEMA_VERSION
from circuit_atlas.errors import StoreError

if TYPE_CHECKING:
    from circuit_atlas.cypher.transaction import Transaction

T = TypeVar("T")


class LadybugStore(GraphStore):
    """Circuits in one file; several processes may read and write it."""

    def __init__(self, path: Path, *, create: bool, read_only: bool) -> None:
        self.url = f"ladybug:{path}"
        self._path = path
        if not path.exists():
            if not create or read_only:
                raise StoreError(f"there is no store at {path}: write a circuit into it with `circuit-atlas discover`")
            self._create()
        self._database = ladybug.Database(str(path), read_only=read_only)
        self._connection = ladybug.Connection(self._database)

    def _create(self) -> None:
        with ladybug.Database(str(self._path)) as database, ladybug.Connection(database) as connection:
            connection.execute("BEGIN TRANSACTION")
            for statement in tables():
                connection.execute(statement)
            connection.execute(
                "CREATE (:Meta {id: $id, schema_version: $version})", {"id": keys.META, "version": SCHEMA_VERSION}
            )
            connection.execute("COMMIT")

    def _read(
        self, cypher: str, params: Mapping[str, Any], *, row_limit: int | None = None, time_limit: float | None = None
    ) -> Result:
        result = self._connection.execute(cypher, dict(params))
        return Result(columns=result.get_column_names(), rows=[[plain(v) for v in row] for row in result.get_all()])

    def _write(self, work: Callable[[Transaction], T]) -> T:
        from circuit_atlas.cypher.ladybug.transaction import LadybugTransaction

        self._connection.execute("BEGIN TRANSACTION")
        try:
            value = work(LadybugTransaction(self._connection))
        except BaseException:
            with suppress(RuntimeError):  # where the engine has rolled back already
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return value

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
        self._database.close()
