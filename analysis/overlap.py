"""How much every two circuits share: a matrix, clustered, with what chance alone would make of each pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.graph import Floats
from circuit_atlas.analysis.null import DRAWS, chances, fetch_choices, require_count
from circuit_atlas.analysis.ranks import false_discovery
from circuit_atlas.analysis.result import Asked, Column, tabulate
from circuit_atlas.analysis.sharing.levels import comparable_pairs, hindered, read_placed
from circuit_atlas.analysis.sharing.many import clustered, read_all
from circuit_atlas.analysis.sharing.matching import Choice
from circuit_atlas.analysis.sharing.matrix import Sums, rank_correlations, sums
from circuit_atlas.analysis.sharing.pair import Cut
from circuit_atlas.analysis.sharing.uses import FIRST_TOKEN_CHOICES, LEVELS, Uses
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

MEASURES = {
    "jaccard": "shared units over units of either",
    "weighted_jaccard": "the smaller absolute effect of each unit, summed, over the larger",
    "containment": "the share of the row's units that the column has too",
    "weighted_containment": "the share of the row's absolute effect that lies in units of the column too",
    "same_sign": "the share of shared units whose effects have the same sign; null where none are shared",
    "rank_correlation": "Spearman's, of absolute effects over shared units; null where fewer than three are shared",
}
"""What a cell may hold."""

_NEEDS = {"weighted_jaccard": ("smaller",), "weighted_containment": ("shared",), "same_sign": ("n_same_sign",)}
"""Sums that a measure needs beside the number shared."""

PAIR_COLUMNS = {
    "circuit_a": Column("string", "", "name of one circuit"),
    "circuit_b": Column("string", "", "name of the other"),
    "n_a": Column("integer", "", "features or edges of the one"),
    "n_b": Column("integer", "", "features or edges of the other"),
    "n_shared": Column("integer", "", "of both"),
    "value": Column("float", "", "the measure that was asked for; of containment, of the one in the other"),
    "expected": Column("float", "", "mean of the figure that was tested, under the null; null without one"),
    "z": Column("float", "", "the figure's distance from it, in standard deviations under the null"),
    "p_value": Column("float", "", "mid-p value of sharing as much or more under the null"),
    "q_value": Column("float", "", "Benjamini and Hochberg's, over all pairs that have a p-value"),
}


MOST_TESTED = 2_000
"""Pairs up to which all are compared with the null unasked."""

Tested = tuple[float, float, float]
"""Expected, z and p-value of one pair."""

UNTESTED: Tested = (float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Overlap:
    """How much every two circuits share.

    Attributes:
        matrix: shares, circuits by name, rows and columns in the same order.
        pairs: a row a pair of circuits of the same model and dictionaries that can be compared at the level, those
            most alike first, columns as in `PAIR_COLUMNS`; `attrs["tested"]` says whether they were compared with the
            null, `attrs["without_null"]` names circuits stored without what was active on their data,
            `attrs["without_role"]` counts of each circuit the nodes left out at level role for want of one, and
            `attrs["left_out"]` says of each pair that cannot be compared at the level why.

    """

    matrix: pd.DataFrame
    pairs: pd.DataFrame
    _tree: tuple[list[int], Floats] = field(repr=False)

    @property
    def order(self) -> list[str]:
        """Names in an order in which like circuits stand together: average linkage on one less the share."""
        names = [str(name) for name in self.matrix.columns]
        return [names[place] for place in self._tree[0]]

    @property
    def tree(self) -> Floats:
        """SciPy's linkage matrix of that clustering, shape [circuits - 1, 4], leaves in the order of the matrix."""
        return self._tree[1]

    @cached_property
    def clustered(self) -> pd.DataFrame:
        """The matrix with like circuits beside each other."""
        found = self.matrix.loc[self.order, self.order]
        found.attrs = self.matrix.attrs
        return found


