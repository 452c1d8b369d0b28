"""Faithfulness over the number of edges kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from circuit_atlas.analysis.plots.legend import entry, interval, legends_below
from circuit_atlas.analysis.plots.multiples import multiples
from circuit_atlas.analysis.plots.style import (
    BEHIND,
    DASHES,
    DOTS,
    ERRORS,
    INK,
    MARKERS,
    REFERENCE,
    SERIES,
    new_axes,
    series,
    small,
    styled,
)  # fmt: skip
from circuit_atlas.analysis.plots.ticks import count_on_logarithm
from circuit_atlas.analysis.telling import EVERY_CHOICE, in_words, telling

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STRONGEST, _EVERY = "strongest edges", "every edge: faithfulness of the nodes"
_CHANCE = {"permuted": "weights permuted", "random": "random connected edges"}
_LOOKS: dict[str, dict[str, Any]] = {
    "faithfulness": {"linestyle": "-"},
    "permuted": {"linestyle": DASHES[1], "linewidth": 1.0},
    "random": {"linestyle": DOTS, "linewidth": 1.0},
    "every": {"linestyle": "-", "linewidth": 0.6},
}


class _Edges(NamedTuple):
    """The edges of one set of nodes under one treatment of errors; `every` is None where all were not measured."""

    name: str
    rows: pd.DataFrame
    every: float | None


@styled
def draw_edge_curves(curves: pd.DataFrame) -> Figure:
    """Draw rows of `analysis.edge_curve`: a colour, or a panel, for each circuit under one treatment of errors.

    Permuted weights are dashed and random edges dotted, in the colour of what they stand beside; a thin level line is
    the faithfulness with every edge.
    """
    drawn = _named(curves)
    figure, panels = _together(drawn) if len(drawn) <= len(SERIES) else _apart(drawn)
    count_on_logarithm(*panels)
    return figure


def _named(curves: pd.DataFrame) -> list[_Edges]:
    alike, apart = ["circuit", "task", "errors", *EVERY_CHOICE, "n_nodes"], telling(curves)
    whole = curves[curves["n_edges"].isna()].groupby(alike, dropna=False, sort=False)["faithfulness"].first().to_dict()
    measured, tasks = curves[curves["n_edges"].notna()], curves.groupby("circuit")["task"].nunique()
    drawn = []
    for key, rows in measured.groupby([*alike, "node_threshold"], dropna=False, sort=False):
        circuit, task, errors = map(str, key[:3])
        name = circuit + (f", on {task}" if tasks[circuit] > 1 else "")
        name += "" if errors == "default" else f", {ERRORS.get(errors, errors)}"
        name += f"{in_words(rows.iloc[0], apart)}, {int(rows['n_nodes'].iloc[0])} nodes"
        drawn.append(_Edges(name, rows.sort_values("n_edges"), whole.get(key[:-1])))
    return drawn


def _together(drawn: list[_Edges]) -> tuple[Figure, list[Axes]]:
    figure, panels = new_axes(height=3.0)
    circuits = []
    for place, one in enumerate(drawn):
        colour, marker = series(place)
        circuits.append(entry(one.name, color=colour, marker=marker))
        _draw(panels[0], one, {kind: {"color": colour, **look} for kind, look in _LOOKS.items()}, marker)
    panels[0].axhline(1.0, **REFERENCE)
    panels[0].set(xlabel="edges kept", ylabel="faithfulness")
    legends_below(figure, circuits, _explained(drawn, {kind: {"color": INK, **look} for kind, look in _LOOKS.items()}))
    return figure, panels


def _apart(drawn: list[_Edges]) -> tuple[Figure, list[Axes]]:
    figure, (panels,) = multiples([one.name for one in drawn], ["faithfulness"], "edges kept")
    colours = zip(_LOOKS.items(), (*SERIES[:3], SERIES[0]), strict=True)
    looks = {kind: small(**{"color": colour, **look}) for (kind, look), colour in colours}
    for one, panel in zip(drawn, panels, strict=True):
        for other in (other for other in drawn if other is not one):
            panel.plot(other.rows["n_edges"].to_numpy(np.float64), other.rows["faithfulness"], **BEHIND)
        panel.axhline(1.0, **REFERENCE)
        _draw(panel, one, looks, MARKERS[0])
    legends_below(figure, [*_explained(drawn, looks, MARKERS[0]), entry("strongest edges of all others", **BEHIND)])
    return figure, panels


def _draw(panel: Axes, one: _Edges, looks: dict[str, dict[str, Any]], marker: str) -> None:
    x = one.rows["n_edges"].to_numpy(np.float64)
    panel.plot(x, one.rows["faithfulness"], marker=marker, label=f"{one.name}: {_STRONGEST}", **looks["faithfulness"])
    low, high = (one.rows[name].to_numpy(np.float64) for name in ("low", "high"))
    panel.fill_between(x, low, high, color=looks["faithfulness"]["color"], alpha=0.15, linewidth=0)
    for kind, said in _CHANCE.items():
        if one.rows[kind].notna().any():
            panel.plot(x, one.rows[kind], label=f"{one.name}: {said}", **looks[kind])
    if one.every is not None:
        panel.axhline(one.every, label=f"{one.name}: {_EVERY}", **looks["every"])


def _explained(drawn: list[_Edges], looks: dict[str, dict[str, Any]], marker: str | None = None) -> list[Artist]:
    """Entries of the kinds of lines that are drawn, each once."""
    found = [entry(_STRONGEST, marker=marker, **looks["faithfulness"])]
    found.append(interval("95 % interval", looks["faithfulness"]["color"]))
    for kind, said in _CHANCE.items():
        if any(one.rows[kind].notna().any() for one in drawn):
            found.append(entry(said, **looks[kind]))
    if any(one.every is not None for one in drawn):
        found.append(entry(_EVERY, **looks["every"]))
    return [*found, entry("the whole model", **REFERENCE)]
