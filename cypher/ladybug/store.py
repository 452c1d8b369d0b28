"""A store in one file of the embedded engine LadybugDB, for several processes.

A reader keeps its handle while the lock's generation stands, and opens anew when a write has raised it. A writer opens
the file for one transaction and closes it again, so that what is on disk is whole whenever the lock is free.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import ladybug

from circuit_atlas.cypher import keys
from circuit_atlas.cypher.base import GraphStore, Result
from circuit_atlas.cypher.ladybug.backup import Backup
from circuit_atlas.cypher.ladybug.ddl import tables
from circuit_atlas.cypher.ladybug.errors import one_line
from circuit_atlas.cypher.ladybug.handle import Handle
from circuit_atlas.cypher.ladybug.lock import FileLock, State
from circuit_atlas.cypher.schema import SCHEMA_VERSION
from circuit_atlas.cypher.version import refuse_other_version
from circuit_atlas.errors import StoreError

if TYPE_CHECKING:
    from circuit_atlas.cypher.transaction import Transaction

T = TypeVar("T")

READ_VERSION = "MATCH (m:Meta {id: $id}) RETURN m.schema_version AS version"


class LadybugStore(GraphStore):
    """Circuits in one file; a store object may be used from several threads, one after the other."""

    def __init__(self, path: Path, *, create: bool, read_only: bool, wait: float) -> None:
        self.url = f"ladybug:{path}"
        self._path = path
        self._read_only = read_only
        self._thread = threading.RLock()
        self._reader: Handle | None = None
        self._generation = -1
        create = create and not read_only
        self._refuse_unfit(create=create)
        self._lock = FileLock(path, wait)
        self._backup = Backup(path)
        try:
            if not path.exists():
                self._create()
            self._check_version(create=create)
        except BaseException:
            self.close()
            raise

    @property
    def place(self) -> str:
        """The file, absolute."""
        return str(self._path.resolve())

    def close(self) -> None:
        """Let go of the file."""
        with self._thread:
            self._close_reader()
            self._lock.close()

    def _refuse_unfit(self, *, create: bool) -> None:
        path = self._path
        if path.is_dir():
            raise StoreError(f"{path} is a folder: name a file, such as {path / 'atlas.lbug'}")
        if path.exists():
            return
        if not create:
            raise StoreError(f"there is no store at {path}: write a circuit into it with `circuit-atlas discover`")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the folder {path.parent}: {error.strerror}") from None

    def _create(self) -> None:
        with self._writing() as connection:
            if connection.execute("CALL show_tables() RETURN name LIMIT 1").get_all():
                return  # another process was first
            connection.execute("BEGIN TRANSACTION")
            for statement in tables():
                connection.execute(statement)
            connection.execute(
                "CREATE (:Meta {id: $id, schema_version: $version})", {"id": keys.META, "version": SCHEMA_VERSION}
            )
            connection.execute("COMMIT")

    def _check_version(self, *, create: bool) -> None:
        with self._reading() as handle:
            connection = handle.connection
            names = {row[0] for row in connection.execute("CALL show_tables() RETURN name").get_all()}
            if names and "Meta" not in names:
                raise StoreError(f"{self._path} is a LadybugDB file, but no store of circuits: name another file")
            found = connection.execute(READ_VERSION, {"id": keys.META}).get_all() if names else []
        if not found and not create:
            raise StoreError(f"{self._path} holds no store yet: write a circuit into it with `circuit-atlas discover`")
        if not found:
            self._create()
        else:
            refuse_other_version(str(self._path), found[0][0])

    def _read(
        self, cypher: str, params: Mapping[str, Any], *, row_limit: int | None = None, time_limit: float | None = None
    ) -> Result:
        with self._thread, self._reading() as handle:
            return handle.read(cypher, params, row_limit=row_limit, time_limit=time_limit)

    def columns(self, cypher: str, params: Mapping[str, Any] | None = None) -> dict[str, Sequence[Any]]:
        """Run trusted, reading Cypher of ours and return its columns; many plain rows come as arrays."""
        with self._thread, self._reading() as handle:
            return handle.columns(cypher, params or {})

    def _write(self, work: Callable[[Transaction], T]) -> T:
        from circuit_atlas.cypher.ladybug.transaction import LadybugTransaction

        if self._read_only:
            raise StoreError(f"{self._path} was opened for reading only")
        with self._thread, self._writing() as connection:
            connection.execute("BEGIN TRANSACTION")
            try:
                value = work(LadybugTransaction(connection, self._backup.make))
            except BaseException:
                with suppress(RuntimeError):  # where the engine has rolled back already
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            return value

    @contextmanager
    def _writing(self) -> Iterator[ladybug.Connection]:
        """Hold the file alone, open for writing; closing it brings everything into the one file."""
        self._close_reader()
        with self._lock.exclusive() as found, one_line(self._path):
            if found.writer:
                self._backup.restore()
            else:
                self._backup.discard()
            try:
                with Handle(self._path, read_only=False) as handle:
                    yield handle.connection
            except BaseException:
                self._backup.restore()
                raise
            self._backup.discard()

    @contextmanager
    def _reading(self) -> Iterator[Handle]:
        """Hold the file with other readers, on a handle of the present generation."""
        with self._lock.shared() as state:
            if self._is_whole(state):
                with one_line(self._path):
                    yield self._current(state)
                return
        self._recover()
        with self._lock.shared() as state, one_line(self._path):
            yield self._current(state)

    def _is_whole(self, state: State) -> bool:
        """Whether no killed writer left work, which only an opening for writing finishes or undoes."""
        return not state.writer and not self._path.with_name(self._path.name + ".wal").exists()

    def _recover(self) -> None:
        with self._writing():
            pass

    def _current(self, state: State) -> Handle:
        if self._reader is None or self._generation != state.generation:
            self._close_reader()
            self._reader = Handle(self._path, read_only=True)
            self._generation = state.generation
        return self._reader

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None
