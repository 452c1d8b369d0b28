"""What is drawn of a circuit: colours, sizes, shapes, words, and a page that loads nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import pytest

from circuit_atlas.dashboard.graph_view import Drawing, draw, to_html
from circuit_atlas.dashboard.layout import Columns
from circuit_atlas.dashboard.legend import legend_html
from circuit_atlas.dashboard.palette import (
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    edge_opacity,
    edge_width,
    node_size,
    sign_colour,
)
from circuit_atlas.dashboard.wording import as_text, clipped, node_hover, node_label, unit_name
from tests.dashboard.frames import big_frames


def node(name: str, kind: str = "feature", effect: float = 1.0, **more: Any) -> dict[str, Any]:
    component, layer = ("target", 1) if kind == "target" else ("mlp", 0)
    index = 7 if kind == "feature" else None
    known = {"id": name, "kind": kind, "component": component, "layer": layer, "feature_index": index, "effect": effect}
    return dict.fromkeys(("position", "role", "label", "top_tokens", "promotes", "effect_se")) | known | more


def drawn(nodes: list[dict[str, Any]], edges: list[tuple[str, str, float]]) -> Drawing:
    return draw(pd.DataFrame(nodes), pd.DataFrame(edges, columns=["source", "target", "weight"]), Columns.POSITION)


THREE = drawn(
    [node("f", effect=-2.0), node("e", "error", effect=0.5), node("t", "target", effect=0.0)],
    [("f", "t", -2.0), ("e", "t", 0.5), ("f", "absent", 9.0)],
)


def test_a_group_is_a_square_under_its_own_name() -> None:
    (group, _) = drawn([node("g", "group", label="417+3"), node("t", "target")], [("g", "t", 1.0)]).nodes
    assert (group["shape"], group["label"]) == ("square", "417+3")
    assert group["title"].splitlines()[0] == "mlp_0/417+3"
    assert "group of features" in legend_html(1.0, 1.0, grouped=True)
    assert "group" not in legend_html(1.0, 1.0)


def test_sign_is_colour_and_nothing_else_is() -> None:
    assert [sign_colour(value) for value in (0.1, -0.1, 0.0)] == [POSITIVE, NEGATIVE, NEUTRAL]


def contrast(colour: str, other: str) -> float:
    """The ratio of luminances of WCAG 2, section 1.4.3."""

    def luminance(code: str) -> float:
        parts = [int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(colour), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_both_signs_stand_out_from_the_page_and_differ_in_red_against_blue() -> None:
    assert contrast(POSITIVE, "#ffffff") > 3
    assert contrast(NEGATIVE, "#ffffff") > 3
    # Red-green blindness leaves the difference of yellow to blue: one colour has all its blue, the other none.
    assert int(POSITIVE[5:], 16) > 150
    assert int(NEGATIVE[5:], 16) < 50


def test_sizes_grow_with_magnitude_whatever_the_sign() -> None:
    assert node_size("feature", -4.0, 4.0) > node_size("error", 1.0, 4.0) > node_size("feature", 0.0, 4.0) > 0
    assert edge_width(-1.0, 1.0) > edge_width(0.5, 1.0) > edge_width(0.0, 0.0) > 0
    assert 0 < edge_opacity(0.0, 1.0) < edge_opacity(-1.0, 1.0) <= 1


def test_features_errors_and_the_target_have_shapes_of_their_own() -> None:
    assert {n["id"]: n["shape"] for n in THREE.nodes} == {"f": "dot", "e": "triangle", "t": "diamond"}


def test_the_strongest_edge_is_drawn_last_and_edges_without_an_end_are_left_out() -> None:
    assert [(e["from"], e["to"]) for e in THREE.edges] == [("e", "t"), ("f", "t")]
    assert [e["color"]["color"] for e in THREE.edges] == [POSITIVE, NEGATIVE]


def test_hovering_says_unit_place_effect_and_tokens() -> None:
    row = node("f", effect=-0.25, effect_se=0.01, position=3, role="verb", top_tokens=[" she", "her"], promotes=["is"])

    assert node_hover(row).splitlines() == [
        "mlp_0/7",
        "position 3 (verb)",
        "effect −0.25 ± 0.01 (standard error)",
        "fires on “␣she”, “her”",
        "promotes “is”",
    ]


@pytest.mark.parametrize(
    ("row", "label"),
    [
        (node("f", label="plural subject"), "plural su…"),
        (node("f", top_tokens=[" she"]), "7 she"),
        (node("f"), "7"),
        (node("e", "error"), "error"),
        (node("t", "target"), "target"),
    ],
)
def test_a_node_is_named_by_its_label_else_by_index_and_token(row: dict[str, Any], label: str) -> None:
    assert node_label(row) == label


def test_units_are_named_as_the_field_names_them() -> None:
    embed = node("x") | {"component": "embed", "layer": -1}
    assert [unit_name(row) for row in (node("f"), node("e", "error"), embed)] == ["mlp_0/7", "mlp_0/error", "embed/7"]
    assert clipped("four", 4) == "four"


def test_names_are_shown_as_they_are_written() -> None:
    assert as_text("a_b*c [d] $e$") == r"a\_b\*c \[d\] \$e\$"


class References(HTMLParser):
    """Everything in a page that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href", "srcset", "data", "action")]


def test_the_page_refers_to_nothing_outside_itself_and_forbids_it() -> None:
    html = to_html(THREE)
    references = References()
    references.feed(html)

    assert references.found == []
    assert not re.findall(r"@import|url\(\s*['\"]?(?!['\"]?data:)", html)
    assert "default-src 'none'" in html


def test_tokens_are_never_markup() -> None:
    wicked = drawn([node("f", label="</script><b>", top_tokens=["<img src=x href=y>"]), node("t", "target")], [])
    html = to_html(wicked)

    assert "</script><b>" not in html
    assert "<img" not in html
    assert "innerHTML = nodeData" not in html  # the drawing library's own way with titles that hold "href"


def test_hundreds_of_nodes_take_a_taller_page() -> None:
    few, many = (draw(*big_frames(n, 2 * n), Columns.POSITION).height for n in (20, 400))
    assert few < 900 < many < 1800
