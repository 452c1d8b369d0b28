"""The file as it was before a transaction that copies rows in bulk.

The engine logs what COPY brings only with the checkpoint that follows its commit. Killed in between (or out of disk),
it keeps the transaction's other statements and loses those rows: half a circuit. So the file is set aside before the
first COPY of a transaction, and put back by whoever finds that the transaction did not come to its end.
"""

from __future__ import annotations

import fcntl
import glob
import shutil
from contextlib import suppress
from pathlib import Path

FICLONE = 0x40049409
"""Share the blocks of a file with another (Linux: btrfs, xfs), which takes no time however large it is."""


class Backup:
    """The set-aside file of one store; the caller holds its lock exclusively."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._kept = store.with_name(store.name + ".before")

    def make(self) -> None:
        """Set the file aside, once a transaction; the engine must not have written to it since it was opened."""
        if self._kept.exists():
            return
        unfinished = self._kept.with_name(self._kept.name + ".part")
        try:
            _clone(self._store, unfinished)
        except OSError:
            with suppress(OSError):
                unfinished.unlink()
            raise
        unfinished.rename(self._kept)

    def restore(self) -> None:
        """Put the file back, if one was set aside, with nothing of the engine's beside it."""
        if not self._kept.exists():
            return
        for suffix in (".wal*", ".shadow", ".checkpoint*"):
            for left in self._store.parent.glob(f"{glob.escape(self._store.name)}{suffix}"):
                left.unlink()
        self._kept.replace(self._store)

    def discard(self) -> None:
        """Forget the file set aside: the transaction is whole on disk."""
        self._kept.unlink(missing_ok=True)


def _clone(source: Path, target: Path) -> None:
    try:
        with source.open("rb") as read, target.open("wb") as write:
            fcntl.ioctl(write.fileno(), FICLONE, read.fileno())
    except OSError:
        shutil.copyfile(source, target)
