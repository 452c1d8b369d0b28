"""Draw one circuit: rows of the store → places, colours and words → one HTML page that loads nothing.

The drawing library (vis-network, as pyvis ships it) is written into the page, whose content security policy forbids
every other source. Names and tokens reach the page as data, never as markup.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader
from pyvis.network import Network

from circuit_atlas.analysis.plots.style import INK
from circuit_atlas.dashboard.layout import Canvas, Columns, Layout, Unit, lay_out
from circuit_atlas.dashboard.palette import SHAPES, edge_opacity, edge_width, node_size, sign_colour
from circuit_atlas.dashboard.records import records
from circuit_atlas.dashboard.wording import edge_hover, node_hover, node_label

GUTTER_LEFT, GUTTER_TOP = 66, 26
"""Pixels at the canvas's edges kept for the names of rows and columns."""

_CANVASES = tuple(Canvas(width=1010.0, height=height) for height in (820.0, 1150.0, 1700.0))
"""Room on an ordinary page; a larger circuit takes a taller one, so that its names stay readable."""
_READABLE = 0.68
"""Zoom from which on the names under the nodes can be read."""
_LEAST_HEIGHT = 340

_OPTIONS: dict[str, Any] = {
    "physics": {"enabled": False},
    "layout": {"improvedLayout": False},
    "interaction": {"hover": True, "tooltipDelay": 80, "dragNodes": True, "keyboard": False, "multiselect": False},
    "nodes": {
        "borderWidth": 1,
        "font": {
            "size": 10.5,
            "color": INK,
            "face": "system-ui, sans-serif",
            "strokeWidth": 3,
            "strokeColor": "#ffffff",
        },
        "scaling": {"label": {"drawThreshold": 7.5}},
    },
    "edges": {
        "smooth": {"enabled": True, "type": "cubicBezier", "forceDirection": "vertical", "roundness": 0.35},
        "arrows": {"to": {"enabled": True, "scaleFactor": 0.3}},
        "selectionWidth": 0.5,
        "hoverWidth": 0.5,
    },
}


@dataclass(frozen=True)
class Drawing:
    """What is drawn: the nodes and edges in the drawing library's terms, the layout behind them, and the height.

    Attributes:
        nodes: one mapping a node, `id` among them.
        edges: one mapping an edge (`from`, `to`), the strongest last and so on top.
        layout: places and grid.
        height: pixels the drawing needs at the width of an ordinary page.

    """

    nodes: tuple[dict[str, Any], ...]
    edges: tuple[dict[str, Any], ...]
    layout: Layout
    height: int


def draw(nodes: pd.DataFrame, edges: pd.DataFrame, columns: Columns) -> Drawing:
    """Turn rows of the queries `nodes` and `edges` into a drawing.

    Args:
        nodes: one row a node: id, kind, component, layer, feature_index, position, role, effect; label, top_tokens and
            promotes where known.
        edges: one row an edge: source, target, weight. An edge whose end is not among the nodes is left out.
        columns: what a column stands for.

    """
    rows = records(nodes)
    layout, zoom = _readable_layout([_unit(row) for row in rows], columns)
    largest_effect = max((abs(row["effect"]) for row in rows if row["kind"] != "target"), default=0.0)
    by_id = {row["id"]: row for row in rows}
    kept = [row for row in records(edges) if row["source"] in by_id and row["target"] in by_id]
    kept.sort(key=lambda row: (abs(row["weight"]), row["source"], row["target"]))
    largest_weight = max((abs(row["weight"]) for row in kept), default=0.0)
    height = layout.height * zoom + GUTTER_TOP + 8
    return Drawing(
        tuple(_node(row, layout.places[row["id"]], largest_effect) for row in rows),
        tuple(_edge(row, by_id, largest_weight) for row in kept),
        layout,
        max(round(height), _LEAST_HEIGHT),
    )


def to_html(drawing: Drawing) -> str:
    """Write a drawing as one HTML page without any reference to another file or host."""
    network = Network(height="100%", width="100%", directed=True, cdn_resources="in_line", bgcolor="#ffffff")
    for node in drawing.nodes:
        network.add_node(node["id"], **{key: value for key, value in node.items() if key != "id"})
    for edge in drawing.edges:
        network.add_edge(edge["from"], edge["to"], **{k: v for k, v in edge.items() if k not in ("from", "to")})
    network.set_options(json.dumps(_OPTIONS))
    # pyvis's own template loads style sheets from other hosts and shows titles that hold "href" as markup; ours does
    # neither, and takes only the drawing library from pyvis's folder.
    folders = [str(Path(__file__).parent), network.template_dir]
    network.templateEnv = Environment(loader=FileSystemLoader(folders), autoescape=False)
    network.templateEnv.globals["grid"] = _grid(drawing.layout)
    network.path = "graph.html"
    html: str = network.generate_html()
    return html


def _readable_layout(units: Sequence[Unit], columns: Columns) -> tuple[Layout, float]:
    """The layout on the lowest canvas on which it is readable (else on the tallest), and its zoom there."""
    for canvas in _CANVASES:
        layout = lay_out(units, columns, canvas)
        if layout.zoom(canvas) >= _READABLE:
            break
    return layout, layout.zoom(canvas)


def _unit(row: dict[str, Any]) -> Unit:
    position = row.get("position")
    return Unit(
        id=row["id"],
        component=row["component"],
        layer=int(row["layer"]),
        position=None if position is None else int(position),
        role=row.get("role"),
        effect=float(row["effect"]),
    )


def _node(row: dict[str, Any], place: tuple[float, float], largest: float) -> dict[str, Any]:
    kind, effect = row["kind"], float(row["effect"])
    colour = INK if kind == "target" else sign_colour(effect)
    return {
        "id": row["id"],
        "label": node_label(row),
        "title": node_hover(row),
        "shape": SHAPES[kind],
        "size": round(node_size(kind, effect, largest), 2),
        "color": {"background": colour, "border": colour, "highlight": colour, "hover": colour},
        "x": round(place[0], 1),
        "y": round(place[1], 1),
    }


def _edge(row: dict[str, Any], by_id: dict[str, dict[str, Any]], largest: float) -> dict[str, Any]:
    weight = float(row["weight"])
    colour, opacity = sign_colour(weight), round(edge_opacity(weight, largest), 3)
    return {
        "from": row["source"],
        "to": row["target"],
        "width": round(edge_width(weight, largest), 2),
        "title": edge_hover(by_id[row["source"]], by_id[row["target"]], weight),
        "color": {"color": colour, "highlight": colour, "hover": colour, "opacity": opacity},
        "clear": opacity,
    }


def _grid(layout: Layout) -> dict[str, Any]:
    """The grid as the page draws it: rows of every other layer are shaded."""
    shades = _shades([row.name.split()[-1] for row in layout.rows])
    return {
        "gutter": [GUTTER_LEFT, GUTTER_TOP],
        "width": max(layout.width, 1.0),
        "height": max(layout.height, 1.0),
        "rows": [
            {"name": row.name, "start": row.start, "end": row.end, "shaded": shaded}
            for row, shaded in zip(layout.rows, shades, strict=True)
        ],
        "columns": [{"name": c.name, "start": c.start, "end": c.end} for c in layout.columns],
    }


def _shades(layers: Sequence[str]) -> list[bool]:
    order = list(dict.fromkeys(layers))
    return [order.index(layer) % 2 == 1 for layer in layers]
