"""Readers of a server see each circuit whole.

The server isolates at "read committed": while a commit is applied, a statement may see a circuit's new header beside
its old nodes. So a writer marks its commit on the `Meta` node, before (`begun`) and after (`done`), each in a
transaction of its own; an answer counts only if no commit was under way from before the statement to after it.
Otherwise the reader asks again, and after some failures holds the `Meta` node meanwhile, behind which the next commit
waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple, TypeVar

import neo4j

from circuit_atlas.cypher import keys

T = TypeVar("T")
Sessions = Callable[[], neo4j.Session]

OPTIMISTIC = 3
"""Times a reader asks again before it holds commits back."""

PAUSE = 0.01
"""Seconds between two looks at a commit under way."""

ABANDONED = 10.0
"""Seconds after which an unfinished mark is that of a writer that was killed."""

READ = "MATCH (m:Meta {id: $id}) RETURN coalesce(m.begun, 0) AS begun, coalesce(m.done, 0) AS done"
BEGIN = "MATCH (m:Meta {id: $id}) SET m.begun = coalesce(m.begun, 0) + 1"
END = (
    "MATCH (m:Meta {id: $id}) WITH m, coalesce(m.done, 0) + $times AS done "
    "SET m.done = CASE WHEN done < m.begun THEN done ELSE m.begun END"
)
FORGET = "MATCH (m:Meta {id: $id}) WHERE m.begun = $begun AND coalesce(m.done, 0) = $done SET m.done = m.begun"
HOLD = "MATCH (m:Meta {id: $id}) SET m.begun = coalesce(m.begun, 0)"


class Marks(NamedTuple):
    """How many commits were begun and done."""

    begun: int
    done: int

    @property
    def quiet(self) -> bool:
        """Whether no commit is under way."""
        return self.begun == self.done


def read_whole(
    sessions: Sessions, work: Callable[[neo4j.ManagedTransaction], T], *, time_limit: float | None = None
) -> T:
    """Return what `work` reads in one read transaction, during which no commit was under way."""
    attempt = 0
    while True:
        with _held_back(sessions) if attempt >= OPTIMISTIC else nullcontext(), sessions() as session:
            answer = session.execute_read(_between_looks(work, time_limit))
            if answer is not None:
                return answer[0]
        attempt += 1
        _await_quiet(sessions)


@contextmanager
def marked(sessions: Sessions) -> Iterator[Callable[[], None]]:
    """Mark commits: gives what to call just before each attempt at one; the mark is lifted at the end of the block."""
    times = 0

    def begin() -> None:
        nonlocal times
        with sessions() as session:
            session.execute_write(lambda tx: tx.run(BEGIN, id=keys.META).consume())
        times += 1

    try:
        yield begin
    finally:
        if times:
            with sessions() as session:
                session.execute_write(lambda tx: tx.run(END, id=keys.META, times=times).consume())


def _between_looks(
    work: Callable[[neo4j.ManagedTransaction], T],
    time_limit: float | None,
) -> Callable[[neo4j.ManagedTransaction], tuple[T] | None]:
    """What `work` reads, in a tuple; None where a commit was under way."""

    @neo4j.unit_of_work(timeout=time_limit)
    def look_work_look(tx: neo4j.ManagedTransaction) -> tuple[T] | None:
        before = _look(tx)
        if not before.quiet:
            return None
        value = work(tx)
        return (value,) if _look(tx) == before else None

    return look_work_look


def _look(tx: neo4j.ManagedTransaction) -> Marks:
    found = tx.run(READ, id=keys.META).single()
    return Marks(0, 0) if found is None else Marks(found["begun"], found["done"])


def _await_quiet(sessions: Sessions) -> None:
    """Wait for the commit under way; forget one whose writer was killed."""
    with sessions() as session:
        seen, since = session.execute_read(_look), time.monotonic()
        while not seen.quiet:
            time.sleep(PAUSE)
            now = session.execute_read(_look)
            if now != seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > ABANDONED:
                session.execute_write(_forget, seen)


def _forget(tx: neo4j.ManagedTransaction, seen: Marks) -> None:
    tx.run(FORGET, id=keys.META, begun=seen.begun, done=seen.done).consume()


@contextmanager
def _held_back(sessions: Sessions) -> Iterator[None]:
    """Hold the lock on the Meta node, which every commit must take to mark itself."""
    with sessions() as session, session.begin_transaction() as tx:
        tx.run(HOLD, id=keys.META).consume()
        yield
        tx.rollback()
