"""A reporter that keeps what is said."""

from __future__ import annotations

from circuit_atlas.progress import Silent


class Noted(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        """Keep the line."""
        self.lines.append(line)
