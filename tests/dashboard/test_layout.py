"""Places of nodes: rows and columns in the right order, no two nodes near one another, the canvas used."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuit_atlas.dashboard.layout import NODE_PITCH_X, NODE_PITCH_Y, Canvas, Columns, Layout, Unit, lay_out

CANVAS = Canvas(1000.0, 800.0)
TARGET = Unit("target", "target", 2, None, None, 0.0)


def unit(
    name: str, component: str, layer: int, position: int | None, role: str | None = None, effect: float = 1.0
) -> Unit:
    return Unit(name, component, layer, position, role, effect)


FOUR = [
    unit("e", "embed", -1, 0, "name"),
    unit("a", "attn", 0, 1, "verb"),
    unit("m", "mlp", 0, 1, "verb"),
    unit("r", "resid", 1, 4, "name"),
    TARGET,
]


def names(bands: tuple[object, ...]) -> list[str]:
    return [band.name for band in bands]  # type: ignore[attr-defined]


def test_rows_follow_the_computation_from_the_embedding_at_the_bottom_to_the_target_on_top() -> None:
    layout = lay_out(FOUR, Columns.POSITION, CANVAS)

    assert names(layout.rows) == ["target", "resid 1", "mlp 0", "attn 0", "embed"]
    heights = [layout.places[name][1] for name in ("target", "r", "m", "a", "e")]
    assert heights == sorted(heights)


def test_columns_by_position_are_in_the_order_of_the_text_and_name_its_role() -> None:
    layout = lay_out(FOUR, Columns.POSITION, CANVAS)

    assert names(layout.columns) == ["0 · name", "1 · verb", "4 · name"]
    assert layout.places["e"][0] < layout.places["a"][0] < layout.places["r"][0]


def test_columns_by_role_pool_the_positions_of_a_role() -> None:
    layout = lay_out(FOUR, Columns.ROLE, CANVAS)

    assert names(layout.columns) == ["name", "verb"]
    assert layout.places["e"][0] == layout.places["r"][0] < layout.places["a"][0]


def test_a_position_of_two_roles_is_named_by_its_number_and_no_role_comes_last() -> None:
    mixed = [unit("x", "mlp", 0, 3, "name"), unit("y", "attn", 0, 3, "verb"), unit("z", "mlp", 1, 0)]

    assert names(lay_out(mixed, Columns.POSITION, CANVAS).columns) == ["0", "3"]
    assert names(lay_out(mixed, Columns.ROLE, CANVAS).columns) == ["name", "verb", "no role"]


@pytest.mark.parametrize("columns", list(Columns))
def test_summed_positions_stand_in_one_column(columns: Columns) -> None:
    layout = lay_out([unit("x", "mlp", 0, None), unit("y", "mlp", 0, None), TARGET], columns, CANVAS)

    assert names(layout.columns) == ["all positions"]


def test_the_target_stands_above_the_middle_of_all_columns() -> None:
    layout = lay_out(FOUR, Columns.POSITION, CANVAS)

    assert layout.places["target"][0] == pytest.approx(layout.width / 2)


def test_nodes_of_one_cell_start_with_the_strongest() -> None:
    weak, strong, middling = (unit(n, "mlp", 0, 0, effect=e) for n, e in (("w", 0.1), ("s", -3.0), ("m", 1.0)))
    places = lay_out([weak, strong, middling], Columns.POSITION, CANVAS).places

    assert sorted(places, key=lambda n: (places[n][1], places[n][0])) == ["s", "m", "w"]


def test_a_few_columns_are_widened_to_fill_the_canvas() -> None:
    assert lay_out(FOUR, Columns.POSITION, CANVAS).width == pytest.approx(CANVAS.width)


def test_a_lone_target_and_nothing_at_all_have_a_layout() -> None:
    assert list(lay_out([TARGET], Columns.POSITION, CANVAS).places) == ["target"]
    assert lay_out([], Columns.ROLE, CANVAS).places == {}


def test_a_crowded_cell_is_broken_into_lines_of_a_legible_drawing() -> None:
    crowd = [unit(f"u{i}", "mlp", 0, 0, effect=float(i)) for i in range(100)]
    layout = lay_out(crowd, Columns.POSITION, CANVAS)

    assert layout.zoom(CANVAS) > 0.8  # one line of 100 would be shown at 0.15, one pile of 100 lines likewise
    assert len({y for _, y in layout.places.values()}) > 5


UNITS = st.lists(
    st.tuples(
        st.sampled_from([("embed", -1), ("attn", 0), ("mlp", 0), ("resid", 0), ("attn", 1), ("mlp", 1), ("resid", 1)]),
        st.one_of(st.none(), st.integers(0, 6)),
        st.one_of(st.none(), st.sampled_from(["subject", "verb"])),
        st.floats(-2, 2),
    ),
    max_size=60,
)


def laid_out(drawn: list[tuple[tuple[str, int], int | None, str | None, float]], columns: Columns) -> Layout:
    units = [unit(f"u{i}", *site, position, role, effect) for i, (site, position, role, effect) in enumerate(drawn)]
    return lay_out([*units, TARGET], columns, CANVAS)


@given(UNITS, st.sampled_from(list(Columns)))
def test_no_two_nodes_are_nearer_than_the_pitch(
    drawn: list[tuple[tuple[str, int], int | None, str | None, float]], columns: Columns
) -> None:
    layout = laid_out(drawn, columns)

    for (x, y), (v, w) in combinations(layout.places.values(), 2):
        assert abs(x - v) > NODE_PITCH_X - 1e-6 or abs(y - w) > NODE_PITCH_Y - 1e-6


@given(UNITS, st.sampled_from(list(Columns)))
def test_every_node_stands_inside_its_row(
    drawn: list[tuple[tuple[str, int], int | None, str | None, float]], columns: Columns
) -> None:
    layout = laid_out(drawn, columns)
    rows = {band.name: band for band in layout.rows}

    for index, (site, *_) in enumerate(drawn):
        row = rows["embed" if site[0] == "embed" else f"{site[0]} {site[1]}"]
        assert row.start < layout.places[f"u{index}"][1] < row.end
