"""The paper's Figure 3: faithfulness and completeness over the number of nodes, a line a circuit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.plots.style import DASHES, ERRORS, GREY, count_on_logarithm, new_axes, series, styled
from circuit_atlas.analysis.telling import CHOICES, in_words, telling

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RANDOM = "random circuits, 95th percentile"


@styled
def draw_curves(curves: pd.DataFrame) -> Figure:
    """Draw rows of `analysis.curves.faithfulness_curves`, a colour with its marker for each circuit.

    A circuit under several settings, or on several tasks, has one for each. Dashes tell treatments of errors apart.
    Bands are 95 % bootstrap intervals; grey lines the 95th percentile of random circuits with the same errors.
    """
    figure, (left, right) = new_axes(2, height=3.4)
    modes, apart, lines = list(dict.fromkeys(curves["errors"])), telling(curves), dict[tuple[str, str], int]()
    tasks = curves.groupby("circuit")["task"].nunique()
    for key, curve in curves.groupby(["circuit", "errors", "task", *CHOICES], dropna=False, sort=False):
        circuit, errors = map(str, key[:2])
        setting = (f", on {key[2]}" if tasks[circuit] > 1 else "") + in_words(curve.iloc[0], apart)
        colour, marker = series(lines.setdefault((circuit, setting), len(lines)))
        style: dict[str, Any] = {
            "color": colour,
            "marker": marker,
            "linestyle": DASHES[modes.index(errors) % len(DASHES)],
            "label": f"{circuit}, {ERRORS.get(errors, errors)}{setting}",
        }
        _line(left, curve.sort_values("n_nodes"), style, errors == modes[0])
        _plain(right, curve.sort_values("n_nodes"), "completeness", style)
    for panel, name in ((left, "faithfulness"), (right, "completeness")):
        count_on_logarithm(panel)
        panel.set_xlabel("nodes")
        panel.set_ylabel(name)
        panel.axhline(1.0 if name == "faithfulness" else 0.0, color=GREY, linewidth=0.8)
    figure.align_ylabels()
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _line(panel: Axes, curve: pd.DataFrame, style: dict[str, Any], first: bool) -> None:
    _plain(panel, curve, "faithfulness", style)
    x = curve["n_nodes"].to_numpy(np.float64)
    low, high = (curve[name].to_numpy(np.float64) for name in ("low", "high"))
    panel.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)
    if first and curve["random_95"].notna().any():
        named = any(line.get_label() == _RANDOM for line in panel.get_lines())
        grey: dict[str, Any] = {"color": GREY, "linewidth": 0.8, "marker": style["marker"], "markersize": 2.0}
        panel.plot(x, curve["random_95"], **grey, label="_again" if named else _RANDOM)


def _plain(panel: Axes, curve: pd.DataFrame, column: str, style: dict[str, Any]) -> None:
    panel.plot(curve["n_nodes"], curve[column], **style)
