"""The legend above the drawing: what colour, shape, size and width mean."""

from __future__ import annotations

from circuit_atlas.analysis.plots.style import INK
from circuit_atlas.dashboard.palette import NEGATIVE, NEUTRAL, POSITIVE

_ROW = "display:flex;flex-wrap:wrap;gap:2px 18px;align-items:center;font-size:0.85rem;color:#5b6270"


def legend_html(largest_effect: float, largest_weight: float, *, grouped: bool = False) -> str:
    """One line of signs and words; the two figures are the largest |effect| and |weight| drawn.

    `grouped` says that groups of features are drawn in the place of features.
    """
    signs = [
        ("━", POSITIVE, "positive"),
        ("━", NEGATIVE, "negative"),
        ("■", NEUTRAL, "group of features") if grouped else ("●", NEUTRAL, "feature"),
        ("▲", NEUTRAL, "error of a dictionary"),
        ("◆", INK, "target: the metric"),
    ]
    items = [
        f'<span><span style="color:{colour};font-weight:900">{sign}</span> {word}</span>'
        for sign, colour, word in signs
    ]
    items.append(f"<span>area: |effect|, up to {largest_effect:.3g}</span>")
    if largest_weight > 0:
        items.append(f"<span>width: |weight|, up to {largest_weight:.3g}</span>")
    items.append("<span>click a node to follow its edges, double-click to fit</span>")
    return f'<div style="{_ROW}">{"".join(items)}</div>'
