"""Where each node of a circuit is drawn: fixed places on a grid, computed without looking at the edges.

1. Rows are sites in the order in which the model computes them, upwards: the embedding at the bottom, then attention,
   MLP and residual of every layer that has nodes, the target on top.
2. Columns are token positions, or roles of the template in the order in which they first occur.
3. Nodes that share a cell (same row, same column) stand in lines of at most `capacity` nodes, strongest first, so
   that no two share a place. The capacity is the one with which the whole drawing is shown largest on the canvas.
4. Where columns do not fill the canvas they are widened evenly, so that a small circuit is not huddled in its middle.

Pure functions on plain values; lengths are in pixels at zoom 1, x to the right and y downwards as the canvas has them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

NODE_PITCH_X = 66.0
WIDEST_PITCH_X = 120.0
"""Least and largest distance between neighbours on one line of a cell; the room there is decides."""
NODE_PITCH_Y = 54.0
"""Distance between the lines of one cell."""
CELL_MARGIN_X = 36.0
CELL_MARGIN_Y = 18.0
SHIFT = {"attn": -14.0, "mlp": 14.0}
"""Sideways shift of a row, so that an edge past a row does not run through that row's nodes."""

_TARGET = "target"
_COMPONENTS = ("embed", "attn", "mlp", "resid", _TARGET)
_ALL_POSITIONS = "all positions"
_NO_ROLE = "no role"


class Columns(StrEnum):
    """What a column of the drawing stands for."""

    POSITION = "position"
    ROLE = "role"


@dataclass(frozen=True)
class Unit:
    """What the layout has to know of a node.

    Attributes:
        id: its key.
        component: embed, attn, mlp, resid or target.
        layer: -1 for the embedding, n_layers for the target.
        position: token position, None where positions are summed.
        role: name of the position in the template, if it has one.
        effect: indirect effect; the strongest of a cell comes first.

    """

    id: str
    component: str
    layer: int
    position: int | None
    role: str | None
    effect: float


@dataclass(frozen=True)
class Band:
    """One row or column of the grid: its name and its extent along its axis."""

    name: str
    start: float
    end: float

    @property
    def middle(self) -> float:
        """The centre of the band."""
        return (self.start + self.end) / 2


@dataclass(frozen=True)
class Canvas:
    """Room for the drawing in pixels: its width, and the height it may grow to."""

    width: float
    height: float


@dataclass(frozen=True)
class Layout:
    """Places of the nodes (`id` → x, y), and the grid's rows (top first) and columns (left first)."""

    places: dict[str, tuple[float, float]]
    rows: tuple[Band, ...]
    columns: tuple[Band, ...]

    @property
    def width(self) -> float:
        """Extent of the grid to the right."""
        return self.columns[-1].end if self.columns else 0.0

    @property
    def height(self) -> float:
        """Extent of the grid downwards."""
        return self.rows[-1].end if self.rows else 0.0

    def zoom(self, canvas: Canvas) -> float:
        """The zoom at which the whole grid fits the canvas (at most 1: a drawing is not blown up)."""
        return _zoom(self.width, self.height, canvas)


def row_name(component: str, layer: int) -> str:
    """Name of a row: `embed`, `attn 0`, …, `target`."""
    return component if component in ("embed", _TARGET) else f"{component} {layer}"


_Rank = tuple[int, int]
_Cells = dict[tuple[_Rank, Hashable], list[Unit]]


def lay_out(units: Sequence[Unit], columns: Columns, canvas: Canvas) -> Layout:
    """Place the units of one circuit for the canvas.

    The target spans all columns: it stands above their middle, whatever its position.
    """
    ranks = sorted({_row_rank(unit) for unit in units}, reverse=True)
    keys, column_names = _columns_of(units, columns)
    cells: _Cells = defaultdict(list)
    for unit in sorted(units, key=lambda u: (-abs(u.effect), u.id)):
        cells[_row_rank(unit), _column_key(unit, columns)].append(unit)
    shape = _Shape({cell: len(members) for cell, members in cells.items()}, ranks, keys)
    capacity = max(range(shape.fullest, 0, -1), key=lambda k: shape.zoom(k, canvas))
    row_names = {_row_rank(unit): row_name(unit.component, unit.layer) for unit in units}
    grid_rows = _bands([row_names[rank] for rank in ranks], shape.heights(capacity))
    grid_columns = _bands(column_names, _widened(shape.widths(capacity), canvas.width / shape.zoom(capacity, canvas)))
    row_at = dict(zip(ranks, grid_rows, strict=True))
    column_at = dict(zip(keys, grid_columns, strict=True))
    column_at[_TARGET] = Band("", 0.0, grid_columns[-1].end if grid_columns else 0.0)
    widest = shape.widest(capacity)
    places: dict[str, tuple[float, float]] = {}
    for (rank, key), members in cells.items():
        x = column_at[key].middle + SHIFT.get(members[0].component, 0.0)
        pitch = _pitch(column_at[key], widest[key])
        places |= _fill(members, (x, row_at[rank].middle), pitch, capacity)
    return Layout(places, grid_rows, grid_columns)


