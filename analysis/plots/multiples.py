"""Small multiples: a panel for each of many series, where one panel could not tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

from circuit_atlas.analysis.plots.style import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4
_LETTERS = 24
"""Letters of a title that a quarter of the page has room for."""

_TIED = "\N{NO-BREAK SPACE}"


def multiples(names: Sequence[str], quantities: Sequence[str], over: str) -> tuple[Figure, list[list[Axes]]]:
    """Return a picture with a panel for each name, in rows of four, once for each quantity.

    All panels of a quantity share its axis, and all panels the axis `over`; numbers stand at the outer ones alone.
    """
    rows = -(-len(names) // _COLUMNS)
    figure, cells = new_axes(_COLUMNS, rows * len(quantities), height=1.3)
    blocks = [cells[start : start + rows * _COLUMNS] for start in range(0, len(cells), rows * _COLUMNS)]
    for block, quantity in zip(blocks, quantities, strict=True):
        for spare in block[len(names) :]:
            spare.remove()
        del block[len(names) :]
        for place, (panel, name) in enumerate(zip(block, names, strict=True)):
            _share(panel, cells[0], block[0])
            panel.set_title(_lines(name), fontsize=7.0)
            below, first = place + _COLUMNS >= len(names), place % _COLUMNS == 0
            panel.tick_params(labelbottom=below, labelleft=first, labelsize=7.0)
            # Not above an empty place too: the name would push the rows apart.
            panel.set(xlabel=over if place >= (rows - 1) * _COLUMNS else "", ylabel=quantity if first else "")
    figure.align_ylabels()
    return figure, blocks


def _lines(name: str) -> str:
    """Break a name after its commas, and elsewhere only what is still too long."""
    parts = fill(name.replace(" ", _TIED).replace(f",{_TIED}", ", "), _LETTERS, break_long_words=False)
    return "\n".join(fill(part.replace(_TIED, " "), _LETTERS) for part in parts.splitlines())


def _share(panel: Axes, across: Axes, up: Axes) -> None:
    if panel is not across:
        panel.sharex(across)
    if panel is not up:
        panel.sharey(up)
