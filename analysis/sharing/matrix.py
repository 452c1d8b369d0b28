"""What every two of many circuits share, all pairs at once.

Uses are a sparse matrix of circuits by items. Items that many circuits have make dense columns, whose sums are matrix
products; for the others every two uses of one item are met once, by comparing each use with the next, the next but one,
… of the same item. Both are exact.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from circuit_atlas.analysis.graph import Floats, Ints
from circuit_atlas.analysis.sharing.figures import spearman
from circuit_atlas.analysis.sharing.uses import Uses

HUB = 32
"""Items that more circuits have make dense columns."""

BLOCK = 2048
"""Dense columns held at once."""


@dataclass(frozen=True)
class Sums:
    """Sums over what every two circuits share, shape [circuits, circuits] each; diagonals are the circuits' own.

    Attributes:
        n_shared: number of items that both have.
        n_same_sign: of them, those with the same sign.
        shared: absolute values, in the row's circuit, of items that the column's has too.
        smaller: the smaller of both absolute values.

    """

    n_shared: Floats
    n_same_sign: Floats
    shared: Floats
    smaller: Floats


SUMS = ("n_same_sign", "shared", "smaller")
"""Sums that may be left out, for each takes its time; the number shared is always counted."""


def sums(uses: Uses, n: int, wanted: Collection[str] = SUMS) -> Sums:
    """Sum what every two of `n` circuits share; sums that are not wanted stay zero but on their diagonal."""
    found = Sums(*(np.zeros((n, n)) for _ in range(4)))
    if not len(uses.item):
        return found
    counts = np.bincount(uses.item)
    hub = counts[uses.item] > HUB
    _add_hubs(found, uses.where(hub), n, wanted)
    _add_rare(found, uses.where(~hub), n, wanted)
    size = np.abs(uses.value)
    for matrix, weights in (
        (found.n_shared, None),
        (found.n_same_sign, None),
        (found.shared, size),
        (found.smaller, size),
    ):
        np.fill_diagonal(matrix, np.bincount(uses.circuit, weights=weights, minlength=n))
    return found


def rank_correlations(uses: Uses, n: int) -> Floats:
    """Return Spearman's rank correlation of absolute values over what every two circuits share, pair by pair."""
    found = np.full((n, n), np.nan)
    ends = np.searchsorted(uses.circuit, np.arange(n + 1))
    items = [uses.item[start:end] for start, end in pairwise(ends)]
    sizes = [np.abs(uses.value[start:end]) for start, end in pairwise(ends)]
    for a in range(n):
        for b in range(a + 1, n):
            _, in_a, in_b = np.intersect1d(items[a], items[b], assume_unique=True, return_indices=True)
            found[a, b] = found[b, a] = spearman(sizes[a][in_a], sizes[b][in_b])
    return found


def _add_hubs(found: Sums, uses: Uses, n: int, wanted: Collection[str]) -> None:
    hubs, column = np.unique(uses.item, return_inverse=True)
    for start in range(0, len(hubs), BLOCK):
        here = (column >= start) & (column < start + BLOCK)
        values = np.zeros((n, min(BLOCK, len(hubs) - start)))
        values[uses.circuit[here], column[here] - start] = uses.value[here]
        has, size = (values != 0.0).astype(np.float32), np.abs(values)
        both = has @ has.T
        found.n_shared[:] += both
        if "n_same_sign" in wanted:
            sign = np.sign(values).astype(np.float32)
            found.n_same_sign[:] += (both + sign @ sign.T) / 2.0
        if "shared" in wanted:
            found.shared[:] += size @ has.astype(np.float64).T
        if "smaller" in wanted:
            _add_smaller(found.smaller, has, size.astype(np.float32))


def _add_smaller(smaller: Floats, has: NDArray[np.float32], size: NDArray[np.float32]) -> None:
    for row in range(len(size)):
        used = np.flatnonzero(has[row])
        if len(used):
            smaller[row] += np.minimum(size[row, used], size[:, used]).sum(axis=1, dtype=np.float64)


def _add_rare(found: Sums, uses: Uses, n: int, wanted: Collection[str]) -> None:
    order = np.lexsort((uses.circuit, uses.item))
    circuit, item, value = uses.circuit[order], uses.item[order], uses.value[order]
    size = np.abs(value)
    first: Ints = np.arange(len(item))
    for step in range(1, HUB):
        first = first[first + step < len(item)]
        first = first[item[first] == item[first + step]]
        if not len(first):
            return
        other = first + step
        a, b = circuit[first], circuit[other]
        _add(found.n_shared, a, b, None, n)
        if "n_same_sign" in wanted:
            _add(found.n_same_sign, a, b, (value[first] * value[other] > 0.0).astype(np.float64), n)
        if "smaller" in wanted:
            _add(found.smaller, a, b, np.minimum(size[first], size[other]), n)
        if "shared" in wanted:
            found.shared[:] += np.bincount(a * n + b, weights=size[first], minlength=n * n).reshape(n, n)
            found.shared[:] += np.bincount(b * n + a, weights=size[other], minlength=n * n).reshape(n, n)


def _add(matrix: Floats, a: Ints, b: Ints, weights: Floats | None, n: int) -> None:
    added = np.bincount(a * n + b, weights=weights, minlength=n * n).reshape(n, n)
    matrix += added + added.T
