"""`circuit-atlas compare`: what two circuits share and what each has alone."""
from __future__ import annotations
def compare(a: str, b: str) -> None:
    """x."""
