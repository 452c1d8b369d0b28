"""One writer or many readers of one file, over several processes.

The engine refuses a second writer at once, and a reader that stays open across another's write fails later. So every
access takes this lock, which waits: shared to read, exclusive to write. Beside `atlas.lbug` lie

- `atlas.lbug.lock`: locked shared or exclusively (`flock`, so the kernel lets go of it when a process dies). It holds
  the generation, which every write raises *before* it changes anything (a reader whose generation it is may keep its
  handle), and who is writing now; a note of a writer that no longer holds the lock is a writer that was killed;
- `atlas.lbug.turn`: held for as long as one waits for the other. Who waits keeps everyone behind him, so that readers
  who come and go do not starve a writer, and a writer of many circuits lets a reader in between two.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from circuit_atlas.errors import StoreBusyError, StoreError

PAUSE = 0.004
"""Seconds between two attempts at a lock that another holds."""


@dataclass(frozen=True)
class State:
    """What the lock file says.

    Attributes:
        generation: raised by every write.
        writer: who writes now, or was killed while writing; empty: nobody.

    """

    generation: int = 0
    writer: str = ""


class FileLock:
    """The lock of one store; not for several threads at once."""

    def __init__(self, store: Path, wait: float) -> None:
        self._store = store
        self._wait = wait
        self._lock = _open(store.with_name(store.name + ".lock"))
        self._turn = _open(store.with_name(store.name + ".turn"))

    @contextmanager
    def shared(self) -> Iterator[State]:
        """Hold the lock with other readers; gives the state.

        Raises:
            StoreBusyError: a writer held it for longer than the wait.

        """
        self._take(fcntl.LOCK_SH)
        try:
            yield self._state()
        finally:
            self._release()

    @contextmanager
    def exclusive(self) -> Iterator[State]:
        """Hold the lock alone, the generation raised already; gives the state that was found.

        Raises:
            StoreBusyError: others held it for longer than the wait.

        """
        self._take(fcntl.LOCK_EX)
        try:
            found = self._state()
            writing = State(found.generation + 1, _who())
            self._note(writing)
            try:
                yield found
            finally:
                self._note(replace(writing, writer=""))
        finally:
            self._release()

    def close(self) -> None:
        """Let go of the lock files."""
        for descriptor in (self._lock, self._turn):
            if descriptor is not None:
                os.close(descriptor)
        self._lock = self._turn = None

    def _take(self, kind: int) -> None:
        if self._lock is None or self._turn is None:
            if kind == fcntl.LOCK_EX:
                raise StoreError(f"cannot write {self._store}: its folder is not writable")
            return  # where no lock can be made, nobody writes
        deadline = time.monotonic() + self._wait
        self._attempt(self._turn, fcntl.LOCK_EX, deadline)
        try:
            self._attempt(self._lock, kind, deadline)
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def _attempt(self, descriptor: int, kind: int, deadline: float) -> None:
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise self._busy() from None
                time.sleep(PAUSE)
            else:
                return

    def _release(self) -> None:
        if self._lock is not None:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _state(self) -> State:
        if self._lock is None:
            return State()
        text = os.pread(self._lock, 4096, 0).decode("utf-8", errors="replace")
        with suppress(ValueError, TypeError):
            return State(**json.loads(text))
        return State(writer="a process that left no name") if text.strip() else State()

    def _note(self, state: State) -> None:
        if self._lock is None:
            return
        text = json.dumps(asdict(state)).encode()
        try:
            os.pwrite(self._lock, text, 0)
            os.ftruncate(self._lock, len(text))
        except OSError as error:
            raise StoreError(f"cannot write {self._store}: {error.strerror}") from None

    def _busy(self) -> StoreBusyError:
        holder = self._state().writer
        held = f"is being written by {holder}" if holder else "is being read by another process"
        return StoreBusyError(f"{self._store} {held}; waited {self._wait:g} s: try again when that is done")


def _open(path: Path) -> int | None:
    """Open a lock file, making it where that is allowed; None where there is none and none can be made."""
    with suppress(PermissionError, OSError):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    with suppress(OSError):
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return None


def _who() -> str:
    """This process in words, without its arguments: they may hold a password."""
    program = Path(sys.argv[0]).name or "python"
    return f"process {os.getpid()} ({program}, since {datetime.now(UTC):%H:%M:%S} UTC)"
