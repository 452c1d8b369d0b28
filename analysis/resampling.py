"""Bootstraps over items: how a mean, a share or a median would move had other items been drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from circuit_atlas.analysis.graph import Floats, Ints
from circuit_atlas.errors import QueryError

_NUMBERS = 4_000_000
"""Most numbers of one portion of resamples."""

_Z95 = 1.959963984540054
"""Standard normal quantile of 0.975."""


def require_resamples(resamples: int) -> None:
    """Refuse a number of resamples below 1.

    Raises:
        QueryError: it is.

    """
    if resamples < 1:
        raise QueryError(f"resamples is {resamples}; ask for at least 1")


def example_weights(items: Sequence[int], resamples: int, seed: int) -> Floats:
    """How much each example counts in each resample, shape [resamples, examples]; every row sums to 1.

    As many distinct items are drawn as there are, with replacement; an item brings all of its examples. The mean of a
    resample is that over the examples drawn: where items have unequal numbers of examples, a quotient.

    Args:
        items: number of the item of each example.
        resamples: how many.
        seed: seed of the drawing.

    """
    place = np.unique(np.asarray(items), return_inverse=True)[1]
    count = int(place.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    times = drawn[:, place].astype(np.float64)
    weights: Floats = times / times.sum(axis=1, keepdims=True)
    return weights


def median_interval(values: Floats, resamples: int, seed: int, share: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of the median of independent values; NaN for fewer than two."""
    if len(values) < 2:
        return math.nan, math.nan
    random = np.random.default_rng(seed)
    medians = np.concatenate(
        [np.median(values[chosen], axis=1) for chosen in _portions(len(values), resamples, random)]
    )
    low, high = np.quantile(medians, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def _portions(n: int, resamples: int, random: np.random.Generator) -> Iterator[Ints]:
    step = max(1, _NUMBERS // n)
    for start in range(0, resamples, step):
        yield random.integers(n, size=(min(step, resamples - start), n))


def share_interval(successes: int, n: int, z: float = _Z95) -> tuple[float, float]:
    """Wilson's score interval of a share (E. B. Wilson, 1927), 95 % by default; NaN for none.

    Unlike a bootstrap it has a width where all succeed.
    """
    if not n:
        return math.nan, math.nan
    share, square = successes / n, z * z / n
    middle = (share + square / 2) / (1 + square)
    half = z * math.sqrt(share * (1 - share) / n + square / (4 * n)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)
