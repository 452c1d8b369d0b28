"""Finished batches of a run, kept on disk until it ends, so that an interrupted one goes on where it stopped.

They lie in a folder of the user's cache, named by the circuit's key, this package's sources and the libraries that it
computes with: other settings, weights, data or code are another folder. `CIRCUIT_ATLAS_CACHE` names another place. Each
file says which batch it is of, and one of another is not used. A folder belongs to one run at a time and goes when that
run ends; what an interrupted run has left goes after `KEPT_DAYS`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import platformdirs
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.digests import digest_tensors
from circuit_atlas.progress import Reporter, Silent

KEPT_DAYS = 14
"""Days after which what an interrupted run has left is removed."""

_LIBRARIES = ("torch", "transformers", "transformer_lens", "sae_lens")
_DAY = 86_400


class FinishedBatches:
    """Tensors of finished batches, a file each; without a folder nothing is kept and nothing is found."""

    def __init__(
        self, folder: Path | None = None, reporter: Reporter | None = None, lock: FileLock | None = None
    ) -> None:
        self._folder, self._reporter, self._lock = folder, reporter or Silent(), lock

    @classmethod
    def of_run(cls, circuit_id: str, reporter: Reporter) -> FinishedBatches:
        """Those of the run that finds a circuit; says how many an earlier one has left.

        They belong to this run until the context that they open is left; where another one has them, none are kept.
        """
        root = Path(os.environ.get("CIRCUIT_ATLAS_CACHE") or platformdirs.user_cache_dir("circuit-atlas"), "unfinished")
        folder = root / hashlib.sha256(f"{_program()} {circuit_id}".encode()).hexdigest()[:24]
        try:
            _drop_old(root)
            folder.mkdir(parents=True, exist_ok=True)
            lock = _lock(folder)
        except Timeout:
            reporter.note("another run is finding this circuit: this one keeps no batches, and would start over")
            return cls(reporter=reporter)
        except (OSError, NotImplementedError) as error:  # no place to write, or one without locks
            _say_unkept(reporter, folder, error)
            return cls(reporter=reporter)
        found = len(list(folder.glob("*.pt")))
        if found:
            reporter.note(f"going on from an interrupted run: {found} of its batches are finished")
        return cls(folder, reporter, lock)

    def __enter__(self) -> FinishedBatches:
        """Hold them for this run."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let another run have them."""
        if self._lock is not None:
            self._lock.release()

    def say(self, line: str) -> None:
        """Tell who runs it."""
        self._reporter.note(line)

    @property
    def folder(self) -> Path | None:
        """Where they lie; None: nothing is kept."""
        return self._folder

    def find(self, what: str, batch: Batch, among: Mapping[str, Tensor] | None = None) -> dict[str, Any] | None:
        """Return what was kept of a batch; None where nothing was, or the file is broken or of another batch.

        `among` is what else it was made from, such as the units that edges are between.
        """
        if self._folder is None:
            return None
        try:
            kept = torch.load(self._file(what, batch), map_location=batch.clean.device, weights_only=True)
            tensors: dict[str, Any] = kept["tensors"]
            return tensors if kept["made_from"] == _made_from(batch, among) else None
        except Exception:  # no file, or one that was cut short: the batch is simply done again
            return None

    def keep(
        self,
        what: str,
        batch: Batch,
        tensors: Mapping[str, Tensor | None],
        among: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Keep the tensors of a finished batch; where the disk refuses, say so once and go on."""
        if self._folder is None:
            return
        file = self._file(what, batch)
        beside = file.with_suffix(f".{os.getpid()}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            torch.save({"made_from": _made_from(batch, among), "tensors": dict(tensors)}, beside)
            beside.replace(file)  # whole or not at all
        except (OSError, RuntimeError) as error:
            _say_unkept(self._reporter, self._folder, error)
            self._folder = None

    def drop(self) -> None:
        """Remove them: the run has ended."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, what: str, batch: Batch) -> Path:
        assert self._folder is not None
        name = hashlib.sha256(repr(batch.indices.tolist()).encode()).hexdigest()[:16]
        return self._folder / f"{what}-{name}.pt"


def _program() -> str:
    """What computes: a digest of this package's sources, and the libraries' versions."""
    return " ".join([_sources(), *(version(name) for name in _LIBRARIES)])


@functools.cache
def _sources() -> str:
    sha = hashlib.sha256()
    package = Path(__file__).parent
    for file in sorted(package.rglob("*.py")):
        sha.update(f"{file.relative_to(package).as_posix()}\n".encode() + file.read_bytes())
    return sha.hexdigest()


def _made_from(batch: Batch, among: Mapping[str, Tensor] | None) -> str:
    """Digest of what a batch holds (but for floats, which another machine may compute otherwise) and of the rest."""
    held = {name: value for name, value in vars(batch).items() if value is not None and name != "reference"}
    return digest_tensors([*held.items(), *(among or {}).items()])


def _lock(folder: Path) -> FileLock:
    """Take a folder for this run.

    Raises:
        Timeout: another run has it.

    """
    lock = FileLock(folder / "lock", timeout=0)
    lock.acquire()
    return lock


def _drop_old(root: Path) -> None:
    """Remove what runs have left that nobody has gone on from for long."""
    for folder in root.glob("*/"):
        # One that another run removes meanwhile, or has had for so many days, is left to it.
        with contextlib.suppress(FileNotFoundError, Timeout):
            if time.time() - folder.stat().st_mtime > KEPT_DAYS * _DAY:
                with _lock(folder):
                    shutil.rmtree(folder, ignore_errors=True)


def _say_unkept(reporter: Reporter, folder: Path, error: Exception) -> None:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    reporter.note(f"finished batches cannot be kept in {folder} ({reason}): an interruption would start over")
