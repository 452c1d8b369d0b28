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
GREY, INK = "#8A8A8A", "#262730"

SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P")

DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))

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
    """Colour and marker of a series: a colour that comes again has another marker, up to 36 series."""
    again = number // len(SERIES)
    return SERIES[number % len(SERIES)], MARKERS[(number + again) % len(MARKERS)]


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


def count_on_logarithm(panel: Axes) -> None:
    """Give a panel a logarithmic x axis for counts, with numbers at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    panel.xaxis.set_minor_formatter(NullFormatter())


def require_picture(path: Path) -> Path:
    """Refuse a file whose name says no form of picture, before anything is computed for it.

    Raises:
        QueryError: the suffix is none of `SUFFIXES`.

    """
    if path.suffix.lower() not in SUFFIXES:
        raise QueryError(f"{path} is no picture by its name; end it with {', '.join(SUFFIXES)}")
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