def _row_rank(unit: Unit) -> _Rank:
    return (unit.layer, _COMPONENTS.index(unit.component))


def _column_key(unit: Unit, columns: Columns) -> Hashable:
    if unit.component == _TARGET:
        return _TARGET
    return (unit.position,) if columns is Columns.POSITION else (unit.role,)


def _columns_of(units: Iterable[Unit], columns: Columns) -> tuple[list[Hashable], list[str]]:
    """Keys and names of the columns from left to right; a nameless column comes last."""
    inner = [unit for unit in units if unit.component != _TARGET]
    if columns is Columns.POSITION:
        positions = sorted({unit.position for unit in inner}, key=lambda p: (p is None, p or 0))
        return [(p,) for p in positions], [_position_name(p, inner) for p in positions]
    first: dict[str | None, float] = {}
    for unit in inner:
        at = float("inf") if unit.position is None else float(unit.position)
        first[unit.role] = min(at, first.get(unit.role, float("inf")))
    roles = sorted(first, key=lambda role: (role is None, first[role], role or ""))
    nameless = _ALL_POSITIONS if all(unit.position is None for unit in inner) else _NO_ROLE
    return [(role,) for role in roles], [role or nameless for role in roles]


def _position_name(position: int | None, units: Iterable[Unit]) -> str:
    if position is None:
        return _ALL_POSITIONS
    roles = {unit.role for unit in units if unit.position == position}
    role = roles.pop() if len(roles) == 1 else None
    return f"{position} · {role}" if role else str(position)


@dataclass(frozen=True)
class _Shape:
    """How many nodes each cell holds, and what extents of rows and columns follow from a line's capacity."""

    sizes: dict[tuple[_Rank, Hashable], int]
    ranks: Sequence[_Rank]
    keys: Sequence[Hashable]

    @property
    def fullest(self) -> int:
        return max(self.sizes.values(), default=1)

    def zoom(self, capacity: int, canvas: Canvas) -> float:
        return _zoom(sum(self.widths(capacity)), sum(self.heights(capacity)), canvas)

    def widest(self, capacity: int) -> dict[Hashable, int]:
        """Nodes on the fullest line of each column."""
        widest: dict[Hashable, int] = defaultdict(lambda: 1)
        for (_, key), size in self.sizes.items():
            widest[key] = max(widest[key], _per_line(size, capacity))
        return widest

    def widths(self, capacity: int) -> list[float]:
        widest = self.widest(capacity)
        return [widest[key] * NODE_PITCH_X + CELL_MARGIN_X for key in self.keys]

    def heights(self, capacity: int) -> list[float]:
        tallest: dict[_Rank, int] = defaultdict(lambda: 1)
        for (rank, _), size in self.sizes.items():
            tallest[rank] = max(tallest[rank], _lines(size, capacity))
        return [tallest[rank] * NODE_PITCH_Y + CELL_MARGIN_Y for rank in self.ranks]


def _lines(size: int, capacity: int) -> int:
    return -(-size // capacity)


def _per_line(size: int, capacity: int) -> int:
    """Nodes on the fullest line when `size` nodes stand in lines as even as can be."""
    return -(-size // _lines(size, capacity))


def _zoom(width: float, height: float, canvas: Canvas) -> float:
    return min(canvas.width / max(width, 1.0), canvas.height / max(height, 1.0), 1.0)


def _widened(widths: Sequence[float], wanted: float) -> list[float]:
    factor = max(wanted / max(sum(widths), 1.0), 1.0)
    return [width * factor for width in widths]


def _bands(names: Sequence[str], lengths: Sequence[float]) -> tuple[Band, ...]:
    ends = list(accumulate(lengths))
    return tuple(Band(name, end - length, end) for name, length, end in zip(names, lengths, ends, strict=True))


def _pitch(column: Band, widest: int) -> float:
    """Distance between neighbours in a column whose fullest line holds `widest` nodes."""
    room = (column.end - column.start - CELL_MARGIN_X) / widest
    return min(max(room, NODE_PITCH_X), WIDEST_PITCH_X)


def _fill(
    members: Sequence[Unit], middle: tuple[float, float], pitch: float, capacity: int
) -> dict[str, tuple[float, float]]:
    """Places of the nodes of one cell around its middle, in even lines of at most `capacity`."""
    lines, per_line = _lines(len(members), capacity), _per_line(len(members), capacity)
    places = {}
    for index, unit in enumerate(members):
        line, along = divmod(index, per_line)
        here = min(per_line, len(members) - line * per_line)
        places[unit.id] = (
            middle[0] + (along - (here - 1) / 2) * pitch,
            middle[1] + (line - (lines - 1) / 2) * NODE_PITCH_Y,
        )
    return places
