"""Which reporter a command gives to long work: bars on a terminal, bare notes in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from circuit_atlas.progress import Advance, Reporter, Terminal


class Notes:
    """Notes on standard error and no bars: what a log file should hold."""

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        """Open no bar."""
        yield lambda steps: None

    def note(self, line: str) -> None:
        """Print the line."""
        print(line, file=sys.stderr)


def reporter() -> Reporter:
    """Bars where standard error is a terminal, else notes alone."""
    return Terminal() if sys.stderr.isatty() else Notes()
