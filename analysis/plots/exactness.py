"""Exact against approximate values as a scatter, after Figure 25 of Marks et al. (ICLR 2025).

Beside the linear panel, where the strongest points alone are seen, stands one of sizes on logarithmic axes; there,
points whose two values differ in sign are hollow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.exactness import by_group
from circuit_atlas.analysis.plots.style import GREY, MARKERS, SERIES, new_axes, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def draw_exactness(points: pd.DataFrame) -> Figure:
    """Draw the points of `analysis.exactness.measured_points`, coloured by the kind of their ends."""
    figure, (linear, sizes) = new_axes(2, height=3.2)
    for place, (kind, some) in enumerate(points.groupby("kind", sort=True)):
        colour, marker = SERIES[place % len(SERIES)], MARKERS[place % len(MARKERS)]
        look: dict[str, Any] = {"s": 12, "marker": marker, "linewidths": 0.7, "edgecolors": colour}
        linear.scatter(some["approximate"], some["exact"], color=colour, label=f"{kind} ({len(some)})", **look)
        for agree, part in _by_sign(some):
            face = colour if agree else "none"
            sizes.scatter(part["approximate"].abs(), part["exact"].abs(), facecolors=face, **look)
    _identity(linear, points)
    sizes.set(xscale="log", yscale="log", xlabel="|approximate|", ylabel="|exact|", title="sizes (hollow: other sign)")
    linear.set(xlabel="approximate (units of the metric)", ylabel="exact (units of the metric)", title=_title(points))
    sizes.axline((1.0, 1.0), (10.0, 10.0), color=GREY, linewidth=0.8, zorder=0)
    linear.legend(loc="best", fontsize=7)
    return figure


def _by_sign(points: pd.DataFrame) -> Iterator[tuple[bool, pd.DataFrame]]:
    """Points of one sign, and of both; those with a value of 0, which logarithmic axes cannot show, are left out."""
    shown = points[(points["approximate"] != 0.0) & (points["exact"] != 0.0)]
    for agree in (True, False):
        yield agree, shown[shown["same_sign"] == agree]


def _identity(axes: Axes, points: pd.DataFrame) -> None:
    ends = points[["approximate", "exact"]].to_numpy(np.float64)
    axes.axline((float(ends.min()), float(ends.min())), slope=1.0, color=GREY, linewidth=0.8, zorder=0)


def _title(points: pd.DataFrame) -> str:
    (row,) = by_group(points, "all", resamples=1).to_dict("records")
    return f"{len(points)} {points.attrs['of']}: Spearman {row['spearman']:.2f}, slope {row['slope']:.2f}"
