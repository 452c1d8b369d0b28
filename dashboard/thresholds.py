"""Steps of a threshold slider: zero (all that is stored), then round values, ten a decade, up to the largest."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10

_ROUND = (1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0, 6.3, 8.0)
"""The Renard series R10: steps even on a log scale, and short to write."""


def steps(values: Sequence[float]) -> list[float]:
    """Thresholds that make a difference to `values`: zero first, the last one leaving nothing.

    A threshold keeps what is strictly larger in magnitude, as the queries do.
    """
    magnitudes = [abs(value) for value in values if value]
    if not magnitudes:
        return [0.0]
    smallest, largest = min(magnitudes), max(magnitudes)
    ladder = [
        float(f"{base}e{decade}")
        for decade in range(floor(log10(smallest)), floor(log10(largest)) + 2)
        for base in _ROUND
    ]
    inside = [step for step in ladder if smallest <= step < largest]
    return [0.0, *inside, next(step for step in ladder if step >= largest)]


def kept(values: Sequence[float], threshold: float) -> int:
    """How many values a threshold keeps."""
    return sum(abs(value) > threshold for value in values)


def first_step(values: Sequence[float], wanted: int) -> float:
    """The lowest step that keeps at most `wanted` values, and at least one where there is any."""
    options = steps(values)
    fitting = [step for step in options if 0 < kept(values, step) <= wanted]
    if fitting:
        return fitting[0]
    some = [step for step in options if kept(values, step)]
    return some[-1] if some else options[0]


def spell(threshold: float) -> str:
    """A threshold in words: `all`, or the number without needless digits."""
    return "all" if threshold == 0 else f"{threshold:g}"
