"""Draws of the null: a circuit keeps its graph, its effects and its weights, and its features are dealt anew.

In each stratum the features that the circuit chose are exchanged for as many that chance chooses: those of the largest
log odds plus Gumbel noise (draws without replacement in proportion to the odds), given out in random order. A feature
that takes the part of another takes its effect, or its edges' weights, as far as activity does not make them: times the
ratio of the sizes that activity makes of the two, so that residuals are what is exchanged (Freedman and Lane, A
nonstochastic interpretation of reported significance levels, 1983). What is not matched stays what it is, and is never
shared. Half of the draws deal the one circuit anew and half the other, the other of the two staying as it is, so that
the answer does not depend on which is named first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from circuit_atlas.analysis.graph import Floats, Ints
from circuit_atlas.analysis.sharing.codes import anywhere, place_bits
from circuit_atlas.analysis.sharing.matching import Matching
from circuit_atlas.analysis.sharing.uses import FEATURE, Uses

BATCH = 64
"""Draws dealt at once."""

MOST = 5.0
"""Logarithm of the largest ratio by which a size is changed."""

FAR = 1e4
"""Keys of one stratum are less than this apart."""


@dataclass(frozen=True)
class Side:
    """What one circuit uses, features alone, in a form to be dealt anew or looked up.

    Attributes:
        units: codes of its units, ascending.
        matched: place of the feature of each unit in the matching; -1 where it has none.
        ends: places of units that each use stands for, shape [uses, 1 or 2].
        size: absolute effect or weight of each use.
        sorted_keys: keys of the uses, ascending.
        order: the uses in that order.

    """

    units: Ints
    matched: Ints
    ends: Ints
    size: Floats
    sorted_keys: Ints
    order: Ints


def side(uses: Uses, circuit: int, matching: Matching) -> Side:
    """Take one circuit's features or edges between features out of `uses`."""
    here = (uses.circuit == circuit) & (uses.kind == FEATURE)
    codes = uses.items.reshape(len(uses.items), -1)[uses.item[here]]
    units, ends = np.unique(codes, return_inverse=True)
    ends = ends.reshape(codes.shape)
    keys = _keys(ends, len(units))
    order = np.argsort(keys)
    matched = matching.places(anywhere(units))
    return Side(units, matched, ends, np.abs(uses.value[here]), keys[order], order)


def draws(
    one: Side, other: Side, matching: Matching, count: int, random: np.random.Generator
) -> tuple[Ints, Floats, Floats]:
    """Return how many uses are shared, the smaller sizes of these summed, and all sizes of both, in each draw.

    Args:
        one: what the one circuit uses.
        other: what the other uses.
        matching: which features may be exchanged.
        count: how many draws.
        random: where chance comes from.

    """
    found = [*_draws(one, other, matching, 0, (count + 1) // 2, random)]
    found += _draws(other, one, matching, 1, count // 2, random)
    shared, smaller, whole = (np.array(column) for column in zip(*found, strict=True))
    return shared.astype(np.int64), smaller, whole


def shared_now(one: Side, other: Side) -> tuple[int, float]:
    """Return how many uses of matched features are shared as they stand, and their smaller sizes summed."""
    return _shared(one, other, np.where(one.matched >= 0, one.units, -1), one.size)


def _draws(
    dealt: Side, still: Side, matching: Matching, row: int, count: int, random: np.random.Generator
) -> Iterator[tuple[int, float, float]]:
    places = np.unique(dealt.matched[dealt.matched >= 0])
    at = np.searchsorted(places, dealt.matched)
    movable = dealt.matched >= 0
    bits = place_bits(dealt.units)
    strength, stays = matching.log_size[row], float(still.size.sum())
    before = strength[dealt.matched[movable]]
    for start in range(0, count, BATCH):
        for taken in deal(matching, row, places, min(BATCH, count - start), random):
            units = np.full(len(dealt.units), -1, np.int64)
            units[movable] = matching.feature[taken[at[movable]]] | bits[movable]
            moved = np.zeros(len(dealt.units))
            moved[movable] = np.clip(strength[taken[at[movable]]] - before, -MOST, MOST)
            size = dealt.size * np.exp(moved[dealt.ends].sum(axis=1))
            yield (*_shared(dealt, still, units, size), float(size.sum()) + stays)


def deal(matching: Matching, row: int, places: Ints, count: int, random: np.random.Generator) -> Ints:
    """Deal features anew: for each draw and place the place of the feature that takes its part.

    Args:
        matching: strata and log odds.
        row: 0 for those of the one circuit, 1 for the other's.
        places: features to be exchanged, ascending.
        count: how many draws.
        random: where chance comes from.

    """
    stratum = np.empty(len(matching.feature), np.int64)
    for number, some in enumerate(matching.strata):
        stratum[some] = number
    odds = np.clip(matching.log_odds[row], -100.0, 100.0)
    chances = stratum * FAR - odds - random.gumbel(size=(count, len(odds)))
    ranked = np.argsort(chances, axis=1)
    sizes = np.bincount(stratum, minlength=len(matching.strata))
    chosen = np.bincount(stratum[places], minlength=len(matching.strata))
    starts = np.cumsum(sizes) - sizes
    within = np.arange(len(places)) - np.repeat(np.cumsum(chosen) - chosen, chosen)
    taken = ranked[:, np.repeat(starts, chosen) + within]
    given_out = np.argsort(stratum[places] * FAR + random.random((count, len(places))), axis=1)
    dealt = np.empty_like(taken)
    np.put_along_axis(dealt, given_out, taken, axis=1)
    return dealt


def _shared(dealt: Side, still: Side, units: Ints, size: Floats) -> tuple[int, float]:
    """Count what a circuit with other units shares with one that stays as it is."""
    if not len(still.units) or not len(dealt.units):
        return 0, 0.0
    near = np.minimum(np.searchsorted(still.units, units), len(still.units) - 1)
    met = np.where(still.units[near] == units, near, -1)
    ends = met[dealt.ends]
    here = np.flatnonzero((ends >= 0).all(axis=1))
    keys = _keys(ends[here], len(still.units))
    spot = np.minimum(np.searchsorted(still.sorted_keys, keys), len(still.sorted_keys) - 1)
    hit = still.sorted_keys[spot] == keys
    sizes = np.minimum(size[here[hit]], still.size[still.order[spot[hit]]])
    return int(hit.sum()), float(sizes.sum())


def _keys(ends: Ints, n_units: int) -> Ints:
    keys: Ints = ends[:, 0] if ends.shape[1] == 1 else ends[:, 0] * max(n_units, 1) + ends[:, 1]
    return keys
