"""How a number looks: sign as colour, magnitude as size, width and opacity; kind as shape.

Blue and vermilion of the Okabe-Ito palette stay apart in every common form of colour blindness and in grey print.
"""

from __future__ import annotations

from math import sqrt

from circuit_atlas.analysis.plots.style import BLUE, GREY, VERMILION

POSITIVE = BLUE
NEGATIVE = VERMILION
NEUTRAL = GREY

SHAPES = {"feature": "dot", "group": "square", "error": "triangle", "target": "diamond"}
"""Shape of each kind of node in the drawing library's words."""

_SMALLEST_NODE, _LARGEST_NODE = 4.0, 17.0
_TARGET_SIZE = 20.0
_THINNEST_EDGE, _THICKEST_EDGE = 0.6, 6.0
_FAINTEST_EDGE, _CLEAREST_EDGE = 0.22, 0.85


def sign_colour(value: float) -> str:
    """Colour of a signed effect or weight; neither sign has a colour at zero."""
    if value > 0:
        return POSITIVE
    return NEGATIVE if value < 0 else NEUTRAL


def share(value: float, largest: float) -> float:
    """|value| as a share of `largest`, between 0 and 1 (0 where nothing is larger than zero)."""
    return min(abs(value) / largest, 1.0) if largest > 0 else 0.0


def node_size(kind: str, effect: float, largest: float) -> float:
    """Radius in pixels: the area grows with |effect|; the target has a size of its own."""
    if kind == "target":
        return _TARGET_SIZE
    return _SMALLEST_NODE + (_LARGEST_NODE - _SMALLEST_NODE) * sqrt(share(effect, largest))


def edge_width(weight: float, largest: float) -> float:
    """Width in pixels, growing linearly with |weight|."""
    return _THINNEST_EDGE + (_THICKEST_EDGE - _THINNEST_EDGE) * share(weight, largest)


def edge_opacity(weight: float, largest: float) -> float:
    """Opacity from faint to clear, so that the strong edges of hundreds stand out."""
    return _FAINTEST_EDGE + (_CLEAREST_EDGE - _FAINTEST_EDGE) * sqrt(share(weight, largest))