def overlap_matrix(
    store: Store,
    level: str = "feature",
    *,
    of: str = "nodes",
    measure: str = "jaccard",
    first_token: str = "drop",
    node_threshold: float = 0.0,
    edge_threshold: float = 0.0,
    size: int | None = None,
    derived: str = "drop",
) -> pd.DataFrame:
    """Compare all circuits of a store pair by pair, on features or on edges between features.

    Args:
        store: where the circuits are.
        level: where two count as the same: feature (positions pooled by signed sum), role, or position.
        of: nodes or edges.
        measure: one of `MEASURES`.
        first_token: drop, keep or only what is at the first token of the input.
        node_threshold: features of larger absolute pooled effect (of edges: ends of larger absolute effect).
        edge_threshold: edges of larger absolute pooled weight (units of the metric).
        size: of each circuit the so many strongest features, or edges; all where it has fewer.
        derived: drop or keep circuits made of others, which share with those by the way they were made.

    Returns:
        a square matrix of shares, circuits by name; 0 where a pair shares nothing, 1 on the diagonal, null where two
        circuits cannot be compared at the level, as `compare` would refuse them: `attrs["left_out"]` says why, one line
        a pair.

    Raises:
        QueryError: an argument is none of those named, there are no circuits, a circuit's selection forbids the
            thresholds, these leave no circuit anything, or no two circuits can be compared at the level.

    """
    cut = _cut(of, node_threshold, edge_threshold, size)
    return _measured(store, level, of, measure, first_token, cut, derived).matrix


def overlap(
    store: Store,
    level: str = "feature",
    *,
    of: str = "nodes",
    measure: str = "jaccard",
    node_threshold: float = 0.0,
    edge_threshold: float = 0.0,
    size: int | None = None,
    null: bool | None = None,
    count: int = DRAWS,
    seed: int = 0,
    derived: str = "drop",
) -> Overlap:
    """Compare all circuits pair by pair, cluster them, and say which pairs share more than chance would make them.

    What is at the first token of the input, errors and the target take no part.

    Args:
        store: where the circuits are.
        level: as of `overlap_matrix`.
        of: nodes or edges.
        measure: one of `MEASURES`; the null tests weighted_jaccard where a weighted measure is asked for, else the
            number shared.
        node_threshold: as of `overlap_matrix`.
        edge_threshold: as of `overlap_matrix`.
        size: as of `overlap_matrix`.
        null: whether to compare with the null, pair by pair (without a word, where there are at most `MOST_TESTED`
            pairs: each takes some hundredths of a second, where draws are needed a second); circuits stored without
            what was active have none.
        count: draws of the null, where it has no exact tail.
        seed: seed of the draws and of each pair's.
        derived: as of `overlap_matrix`.

    Raises:
        QueryError: as of `overlap_matrix`, or count is less than 1.

    """
    require_count(count)
    cut = _cut(of, node_threshold, edge_threshold, size)
    measured = _measured(store, level, of, measure, "drop", cut, derived)
    matrix, uses, asked = measured.matrix, measured.uses, measured.asked
    names = [str(name) for name in matrix.columns]
    pairs = measured.pairs
    found, without = dict.fromkeys(pairs, UNTESTED), list[str]()
    tested_all = len(pairs) <= MOST_TESTED if null is None else null
    if tested_all and pairs:
        choices, without, more = fetch_choices(store, uses, names)
        tested = _Tested(of, "weighted_jaccard" if "weighted" in measure else "n_shared", count, seed)
        found = tested.pairs(uses, choices, pairs)
        asked = (*asked, *more)
    rows = _pair_rows(matrix, measured.total, found)
    about = {"measure": measure, "of": of, "level": level, **cut.params}
    said = {"compared": about, "tested": tested_all, "without_null": without}
    said |= {name: matrix.attrs[name] for name in ("left_out", "without_role")}
    table = tabulate(PAIR_COLUMNS, rows, asked, **said)
    return Overlap(matrix, table, clustered(matrix.to_numpy(np.float64)))


def _pair_rows(matrix: pd.DataFrame, total: Sums, found: Mapping[tuple[int, int], Tested]) -> list[tuple[Any, ...]]:
    """Return the rows of `PAIR_COLUMNS`, those most alike first."""
    names, cells = [str(name) for name in matrix.columns], matrix.to_numpy(np.float64)
    q_values = false_discovery(np.array([p for _, _, p in found.values()]))
    rows = [
        (
            *(names[a], names[b], int(total.n_shared[a, a]), int(total.n_shared[b, b])),
            *(int(total.n_shared[a, b]), float(cells[a, b]), *tested, float(q)),
        )
        for ((a, b), tested), q in zip(found.items(), q_values, strict=True)
    ]
    return sorted(rows, key=lambda row: (-np.nan_to_num(round(row[5], 12), nan=-2.0), row[0], row[1]))


