"""The overlap of all circuits as a heat map, with the tree of their clustering beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.plots.style import INK, PAGE_WIDTH, save, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from circuit_atlas.analysis.overlap import Overlap

COLOURS = "cividis"
"""Sequential, even in lightness, and read alike with and without red-green blindness (Nuñez and others 2018)."""

WRITTEN = 14
"""Circuits up to which each cell has its share written into it."""

NUMBERED = 30
"""Circuits up to which columns have the numbers of the rows."""

NAMED = 80
"""Circuits up to which rows have names."""


def draw_overlap(found: Overlap, path: Path) -> Path:
    """Draw the clustered matrix with its dendrogram and write it in the form that the file's name asks for.

    Raises:
        QueryError: the file's name ends in none of the forms, or it cannot be written.

    """
    return save(overlap_figure(found), path)


@styled
def overlap_figure(found: Overlap) -> Figure:
    """Return the picture: the tree on the left, the matrix in the tree's order, a scale of colours on the right."""
    n = len(found.order)
    height = float(np.clip(1.2 + 0.26 * n, 2.2, 8.5))
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE_WIDTH, height), layout="constrained")
    tree, cells = figure.subplots(1, 2, width_ratios=(1, 4))
    _tree(found, tree)
    image = _cells(found, cells)
    scale = figure.colorbar(image, ax=cells, shrink=0.8)
    about = found.matrix.attrs["compared"]
    scale.set_label(f"{about['measure'].replace('_', ' ')} of {about['of']}, level {about['level']}")
    scale.outline.set_visible(False)
    return figure


def _tree(found: Overlap, axes: Axes) -> None:
    from scipy.cluster.hierarchy import dendrogram

    axes.set_axis_off()
    if len(found.order) < 2:
        return
    drawn = dendrogram(found.tree, no_plot=True, orientation="left")
    for heights, places in zip(drawn["dcoord"], drawn["icoord"], strict=True):
        # SciPy puts leaf k at 10 k + 5.
        axes.plot(heights, [(place - 5.0) / 10.0 for place in places], color=INK, linewidth=0.9)
    axes.set_xlim(max(1e-9, float(found.tree[:, 2].max())) * 1.05, 0.0)
    axes.set_ylim(len(found.order) - 0.5, -0.5)


def _cells(found: Overlap, axes: Axes) -> AxesImage:
    values = found.clustered.to_numpy(np.float64)
    n = len(values)
    least = min(0.0, float(np.nanmin(values)))
    image = axes.imshow(values, cmap=COLOURS, vmin=least, vmax=1.0, aspect="auto", interpolation="nearest")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    names = found.order if n <= NAMED else []
    axes.set_yticks(
        range(len(names)), [f"{name}  {k}" if n <= NUMBERED else name for k, name in enumerate(names, start=1)]
    )
    axes.set_xticks(range(len(names)) if n <= NUMBERED else [], [str(k + 1) for k in range(n)] if n <= NUMBERED else [])
    if n <= WRITTEN:
        for row, column in np.ndindex(n, n):
            dark = not values[row, column] > least + 0.55 * (1.0 - least)
            text = "" if np.isnan(values[row, column]) else f"{values[row, column]:.2f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=6, color="white" if dark else INK)
    return image
