"""`circuit-atlas demo`: the circuits of the model that is shipped."""

from __future__ import annotations


def demo() -> None:
    """x."""
