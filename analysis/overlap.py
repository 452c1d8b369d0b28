"""How much every two circuits share: a matrix, clustered, with what chance alone would make of each pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.graph import Floats
from circuit_atlas.analysis.null import DRAWS, chances, false_discovery, features_of, require_count
from circuit_atlas.analysis.result import Asked, Column, tabulate
from circuit_atlas.analysis.sharing.candidates import fetch_candidates
from circuit_atlas.analysis.sharing.many import clustered, read_all
from circuit_atlas.analysis.sharing.matching import Choice, choice
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


Tested = tuple[float, float, float]
"""Expected, z and p-value of one pair."""

UNTESTED: Tested = (float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Overlap:
    """How much every two circuits share.

    Attributes:
        matrix: shares, circuits by name, rows and columns in the same order.
        pairs: a row a pair of circuits of the same model and dictionaries, those most alike first, columns as in
            `PAIR_COLUMNS`; `attrs["without_null"]` names circuits stored without what was active on their data.

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

    Returns:
        a square matrix of shares, circuits by name; 0 where a pair shares nothing, 1 on the diagonal.

    Raises:
        QueryError: an argument is none of those named, there are no circuits, a circuit's selection forbids the
            thresholds, or these leave no circuit anything.

    """
    return _measured(store, level, of, measure, first_token, _cut(of, node_threshold, edge_threshold, size))[0]


def overlap(
    store: Store,
    level: str = "feature",
    *,
    of: str = "nodes",
    measure: str = "jaccard",
    node_threshold: float = 0.0,
    edge_threshold: float = 0.0,
    size: int | None = None,
    null: bool = True,
    count: int = DRAWS,
    seed: int = 0,
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
        null: whether to compare with the null, pair by pair; circuits stored without what was active have none.
        count: draws of the null, where it has no exact tail.
        seed: seed of the draws and of each pair's.

    Raises:
        QueryError: as of `overlap_matrix`, or count is less than 1.

    """
    require_count(count)
    cut = _cut(of, node_threshold, edge_threshold, size)
    matrix, total, uses, asked = _measured(store, level, of, measure, "drop", cut)
    names = [str(name) for name in matrix.columns]
    heads = store.query("comparable")
    pairs = _pairs(heads)
    found, without = dict.fromkeys(pairs, UNTESTED), list[str]()
    if null and pairs:
        nodes = uses if of == "nodes" else read_all(store, heads, level, cut, of="nodes", first_token="drop")[0]
        choices, without, more = _choices(store, nodes, names)
        tested = _Tested(of, "weighted_jaccard" if "weighted" in measure else "n_shared", count, seed)
        found = tested.pairs(nodes, None if of == "nodes" else uses, choices, pairs)
        asked = (*asked, *more)
    q_values = false_discovery(np.array([p for _, _, p in found.values()]))
    cells = matrix.to_numpy(np.float64)
    rows = [
        (
            *(matrix.columns[a], matrix.columns[b], int(total.n_shared[a, a]), int(total.n_shared[b, b])),
            *(int(total.n_shared[a, b]), cells[a, b], *found[a, b], q),
        )
        for (a, b), q in zip(pairs, q_values, strict=True)
    ]
    rows.sort(key=lambda row: (-np.nan_to_num(round(row[5], 12), nan=-2.0), row[0], row[1]))
    about = {"measure": measure, "of": of, "level": level, **cut.params, "without_null": without}
    return Overlap(matrix, tabulate(PAIR_COLUMNS, rows, asked, compared=about, without_null=without), clustered(cells))


@dataclass(frozen=True)
class _Tested:
    """What the null of many pairs is asked with."""

    of: str
    figure: str
    count: int
    seed: int

    def pairs(
        self, nodes: Uses, edges: Uses | None, choices: Mapping[int, Choice], pairs: Sequence[tuple[int, int]]
    ) -> dict[tuple[int, int], Tested]:
        """Return expected, z and p-value of each pair; NaN of circuits that have no null."""
        found = dict.fromkeys(pairs, UNTESTED)
        for a, b in pairs:
            if a in choices and b in choices:
                both = choices[a], choices[b]
                some = None if edges is None else edges.pair(a, b)
                of = {"of": self.of, "figure": self.figure}
                (one,) = chances(nodes.pair(a, b), some, both, self.count, (self.seed, a, b), **of)
                found[a, b] = (one.expected, one.z, one.p_value)
        return found


def _choices(store: Store, nodes: Uses, names: Sequence[str]) -> tuple[dict[int, Choice], list[str], tuple[Asked, ...]]:
    """Return what each circuit could choose and chose; names of circuits stored without it; and what was asked."""
    found, without, asked = dict[int, Choice](), list[str](), tuple[Asked, ...]()
    for place, name in enumerate(names):
        active, more = fetch_candidates(store, name)
        asked += more
        if active:
            found[place] = choice(active, features_of(nodes.pair(place, place), 0))
        else:
            without.append(name)
    return found, without, asked


def _cut(of: str, node_threshold: float, edge_threshold: float, size: int | None) -> Cut:
    sizes = {"size": size} if of == "nodes" else {"edge_size": size}
    return Cut(node_threshold, edge_threshold, **sizes)


def _pairs(heads: pd.DataFrame) -> list[tuple[int, int]]:
    """Every two circuits of the same model and dictionaries, as places."""
    groups = heads.groupby(["model", "suite"], sort=False).ngroup().tolist()
    return [(a, b) for a in range(len(groups)) for b in range(a + 1, len(groups)) if groups[a] == groups[b]]


def _measured(
    store: Store, level: str, of: str, measure: str, first_token: str, cut: Cut
) -> tuple[pd.DataFrame, Sums, Uses, tuple[Asked, ...]]:
    """Return the matrix of a measure, the sums and uses it comes from, and what was asked."""
    import pandas as pd

    for name, value, known in (
        *(("of", of, ("nodes", "edges")), ("measure", measure, tuple(MEASURES)), ("level", level, LEVELS)),
        ("first_token", first_token, FIRST_TOKEN_CHOICES),
    ):
        if value not in known:
            raise QueryError(f"{name} is {value!r}; choose one of {', '.join(known)}")
    heads = store.query("comparable")
    names = heads["circuit"].tolist()
    uses, asked = read_all(store, heads, level, cut, of=of, first_token=first_token)
    total = sums(uses, len(names), _NEEDS.get(measure, ()))
    matrix = pd.DataFrame(_cells(measure, total, uses), index=pd.Index(names, name="circuit"), columns=names)
    table = tabulate({}, [], asked)
    params = {"level": level, "of": of, "measure": measure, "first_token": first_token, **cut.params}
    matrix.attrs = table.attrs | {
        "compared": params,
        "units": dict.fromkeys(names, "share"),
        "descriptions": dict.fromkeys(names, MEASURES[measure].replace("units", of)),
    }
    return matrix, total, uses, asked


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
