"""One of the processes that share the batches of a run: it works off its own, and keeps each as a finished one.

It loads model and dictionaries itself, attributes the nodes of its batches, waits for the nodes that the parent has
chosen from all of them, and does the edges among these. All it tells the parent is how far it is.
"""

from __future__ import annotations

import pickle
import signal
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import torch

from circuit_atlas.errors import AtlasError
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.edge_attribution import batches_weights
from circuit_atlas.ingest.preparation import load, prepare
from circuit_atlas.ingest.resume import FinishedBatches
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.states import States, fixed_by
from circuit_atlas.ingest.texts import read_texts
from circuit_atlas.progress import Advance


@dataclass(frozen=True)
class Share:
    """What a process works on.

    Attributes:
        settings: of the run, with the device of this process.
        batches: all of the run, for means are over all of them.
        mine: places of its own among them.
        folder: where finished batches lie.
        threads: how many threads it runs on.
        halvings: how often memory was too small so far.

    """

    settings: DiscoverSettings
    batches: Sequence[Batch]
    mine: Sequence[int]
    folder: Path
    threads: int
    halvings: int


@dataclass(frozen=True)
class Told:
    """What a process tells its parent.

    Attributes:
        kind: `done` (some examples), `stage` (all of its batches have passed the stage), `note`, and three ways to
            fail: by an error that the user can mend, for want of memory, or otherwise.
        value: number of examples, line, or error.
        trace: where it failed otherwise.

    """

    kind: Literal["done", "stage", "note", "refused", "memory", "broken"]
    value: Any = None
    trace: str = ""


class Relay:
    """A reporter that hands everything on to the parent."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        """Pass on each step; the parent's bar has the title."""
        yield lambda steps: tell(self._connection, Told("done", steps))
        tell(self._connection, Told("stage"))

    def note(self, line: str) -> None:
        """Pass on a line."""
        tell(self._connection, Told("note", line))


def tell(connection: Connection, message: object) -> None:
    """Send any object; as plain bytes, for shared memory is scarce in containers."""
    connection.send_bytes(pickle.dumps(message))


def hear(connection: Connection) -> Any:
    """Receive what was sent by `tell`."""
    return pickle.loads(connection.recv_bytes())


def work(connection: Connection) -> None:
    """Do the share that comes through the connection; every failure goes back through it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to handle: it ends its processes
    try:
        _work(hear(connection), connection)
    except (EOFError, BrokenPipeError):
        return  # the parent is gone
    except torch.OutOfMemoryError as error:
        tell(connection, Told("memory", str(error)))
    except AtlasError as error:
        tell(connection, Told("refused", error))
    except Exception as error:
        tell(connection, Told("broken", f"{type(error).__name__}: {error}", traceback.format_exc()))


def _work(share: Share, connection: Connection) -> None:
    torch.set_num_threads(share.threads)
    settings, relay = share.settings, Relay(connection)
    prepared = prepare(settings, read_texts(settings), load(settings))
    for _ in range(share.halvings):
        prepared = prepared.halved()
    subject = prepared.subject
    device = subject.model.device
    every = [batch.to(device) for batch in share.batches]
    mine = [every[place] for place in share.mine]
    finished = FinishedBatches(share.folder, relay)
    states = States(subject, mine, settings, fixed_by(settings, subject, every), finished)
    with relay.task("node effects", 0) as advance:
        for batch in mine:
            states.begin(batch)
            advance(len(batch.clean))
    units, parts = hear(connection)
    units = {site: some.to(device) for site, some in units.items()}
    parts = None if parts is None else {site: part.to(device) for site, part in parts.items()}
    with relay.task("edge weights", 0) as advance:
        for batch, _ in batches_weights(subject, mine, states, units, parts, settings, finished):
            advance(len(batch.clean))
