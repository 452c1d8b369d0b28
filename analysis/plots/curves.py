"""The paper's Figure 3: faithfulness and completeness over the number of nodes.

Few circuits stand in one panel, each in a colour with its marker. More than there are colours for have a panel each,
before the lines of all others in light grey.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from circuit_atlas.analysis.plots.legend import entry, interval, legends_below
from circuit_atlas.analysis.plots.multiples import multiples
from circuit_atlas.analysis.plots.style import (
    BEHIND,
    DASHES,
    ERRORS,
    INK,
    REFERENCE,
    SERIES,
    beside,
    new_axes,
    series,
    small,
    styled,
)  # fmt: skip
from circuit_atlas.analysis.plots.ticks import count_on_logarithm
from circuit_atlas.analysis.telling import CHOICES, in_words, telling

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PERFECT = {"faithfulness": 1.0, "completeness": 0.0}


class _Curve(NamedTuple):
    """A line to be drawn for each quantity."""

    name: str
    errors: str
    rows: pd.DataFrame


@styled
def draw_curves(curves: pd.DataFrame) -> Figure:
    """Draw rows of `analysis.curves.faithfulness_curves`: a colour with its marker, or a panel, for each circuit.

    A circuit under several settings, or on several tasks, has one for each. Dashes tell treatments of errors apart.
    Bands are 95 % bootstrap intervals; dotted, in the circuit's colour made lighter, stands the 95th percentile of
    random circuits with the errors that are named first.
    """
    drawn = _named(curves)
    names = list(dict.fromkeys(one.name for one in drawn))
    modes = list(dict.fromkeys(one.errors for one in drawn))
    return (_together if len(names) <= len(SERIES) else _apart)(drawn, names, modes)


def _named(curves: pd.DataFrame) -> list[_Curve]:
    apart, tasks = telling(curves), curves.groupby("circuit")["task"].nunique()
    drawn = []
    for key, rows in curves.groupby(["circuit", "errors", "task", *CHOICES], dropna=False, sort=False):
        circuit, errors, task = map(str, key[:3])
        name = circuit + (f", on {task}" if tasks[circuit] > 1 else "") + in_words(rows.iloc[0], apart)
        drawn.append(_Curve(name, errors, rows.sort_values("n_nodes")))
    return drawn


def _together(drawn: list[_Curve], names: list[str], modes: list[str]) -> Figure:
    figure, panels = new_axes(2, height=2.8)
    circuits = []
    for name in names:
        colour, marker = series(names.index(name))
        circuits.append(entry(name, color=colour, marker=marker))
        for one in (one for one in drawn if one.name == name):
            look = {"color": colour, "marker": marker, "linestyle": DASHES[modes.index(one.errors)]}
            _draw(panels, one, look, random=one.errors == modes[0])
    for panel, quantity in zip(panels, _PERFECT, strict=True):
        panel.set(xlabel="nodes", ylabel=quantity)
        panel.axhline(_PERFECT[quantity], **REFERENCE)
    treatments = [entry(ERRORS.get(mode, mode), color=INK, linestyle=DASHES[place]) for place, mode in enumerate(modes)]
    legends_below(figure, circuits, treatments + _others(drawn, modes[0], INK))
    figure.align_ylabels()
    count_on_logarithm(*panels)
    return figure


def _apart(drawn: list[_Curve], names: list[str], modes: list[str]) -> Figure:
    figure, blocks = multiples(names, list(_PERFECT), "nodes")
    looks: dict[str, Any] = {}
    for place, mode in enumerate(modes):
        colour, marker = series(place)
        looks[mode] = small(color=colour, marker=marker, linestyle=DASHES[place])
    for name, *panels in zip(names, *blocks, strict=True):
        for panel, quantity in zip(panels, _PERFECT, strict=True):
            for other in (one for one in drawn if one.name != name and one.errors == modes[0]):
                panel.plot(other.rows["n_nodes"], other.rows[quantity], **BEHIND)
            panel.axhline(_PERFECT[quantity], **REFERENCE)
        for one in (one for one in drawn if one.name == name):
            _draw(panels, one, looks[one.errors], random=one.errors == modes[0])
    treatments = [entry(ERRORS.get(mode, mode), **looks[mode]) for mode in modes]
    behind = entry(f"all others, {ERRORS.get(modes[0], modes[0])}", **BEHIND)
    legends_below(figure, [*treatments, behind, *_others(drawn, modes[0], SERIES[0])])
    count_on_logarithm(*(panel for block in blocks for panel in block))
    return figure


def _draw(panels: list[Axes], one: _Curve, look: dict[str, Any], *, random: bool) -> None:
    """Draw a curve into the panels of both quantities, with what is known of its faithfulness alone."""
    x = one.rows["n_nodes"].to_numpy(np.float64)
    for panel, quantity in zip(panels, _PERFECT, strict=True):
        panel.plot(x, one.rows[quantity], **look)
    low, high = (one.rows[name].to_numpy(np.float64) for name in ("low", "high"))
    panels[0].fill_between(x, low, high, color=look["color"], alpha=0.15, linewidth=0)
    if random and one.rows["random_95"].notna().any():
        panels[0].plot(x, one.rows["random_95"], **beside(look["color"]))


def _others(drawn: list[_Curve], mode: str, colour: str) -> list[Artist]:
    """Entries of what is drawn beside the curves."""
    found = [interval("95 % interval", colour)]
    if any(one.rows["random_95"].notna().any() for one in drawn if one.errors == mode):
        said = f"random circuits, 95th percentile ({ERRORS.get(mode, mode)})"
        found.append(entry(said, **beside(colour)))
    return [*found, entry("perfect: faithfulness 1, completeness 0", **REFERENCE)]
