"""The legend above the drawing: what colour, shape, size and width mean."""

from __future__ import annotations

from circuit_atlas.dashboard.palette import INK, NEGATIVE, NEUTRAL, POSITIVE

_ROW = "display:flex;flex-wrap:wrap;gap:4px 20px;align-items:center;font-size:0.85rem;color:#5b6270"


def legend_html(largest_effect: float, largest_weight: float) -> str:
    """One line of signs and words; the two figures are the largest |effect| and |weight| drawn."""
    signs = [
        (_line(POSITIVE), "positive"),
        (_line(NEGATIVE), "negative"),
        (_sign(f'<circle cx="8" cy="8" r="6" fill="{NEUTRAL}"/>'), "feature"),
        (_sign(f'<path d="M8 1 L15 14 H1 Z" fill="{NEUTRAL}"/>'), "error of a dictionary"),
        (_sign(f'<path d="M8 1 L15 8 L8 15 L1 8 Z" fill="{INK}"/>'), "target (the metric)"),
    ]
    sizes = [f"area: |effect|, up to {largest_effect:.3g}"]
    if largest_weight > 0:
        sizes.append(f"width: |weight|, up to {largest_weight:.3g}")
    items = [f"<span>{sign} {word}</span>" for sign, word in signs] + [f"<span>{size}</span>" for size in sizes]
    return f'<div style="{_ROW}">{"".join(items)}</div>'


def _sign(shape: str) -> str:
    return f'<svg width="16" height="16" style="vertical-align:-3px">{shape}</svg>'


def _line(colour: str) -> str:
    return _sign(f'<rect x="0" y="5" width="16" height="6" rx="3" fill="{colour}"/>')