@dataclass(frozen=True)
class _Tested:
    """What the null of many pairs is asked with."""

    of: str
    figure: str
    count: int
    seed: int

    def pairs(
        self, uses: Uses, choices: Mapping[int, Choice], pairs: Sequence[tuple[int, int]]
    ) -> dict[tuple[int, int], Tested]:
        """Return expected, z and p-value of each pair; NaN of circuits that have no null."""
        found = dict.fromkeys(pairs, UNTESTED)
        for a, b in pairs:
            if a in choices and b in choices:
                both = choices[a], choices[b]
                some, of = uses.pair(a, b), {"of": self.of, "figure": self.figure}
                (one,) = chances(some, some, both, self.count, (self.seed, a, b), **of)
                found[a, b] = (one.expected, one.z, one.p_value)
        return found


def _cut(of: str, node_threshold: float, edge_threshold: float, size: int | None) -> Cut:
    sizes = {"size": size} if of == "nodes" else {"edge_size": size}
    return Cut(node_threshold, edge_threshold, **sizes)


@dataclass(frozen=True)
class _Measured:
    """The matrix of a measure with what it comes from.

    Attributes:
        matrix: shares, circuits by name.
        total: the sums they are made of.
        uses: what each circuit uses.
        pairs: places of every two circuits that can be compared, in the order of the matrix.
        asked: the queries.

    """

    matrix: pd.DataFrame
    total: Sums
    uses: Uses
    pairs: list[tuple[int, int]]
    asked: tuple[Asked, ...]


def _measured(store: Store, level: str, of: str, measure: str, first_token: str, cut: Cut, derived: str) -> _Measured:
    import pandas as pd

    for name, value, known in (
        *(("of", of, ("nodes", "edges")), ("measure", measure, tuple(MEASURES)), ("level", level, LEVELS)),
        ("first_token", first_token, FIRST_TOKEN_CHOICES),
    ):
        if value not in known:
            raise QueryError(f"{name} is {value!r}; choose one of {', '.join(known)}")
    heads = store.query("comparable", derived=derived)
    names = heads["circuit"].tolist()
    placed, more = read_placed(store, heads, level, together=True)
    every = comparable_pairs(heads)
    left_out = hindered(placed, every, level)
    if every and len(left_out) == len(every):
        raise QueryError(f"no two circuits can be compared at level {level!r}: {left_out[every[0]]}")
    uses, asked = read_all(store, heads, level, cut, of=of, first_token=first_token)
    asked = (*asked, *more)
    total = sums(uses, len(names), _NEEDS.get(measure, ()))
    cells = _cells(measure, total, uses)
    for a, b in left_out:
        cells[a, b] = cells[b, a] = np.nan
    matrix = pd.DataFrame(cells, index=pd.Index(names, name="circuit"), columns=names)
    params = {"level": level, "of": of, "measure": measure, "first_token": first_token, **cut.params}
    matrix.attrs = tabulate({}, [], asked).attrs | {
        "compared": params,
        "left_out": list(left_out.values()),
        "without_role": {one.name: one.n_without_role for one in placed if one.n_without_role},
        "units": dict.fromkeys(names, "share"),
        "descriptions": dict.fromkeys(names, MEASURES[measure].replace("units", of)),
    }
    return _Measured(matrix, total, uses, [pair for pair in every if pair not in left_out], asked)


def _cells(measure: str, total: Sums, uses: Uses) -> Floats:
    number, weight = np.diag(total.n_shared), np.diag(total.shared)
    match measure:
        case "jaccard":
            parts = total.n_shared, number[:, None] + number - total.n_shared
        case "weighted_jaccard":
            parts = total.smaller, weight[:, None] + weight - total.smaller
        case "containment":
            parts = total.n_shared, np.broadcast_to(number[:, None], total.n_shared.shape)
        case "weighted_containment":
            parts = total.shared, np.broadcast_to(weight[:, None], total.shared.shape)
        case "same_sign":
            parts = total.n_same_sign, total.n_shared
        case _:
            ranked = rank_correlations(uses, len(number))
            np.fill_diagonal(ranked, 1.0)
            return ranked
    empty = np.nan if measure == "same_sign" else 0.0
    cells: Floats = np.divide(parts[0], parts[1], out=np.full(total.n_shared.shape, empty), where=parts[1] > 0.0)
    np.fill_diagonal(cells, 1.0)
    return cells
