"""One figure of a benchmark, with its target and whether it holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """What a benchmark measured.

    Attributes:
        name: what was measured, in a few words.
        value: the figure.
        unit: its unit; empty for a pure number.
        target: what it must reach, in words, such as `at most 0.5`.
        holds: whether it does.

    """

    name: str
    value: float
    unit: str
    target: str
    holds: bool


def at_most(name: str, value: float, unit: str, limit: float) -> Figure:
    """Return a figure that holds where it is `limit` or less; NaN never holds."""
    return Figure(name, value, unit, f"at most {limit:g}", value <= limit)


def at_least(name: str, value: float, unit: str, limit: float) -> Figure:
    """Return a figure that holds where it is `limit` or more; NaN never holds."""
    return Figure(name, value, unit, f"at least {limit:g}", value >= limit)


def between(name: str, value: float, unit: str, least: float, most: float) -> Figure:
    """Return a figure that holds from `least` to `most`, ends included; NaN never holds."""
    return Figure(name, value, unit, f"{least:g} to {most:g}", least <= value <= most)
