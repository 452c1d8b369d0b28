"""The one place through which long work speaks: silent in a library, bars with time left on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Reporter(Protocol):
    """Where long work reports to."""

    def task(self, title: str, total: int) -> AbstractContextManager[Advance]:
        """Open a bar of `total` steps; the function it gives advances it by that many."""
        ...

    def note(self, line: str) -> None:
        """Say one line, such as a warning."""
        ...


class Silent:
    """Reports nothing: the default of every library function."""

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        """Open no bar."""
        yield lambda steps: None

    def note(self, line: str) -> None:
        """Say nothing."""


class Terminal:
    """Bars and notes on standard error, so that standard output holds results alone."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        """Open a bar with the time elapsed and left."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console) as bars:
            bar = bars.add_task(title, total=total)
            yield lambda steps: bars.advance(bar, steps)

    def note(self, line: str) -> None:
        """Print the line."""
        self._console.print(line, highlight=False, soft_wrap=True)
