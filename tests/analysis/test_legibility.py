"""Pictures of curves can be read: numbers do not touch, no two lines look alike, a legend explains every line."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from circuit_atlas.analysis.plots import draw_curves, draw_edge_curves
from circuit_atlas.analysis.plots.style import DASHES, DOTS, MARKERS, SERIES, beside
from circuit_atlas.analysis.plots.ticks import counts_shown
from circuit_atlas.analysis.telling import EVERY_CHOICE

Look = tuple[Any, ...]
MANY = 11
SIZES = (28, 57, 115, 230, 460, 925)
WIDE = (3, 30, 300, 3000)
LONG = "pronoun/possessive of names that are long"

PLAIN: dict[str, Any] = dict.fromkeys(EVERY_CHOICE, "x") | {"task": "t", "n_nodes": 100, "node_threshold": 0.1}
NODES: dict[str, Any] = {"completeness": 0.1, "random_95": 0.2}
EDGES: dict[str, Any] = {"permuted": 0.3, "random": 0.2}


def _value(number: int, size: float) -> dict[str, float]:
    value = 0.4 + 0.03 * number + size / 2000
    return {"faithfulness": value, "low": value - 0.1, "high": value + 0.1}


def nodes(circuits: int, errors: tuple[str, ...] = ("default", "remove"), sizes: tuple[int, ...] = SIZES) -> Figure:
    return draw_curves(
        pd.DataFrame(
            PLAIN | NODES | _value(number, size) | {"circuit": f"{LONG} {number}", "errors": mode, "n_nodes": size}
            for number in range(circuits)
            for mode in errors
            for size in sizes
        )
    )


def edges(circuits: int, errors: tuple[str, ...] = ("default",), sizes: tuple[int, ...] = SIZES) -> Figure:
    return draw_edge_curves(
        pd.DataFrame(
            PLAIN | EDGES | _value(number, size) | {"circuit": f"{LONG} {number}", "errors": mode, "n_edges": size}
            for number in range(circuits)
            for mode in errors
            for size in (*sizes, np.nan)
        ).fillna({"faithfulness": 0.9})
    )


DRAWINGS: dict[str, tuple[Any, ...]] = {
    "nodes of 1 over three decades": (nodes, 1, ("default",), WIDE),
    "edges of 8 over three decades": (edges, len(SERIES) + 1, ("default",), WIDE),
    **{f"nodes of {n}": (nodes, n) for n in (1, 3, len(SERIES), MANY)},
    **{f"edges of {n}": (edges, n) for n in (1, 3, len(SERIES), MANY)},
}


@pytest.fixture(scope="module", params=DRAWINGS)
def figure(request: pytest.FixtureRequest) -> Figure:
    """A picture as it is laid out when it is written."""
    draw, *settings = DRAWINGS[request.param]
    made: Figure = draw(*settings)
    made.draw_without_rendering()
    return made


def look(line: Any) -> Look:
    """All that tells a line from others: the dash is of the pattern given, for matplotlib names all patterns alike."""
    return line.get_color(), line.get_marker(), str(getattr(line, "_dash_pattern")), line.get_linewidth()  # noqa: B009


def explained(figure: Figure) -> list[Any]:
    return [line for legend in figure.legends for line in legend.get_lines()]


def _texts(figure: Figure) -> list[Bbox]:
    """Where letters stand, of panels and of legends."""
    shown = []
    for panel in figure.axes:
        places = ((panel.xaxis, panel.get_xlim()), (panel.yaxis, panel.get_ylim()))
        ticks = [
            tick for axis, (low, high) in places for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high
        ]
        shown += [label for tick in ticks for label in (tick.label1,) if label.get_visible()]
        shown += [panel.title, panel.xaxis.label, panel.yaxis.label]
    shown += [text for legend in figure.legends for text in legend.get_texts()]
    return [text.get_window_extent() for text in shown if text.get_text() and text.get_visible()]


def test_no_letters_touch_or_are_cut_off(figure: Figure) -> None:
    boxes = _texts(figure)
    assert len(boxes) > 6
    assert not [(one, other) for one, other in combinations(boxes, 2) if one.overlaps(other)]
    page = figure.bbox
    assert all(page.x0 <= one.x0 and one.x1 <= page.x1 and page.y0 <= one.y0 and one.y1 <= page.y1 for one in boxes)


def test_legends_stand_below_the_panels(figure: Figure) -> None:
    lowest = min(panel.get_tightbbox().y0 for panel in figure.axes)  # type: ignore[union-attr]  # all panels are visible
    assert all(legend.get_window_extent().y1 <= lowest for legend in figure.legends)


def test_no_two_lines_of_a_panel_look_alike(figure: Figure) -> None:
    for panel in figure.axes:
        looks = [look(line) for line in panel.lines if line.get_zorder() > 1.5]  # those behind are context
        assert len(looks) > 1
        assert len(set(looks)) == len(looks)


def test_a_legend_explains_every_line_once(figure: Figure) -> None:
    entries = explained(figure)
    labels = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert len(labels) == len(set(labels))
    colours = {line.get_color() for line in entries if line.get_marker() in MARKERS}
    known = {look(line)[2:] for line in entries}
    for line in (line for panel in figure.axes for line in panel.lines):
        assert look(line)[2:] in known, line.get_label()
        whole = look(line) in {look(one) for one in entries}
        lighter = {beside(colour)["color"] for colour in colours}
        assert whole or line.get_color() in colours | lighter, line.get_label()


def _size(panel: Axes) -> tuple[float, float]:
    box, dpi = panel.get_window_extent(), panel.figure.dpi
    return box.width / dpi, box.height / dpi


@pytest.mark.parametrize("draw", [nodes, edges])
def test_legends_take_no_room_from_panels(draw: Any) -> None:
    few, most = draw(1), draw(len(SERIES))
    few.draw_without_rendering()
    most.draw_without_rendering()
    assert _size(most.axes[0]) == pytest.approx(_size(few.axes[0]), rel=0.05)
    assert most.get_figheight() > few.get_figheight()


def test_circuits_that_one_panel_cannot_tell_apart_have_their_own() -> None:
    drawn = nodes(MANY)
    drawn.draw_without_rendering()
    assert len(drawn.axes) == 2 * MANY
    assert [panel.get_title().replace("\n", " ") for panel in drawn.axes[:MANY]] == [f"{LONG} {n}" for n in range(MANY)]
    assert all(_size(panel)[1] > 0.6 for panel in drawn.axes[::5])
    (own,) = (np.asarray(line.get_ydata()) for line in drawn.axes[3].lines if line.get_marker() == MARKERS[0])
    np.testing.assert_allclose(own, [_value(3, size)["faithfulness"] for size in SIZES])


def test_random_circuits_have_the_colour_of_theirs() -> None:
    drawn = nodes(3).axes[0]
    dotted = [line.get_color() for line in drawn.lines if look(line)[2] == look(Line2D([], [], **beside("k")))[2]]
    assert dotted == [beside(colour)["color"] for colour in SERIES[:3]]


def test_every_treatment_of_errors_has_its_dash() -> None:
    drawn = nodes(1, ("default", "remove", "keep", "nb_remove", "nb_resid_only"))
    assert len({look(line)[2] for line in drawn.axes[1].lines if line.get_marker() in MARKERS}) == 5
    assert DOTS not in DASHES


def test_circuits_are_told_apart_by_the_task_they_are_measured_on() -> None:
    some = [{"circuit": "c", "task": "t"}, {"circuit": "c", "task": "u"}, {"circuit": "d"}]
    rows = [PLAIN | one | _value(0, n) | {"errors": "default", "n_nodes": n} for one in some for n in SIZES]
    table = pd.DataFrame(rows)
    of_edges = draw_edge_curves(table.assign(**EDGES, n_edges=table["n_nodes"], n_nodes=9))
    for drawn, end in ((draw_curves(table.assign(**NODES)), ""), (of_edges, ", 9 nodes")):
        labels = {text.get_text() for text in drawn.legends[0].get_texts()}
        assert labels == {f"c, on t{end}", f"c, on u{end}", f"d{end}"}


@pytest.mark.parametrize(
    ("low", "high", "points", "shown"),
    [
        (90, 1100, 180, [100, 200, 500, 1000]),
        (20, 1000, 180, [100, 1000]),  # more than a decade and a half: powers of ten
        (90, 1100, 80, [100, 300, 1000]),  # a quarter of the page
        (90, 1100, 12, [200]),
        (1, 1e6, 80, [1, 10_000]),
        (1, 1e6, 90, [1, 1000, 1_000_000]),
        (210, 450, 180, [240, 300, 360, 420]),
    ],
)  # fmt: skip
def test_counts_are_shown_as_far_as_there_is_room(low: float, high: float, points: float, shown: list[float]) -> None:
    found = counts_shown(low, high, points, 8.0)
    assert found == pytest.approx(shown)
    assert all(one < other for one, other in pairwise(found))


def test_any_range_of_counts_has_a_number() -> None:
    for low, high in ((1, 2), (3, 4), (7, 8), (90, 95), (99.5, 100.5), (101, 900), (3, 70), (2, 5e7)):
        assert counts_shown(low, high, 80.0, 8.0), (low, high)
