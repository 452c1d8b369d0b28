"""A store in a Neo4j server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import neo4j

from circuit_atlas.cypher import keys
from circuit_atlas.cypher.base import SCALARS, GraphStore, Result
from circuit_atlas.cypher.neo4j.constraints import constraints
from circuit_atlas.cypher.neo4j.errors import one_line
from circuit_atlas.cypher.neo4j.values import ends_of, plain
from circuit_atlas.cypher.neo4j.whole import marked, read_whole
from circuit_atlas.cypher.schema import SCHEMA_VERSION
from circuit_atlas.cypher.version import refuse_other_version
from circuit_atlas.errors import StoreError

if TYPE_CHECKING:
    from circuit_atlas.cypher.checks import Check
    from circuit_atlas.cypher.transaction import Transaction

T = TypeVar("T")

# What the driver logs on its way to an error is said by the error; without a handler Python would print it.
logging.getLogger("neo4j").addHandler(logging.NullHandler())

CONNECT_SECONDS = 5.0
READ_VERSION = "MATCH (m:Meta {id: $id}) RETURN m.schema_version AS version"
WRITE_VERSION = "MERGE (m:Meta {id: $id}) SET m.schema_version = $version"
KEYS = "UNWIND $ids AS id MATCH (n) WHERE elementId(n) = id RETURN id, n.id AS key"


class Neo4jStore(GraphStore):
    """Circuits in one database of a server; the driver retries transient errors."""

    def __init__(
        self, url: str, auth: tuple[str, str] | None, database: str | None, *, create: bool, read_only: bool
    ) -> None:
        self.url = url
        self._database = database
        self._read_only = read_only
        with one_line(url, database):
            self._driver = neo4j.GraphDatabase.driver(
                url, auth=auth, connection_timeout=CONNECT_SECONDS, notifications_min_severity="OFF"
            )
        try:
            self._open(create=create and not read_only)
        except BaseException:
            self.close()
            raise

    @property
    def place(self) -> str:
        """Address and database."""
        return f"{self.url}/{self._database or ''}"

    def _own_checks(self) -> Iterable[Check]:
        from circuit_atlas.cypher.neo4j.checks import foreign_checks

        return foreign_checks()

    def _open(self, *, create: bool) -> None:
        with one_line(self.url, self._database):
            self._driver.verify_connectivity()
            # Without retries: a wrong name of a database is no passing fault.
            with self._session() as session:
                found = session.run(READ_VERSION, id=keys.META).single()
                if found is not None:
                    refuse_other_version(self.url, found["version"])
                elif not create:
                    raise StoreError(f"there are no circuits at {self.url}: write one with `circuit-atlas discover`")
                else:
                    for statement in constraints():
                        session.run(statement).consume()
                    session.run(WRITE_VERSION, id=keys.META, version=SCHEMA_VERSION).consume()

    def _read(
        self, cypher: str, params: Mapping[str, Any], *, row_limit: int | None = None, time_limit: float | None = None
    ) -> Result:
        def work(tx: neo4j.ManagedTransaction) -> Result:
            answer = tx.run(cypher, dict(params))
            columns = list(answer.keys())
            rows = [list(record.values()) for record in islice(answer, None if row_limit is None else row_limit + 1)]
            answer.consume()
            ends = sorted({end for row in rows for v in row if type(v) not in SCALARS for end in ends_of(v)})
            known = {record["id"]: record["key"] for record in tx.run(KEYS, ids=ends)} if ends else {}
            kept = rows if row_limit is None else rows[:row_limit]
            values = [[v if type(v) in SCALARS else plain(v, known.get) for v in row] for row in kept]
            return Result(columns, values, truncated=len(rows) > len(kept))

        with one_line(self.url, self._database):
            return read_whole(self._session, work, time_limit=time_limit)

    def _write(self, work: Callable[[Transaction], T]) -> T:
        from circuit_atlas.cypher.neo4j.transaction import Neo4jTransaction

        if self._read_only:
            raise StoreError(f"{self.url} was opened for reading only")
        with one_line(self.url, self._database), marked(self._session) as begin_commit, self._session() as session:

            def work_and_mark(tx: neo4j.ManagedTransaction) -> T:
                value = work(Neo4jTransaction(tx))
                begin_commit()
                return value

            return session.execute_write(work_and_mark)

    def _session(self) -> neo4j.Session:
        return self._driver.session(database=self._database)

    def close(self) -> None:
        """Let go of the connections."""
        self._driver.close()
