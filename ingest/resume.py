"""Finished batches of a run, kept on disk until it ends, so that an interrupted one goes on where it stopped.

They lie in a folder of the user's cache, named by the circuit's key and the version of the program: another setting,
other weights or other data are another folder. `CIRCUIT_ATLAS_CACHE` names another place. The folder goes when the run
ends.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs
import torch
from torch import Tensor

from circuit_atlas._version import __version__
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.progress import Reporter, Silent

_FORM = 2
"""Changes with what is kept of a batch."""


class FinishedBatches:
    """Tensors of finished batches, a file each; without a folder nothing is kept and nothing is found."""

    def __init__(self, folder: Path | None = None, reporter: Reporter | None = None) -> None:
        self._folder, self._reporter = folder, reporter or Silent()

    @classmethod
    def of_run(cls, circuit_id: str, reporter: Reporter) -> FinishedBatches:
        """Those of the run that finds a circuit; says how many an earlier one has left."""
        root = os.environ.get("CIRCUIT_ATLAS_CACHE") or platformdirs.user_cache_dir("circuit-atlas")
        name = hashlib.sha256(f"{__version__} {_FORM} {circuit_id}".encode()).hexdigest()[:24]
        folder = Path(root) / "unfinished" / name
        found = len(list(folder.glob("*.pt"))) if folder.is_dir() else 0
        if found:
            reporter.note(f"going on from an interrupted run: {found} of its batches are finished")
        return cls(folder, reporter)

    @property
    def folder(self) -> Path | None:
        """Where they lie; None: nothing is kept."""
        return self._folder

    def find(self, what: str, batch: Batch) -> dict[str, Any] | None:
        """Return what was kept of a batch; None where nothing was, or the file is broken."""
        if self._folder is None:
            return None
        try:
            kept: dict[str, Any] = torch.load(
                self._file(what, batch), map_location=batch.clean.device, weights_only=True
            )
        except Exception:  # no file, or one that was cut short: the batch is simply done again
            return None
        return kept

    def keep(self, what: str, batch: Batch, tensors: Mapping[str, Tensor | None]) -> None:
        """Keep the tensors of a finished batch; where the disk refuses, say so once and go on."""
        if self._folder is None:
            return
        file = self._file(what, batch)
        beside = file.with_suffix(".part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            torch.save(dict(tensors), beside)
            beside.replace(file)  # whole or not at all
        except (OSError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            self._reporter.note(
                f"finished batches cannot be kept in {self._folder} ({reason}): an interruption would start over"
            )
            self._folder = None

    def drop(self) -> None:
        """Remove them: the run has ended."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, what: str, batch: Batch) -> Path:
        assert self._folder is not None
        name = hashlib.sha256(repr(batch.indices.tolist()).encode()).hexdigest()[:16]
        return self._folder / f"{what}-{name}.pt"
