"""Legends below the panels: each look is explained once, and the panels keep their size."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

_LETTERS = 90
"""Letters of a legend's size that a page has room for beside the line."""

_MOST_COLUMNS = 4


def entry(label: str, **look: Any) -> Artist:
    """Return a line for a legend that stands for all lines of a look."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=fill(label, _LETTERS), **look)


def interval(label: str, colour: str) -> Artist:
    """Return a patch for a legend that stands for all bands."""
    from matplotlib.patches import Patch

    return Patch(facecolor=colour, alpha=0.25, linewidth=0, label=label)


def legends_below(figure: Figure, *groups: Sequence[Artist]) -> None:
    """Put groups of entries below each other under the panels, each in as many columns as the page has room for.

    The figure grows by what they take: to a layout that only made room, panels would lose it.
    """
    panels = figure.get_figheight()
    made = [_widest(figure, group) for group in groups]
    heights = [one.get_window_extent().height / figure.dpi for one in made]
    whole = panels + sum(heights)
    figure.set_figheight(whole)
    figure.set_layout_engine("constrained", rect=(0.0, sum(heights) / whole, 1.0, panels / whole))
    bottom = sum(heights)
    for one, height in zip(made, heights, strict=True):
        bottom -= height
        one.set_bbox_to_anchor((0.0, bottom / whole), transform=figure.transFigure)


def _widest(figure: Figure, entries: Sequence[Artist]) -> Legend:
    columns = min(len(entries), _MOST_COLUMNS)
    while True:
        legend = figure.legend(handles=entries, ncols=columns, loc="lower left", borderaxespad=0.0)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return legend
        legend.remove()
        columns -= 1
