"""Several processes share the batches of a run, each on a device of its own; the parent merges what they finish.

A process keeps every batch it has done as a finished one (see `resume`). The parent then goes on as after an
interruption: it finds all batches finished and reads them in the order of the data, so that results do not depend on
who was faster. What is lost when a process dies are its unfinished batches.
"""

from __future__ import annotations

import dataclasses
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import torch
from torch import Tensor

from circuit_atlas.errors import AttributionError
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.cotangents import Units
from circuit_atlas.ingest.resume import FinishedBatches
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.worker import Share, Told, hear, tell, work
from circuit_atlas.progress import Reporter


class FailedProcessError(Exception):
    """Traceback of a process that failed, as the cause of the line that the user reads."""


@dataclass(frozen=True)
class Worker:
    """A process at work, and the way to it."""

    device: str
    process: SpawnProcess
    connection: Connection

    def end(self) -> AttributionError:
        """Say how it ended without a word."""
        self.process.join()
        code = self.process.exitcode or 0
        how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with status {code}"
        hint = (
            "memory may have run out: take fewer processes, or set memory"
            if code < 0
            else "a script that discovers with several devices must do so under if __name__ == '__main__'"
        )
        return AttributionError(
            f"the process on {self.device} {how} before it was done ({hint}); its finished batches are kept"
        )


class Processes:
    """Processes at work on one run; without any, each stage is left to the caller."""

    def __init__(self, workers: Sequence[Worker], examples: int) -> None:
        self._workers, self._examples = workers, examples

    def nodes(self, reporter: Reporter) -> None:
        """Wait until the node effects of every batch are finished.

        Raises:
            AtlasError: a process failed, or was killed.
            torch.OutOfMemoryError: the device of one is too small.

        """
        self._wait("node effects", reporter)

    def edges(self, units: Mapping[Site, Units], parts: Mapping[Site, Tensor] | None, reporter: Reporter) -> None:
        """Hand out the chosen units, and wait until the edge weights of every batch are finished; raises likewise."""
        here = {site: some.to("cpu") for site, some in units.items()}
        for worker in self._workers:
            try:
                tell(worker.connection, (here, None if parts is None else {s: t.cpu() for s, t in parts.items()}))
            except OSError:
                raise worker.end() from None
        self._wait("edge weights", reporter)

    def _wait(self, stage: str, reporter: Reporter) -> None:
        running = {worker.connection: worker for worker in self._workers}
        if not running:
            return
        said: set[str] = set()
        with reporter.task(f"{stage}, {len(running)} processes", self._examples) as advance:
            while running:
                for connection in wait(list(running)):
                    assert isinstance(connection, Connection)
                    told = _heard(running[connection])
                    if told.kind == "done":
                        advance(told.value)
                    elif told.kind == "stage":
                        del running[connection]
                    elif told.value not in said:
                        said.add(told.value)
                        reporter.note(told.value)


def _heard(worker: Worker) -> Told:
    """Return what a process tells; raises where it tells that it failed, or tells nothing any more."""
    try:
        told: Told = hear(worker.connection)
    except (EOFError, OSError):
        raise worker.end() from None
    if told.kind == "memory":
        raise torch.OutOfMemoryError(told.value)
    if told.kind == "refused":
        raise told.value
    if told.kind == "broken":
        line = AttributionError(f"the process on {worker.device} failed: {' '.join(told.value.split())}")
        raise line from FailedProcessError(told.trace)
    return told


@contextmanager
def sharing(
    settings: DiscoverSettings, batches: Sequence[Batch], finished: FinishedBatches, halvings: int = 0
) -> Iterator[Processes]:
    """Start a process for each device where there are several; all have ended when the context is left.

    Every process needs a batch: no more are started than there are. `halvings` says how often memory was too small.
    """
    devices, workers = settings.devices[: len(batches)], list[Worker]()
    if len(devices) > 1 and finished.folder is None:
        finished.say(
            f"processes share work through the batches they keep: without these, all of it runs on {devices[0]}"
        )
    if len(devices) == 1 or finished.folder is None:
        yield Processes([], 0)
        return
    on_cpu = sum(torch.device(name).type == "cpu" for name in devices)
    threads = max(1, torch.get_num_threads() // max(1, on_cpu))
    there = [batch.to("cpu") for batch in batches]
    try:
        for number, device in enumerate(devices):
            mine, own = range(number, len(batches), len(devices)), dataclasses.replace(settings, device=device)
            workers.append(start(device, Share(own, there, mine, finished.folder, threads, halvings)))
        yield Processes(workers, sum(len(batch.clean) for batch in batches))
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join()
            worker.connection.close()


def start(device: str, share: Share) -> Worker:
    """Start a process and give it its share."""
    context: Any = torch.multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs,), daemon=True)
    with _without_interrupts():
        process.start()
    theirs.close()  # or the end of the process would not be the end of what it sends
    tell(ours, share)
    return Worker(device, process, ours)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Let a process be started that ignores interrupts from its first moment on; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
