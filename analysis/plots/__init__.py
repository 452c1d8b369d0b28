"""Pictures of what the analyses found: one look, drawn from the tables that the functions of `analysis` return."""

from __future__ import annotations

from circuit_atlas.analysis.plots.overlap import draw_overlap
from circuit_atlas.analysis.plots.style import new_axes, save

__all__ = ["draw_overlap", "new_axes", "save"]
