"""The look of every picture: colours that the colour-blind tell apart, legible at the width of a page.

Colours are those of Okabe and Ito, "Color Universal Design" (2008); where more than colour must tell series apart, each
also has a marker and a dash of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
BLACK, GREY, INK = "#000000", "#8A8A8A", "#262730"

SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

DASHES = ("-", "--", "-.", (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)), (0, (2, 1)))
DOTS = (0, (1, 1.4))
"""Of what stands beside a line by chance; no dash of the others."""

REFERENCE: Any = {"color": GREY, "linewidth": 0.8}
"""Level lines to compare with."""

BEHIND: Any = {"color": "#D4D4D4", "linewidth": 0.7, "zorder": 1.0}
"""Lines of other panels behind those of one."""

PAGE_WIDTH = 6.3
"""Inches: the width of the text on A4 or letter paper, so that 8-point labels stay 8 points in print."""

SUFFIXES = (".png", ".svg", ".pdf")

_SETTINGS: Any = {
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 7.0,
    "legend.handlelength": 3.2,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.0,
    # The same rows give the same file, byte for byte, and text stays text.
    "svg.hashsalt": "circuit-atlas",
    "svg.fonttype": "none",
}


P = ParamSpec("P")

ERRORS = {
    "default": "own errors",
    "remove": "no errors",
    "keep": "all errors",
    "nb_remove": "errors out of C",
    "nb_resid_only": "attention and MLP errors out of C",
}
"""How legends name treatments of error units."""


def series(number: int) -> tuple[str, str]:
    """Colour and marker of a series: a colour that comes again has another marker, up to 49 series."""
    again = number // len(SERIES)
    return SERIES[number % len(SERIES)], MARKERS[(number + again) % len(MARKERS)]


def beside(colour: str) -> dict[str, Any]:
    """Return the look of a chance level beside a line: dotted and thin, in the line's colour made lighter."""
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = (1.0 - 0.6 * (1.0 - part) for part in to_rgb(colour))
    return {"color": to_hex((red, green, blue)), "linestyle": DOTS, "linewidth": 1.1}


def small(**look: Any) -> dict[str, Any]:
    """Return a look for a panel of a quarter of the page, where lines of the usual weight run together."""
    return {"linewidth": 1.0, "markersize": 2.5, **look}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Give everything that a function draws the look of this module."""

    @wraps(draw)
    def in_style(*given: P.args, **named: P.kwargs) -> Figure:
        from matplotlib import rc_context

        with rc_context(_SETTINGS):
            return draw(*given, **named)

    return in_style


def new_axes(columns: int = 1, rows: int = 1, *, height: float = 3.0) -> tuple[Figure, list[Axes]]:
    """Return an empty picture of page width and its panels, row by row.

    Args:
        columns: panels beside each other.
        rows: panels below each other.
        height: inches of one row.

    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # A figure of its own, not pyplot's: nothing opens a window, nothing stays in memory.
    with rc_context(_SETTINGS):
        figure = Figure(figsize=(PAGE_WIDTH, height * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False)
    return figure, list(panels.flat)


def require_picture(path: Path) -> Path:
    """Refuse a file whose name says no form of picture, or whose folder is not there, before anything is computed.

    Raises:
        QueryError: the suffix is none of `SUFFIXES`, or there is no such folder.

    """
    if path.suffix.lower() not in SUFFIXES:
        raise QueryError(f"{path} is no picture by its name; end it with {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise QueryError(f"{path} cannot be written: there is no folder {path.parent}: make it, or name another file")
    return path


def save(figure: Figure, path: Path) -> Path:
    """Write a picture in the form that the file's name asks for: PNG, SVG or PDF.

    Raises:
        QueryError: the suffix is none of `SUFFIXES`, or the file cannot be written.

    """
    from matplotlib import rc_context

    require_picture(path)
    stamped = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    try:
        with rc_context(_SETTINGS):
            figure.savefig(path, dpi=200, metadata=stamped.get(path.suffix.lower()))
    except OSError as error:
        raise QueryError(f"{path} cannot be written: {error.strerror or error}") from None
    return path
