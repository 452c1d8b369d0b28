"""Faithfulness over the number of edges kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.plots.style import DASHES, ERRORS, GREY, count_on_logarithm, new_axes, series, styled
from circuit_atlas.analysis.telling import EVERY_CHOICE, in_words, telling

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@styled
def draw_edge_curves(curves: pd.DataFrame) -> Figure:
    """Draw rows of `analysis.edge_curve`: a colour a circuit under one treatment of errors.

    Permuted weights are dashed and random edges dotted, in the colour of what they stand beside.
    """
    figure, (panel,) = new_axes(height=3.6)
    measured = curves[curves["n_edges"].notna()]
    alike, apart = ["circuit", "task", "errors", *EVERY_CHOICE, "n_nodes"], telling(curves)
    groups = measured.groupby([*alike, "node_threshold"], dropna=False, sort=False)
    every = curves[curves["n_edges"].isna()].groupby(alike, dropna=False, sort=False)["faithfulness"].first().to_dict()
    for number, (key, curve) in enumerate(groups):
        colour, marker = series(number)
        nodes = int(curve["n_nodes"].iloc[0])
        x = curve["n_edges"].to_numpy(np.float64)
        errors = "" if key[2] == "default" else f", {ERRORS[str(key[2])]}"
        named = f"{key[0]}{errors}{in_words(curve.iloc[0], apart)}, {nodes} nodes: strongest"
        panel.plot(x, curve["faithfulness"], color=colour, marker=marker, label=named)
        low, high = (curve[name].to_numpy(np.float64) for name in ("low", "high"))
        panel.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        for kind, dash, said in (
            ("permuted", DASHES[1], "weights permuted"),
            ("random", DASHES[3], "random connected"),
        ):
            panel.plot(x, curve[kind], color=colour, linestyle=dash, linewidth=1.0, label="_again" if number else said)
        if key[:-1] in every:
            panel.axhline(every[key[:-1]], color=colour, linewidth=0.6, alpha=0.6)
    panel.axhline(1.0, color=GREY, linewidth=0.8)
    count_on_logarithm(panel)
    panel.set_xlabel("edges kept")
    panel.set_ylabel("faithfulness")
    figure.legend(loc="outside lower center", ncols=3)
    return figure
