"""Pictures of what the analyses found: one look, drawn from the tables that the functions of `analysis` return."""

from __future__ import annotations

from circuit_atlas.analysis.plots.curves import draw_curves
from circuit_atlas.analysis.plots.edge_curves import draw_edge_curves
from circuit_atlas.analysis.plots.exactness import draw_exactness
from circuit_atlas.analysis.plots.overlap import draw_overlap
from circuit_atlas.analysis.plots.style import new_axes, save, styled

__all__ = ["draw_curves", "draw_edge_curves", "draw_exactness", "draw_overlap", "new_axes", "save", "styled"]
