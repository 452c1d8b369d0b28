"""Axes of counts on a logarithm, with as many numbers as there is room for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NARROW = 0.5
"""Decades below which a logarithm is nearly straight, so that even steps are the rounder numbers."""

_WIDE = 1.5
"""Decades from which powers of ten alone are enough to read by."""

_SHARE = 0.75
"""How much of its column a panel takes at least, beside the numbers and the name of its y axis."""


def count_on_logarithm(panel: Axes, *others: Axes) -> None:
    """Give panels that hold their lines already a logarithmic x axis of counts, with numbers that do not touch.

    The numbers are chosen for the first panel; the others are as wide and show the same counts.
    """
    from matplotlib import rcParams
    from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, StrMethodFormatter

    panels = (panel, *others)
    for one in panels:
        one.set_xscale("log")
    ticks = counts_shown(*panel.get_xlim(), _room(panel), rcParams["font.size"])
    for one in panels:
        one.xaxis.set_major_locator(FixedLocator(ticks))
        one.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        one.xaxis.set_minor_locator(LogLocator(subs=range(2, 10)))
        one.xaxis.set_minor_formatter(NullFormatter())


def _room(panel: Axes) -> float:
    """Points that a panel's x axis has at least; to lay the figure out and measure takes as long as to draw it."""
    placed = panel.get_subplotspec()
    assert placed is not None  # panels are subplots
    return _SHARE * 72.0 * panel.figure.bbox.width / panel.figure.dpi / placed.get_gridspec().ncols


def counts_shown(low: float, high: float, points: float, size: float) -> list[float]:
    """Return the counts between two ends that an axis of so many points has room to write in letters of a size.

    Of several choices that fit, the one with most numbers; from a decade and a half on, powers of ten alone.
    """
    fitting = [ticks for ticks in _choices(low, high) if _fit(ticks, low, high, points, size)]
    return max(fitting, key=len, default=[])


def _choices(low: float, high: float) -> Iterator[list[float]]:
    from matplotlib.ticker import MaxNLocator

    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    span = np.log10(high / low)
    if span < _NARROW:
        for steps in (4, 3, 2, 1):
            yield _within(MaxNLocator(steps, integer=True).tick_values(low, high), low, high)
    if span < _WIDE:
        for parts in ((1, 2, 5), (1, 3), (2,), (5,)):
            yield _within(np.sort(np.outer(10.0**decades, parts).ravel()), low, high)
    for every in range(1, len(decades) + 1):
        yield _within(10.0 ** decades[::every], low, high)


def _within(ticks: Iterable[float], low: float, high: float) -> list[float]:
    return [float(tick) for tick in ticks if low <= tick <= high]


def _fit(ticks: Sequence[float], low: float, high: float, points: float, size: float) -> bool:
    """Whether numbers, centred on their ticks, leave the width of a digit between them."""
    places = points * np.log(np.array(ticks) / low) / np.log(high / low)
    # Digits of the widest common sans-serif letters, DejaVu's, take 0.64 of their size; a viewer of SVG may use others.
    widths = np.array([0.64 * size * len(f"{tick:,.0f}") for tick in ticks])
    return bool((np.diff(places) > (widths[1:] + widths[:-1]) / 2 + 0.64 * size).all())
