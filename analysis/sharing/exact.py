"""The exact distribution of the number of features that two circuits share, where chance alone decides.

In a stratum of n features let the one circuit have chosen a and the other b. Given these counts, and each feature's
odds o and p of being chosen by the one and by the other, the number shared has the weights of t in the coefficient of
x^a y^b of Π (1 + o x + p y + o p x y t), the product over the features of the stratum. Where all odds are equal this is
the hypergeometric distribution; with them it is Fisher's noncentral one for both circuits at once. Strata are
independent, so the whole count has the convolution of theirs: the exact conditional test for 2 × 2 tables in strata
(Mantel and Haenszel 1959; Gart 1970), with what the strata leave unmatched put into the odds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from circuit_atlas.analysis.graph import Floats, Ints

MOST_LOG = 12.0
"""Log odds further than this from their mean in a stratum are taken as so far."""


@dataclass(frozen=True)
class Counted:
    """How many features are shared, and how many chance alone would make shared.

    Attributes:
        observed: features shared.
        expected: mean under the null.
        spread: standard deviation under the null.
        p_value: mid-p value: P(more shared) + P(as many shared) / 2 under the null.

    """

    observed: int
    expected: float
    spread: float
    p_value: float

    @property
    def z(self) -> float:
        """Standard deviations above what the null expects; NaN where the null leaves nothing to chance."""
        return (self.observed - self.expected) / self.spread if self.spread > 0.0 else float("nan")


def count_shared(observed: int, distribution: Floats) -> Counted:
    """Say where a count stands in a distribution over 0, 1, 2, ….

    With nothing left to chance the p-value is 1/2: such a pair says nothing either way.
    """
    counts = np.arange(len(distribution))
    mean = float(counts @ distribution)
    variance = float((counts - mean) ** 2 @ distribution)
    spread = float(np.sqrt(variance)) if variance > 1e-12 else 0.0
    p_value = float(distribution[observed + 1 :].sum() + distribution[observed] / 2.0)
    return Counted(observed, mean, spread, p_value)


def shared_distribution(
    strata: Sequence[Ints], one: Floats, other: Floats, in_one: Sequence[bool] | Ints, in_other: Sequence[bool] | Ints
) -> Floats:
    """Return the probabilities of 0, 1, 2, … shared features.

    Args:
        strata: places of the features of each stratum.
        one: each feature's log odds in the one circuit.
        other: the same in the other.
        in_one: whether the one circuit has chosen it.
        in_other: whether the other has.

    """
    chosen = np.stack([np.asarray(in_one, np.int64), np.asarray(in_other, np.int64)])
    by_size: dict[int, list[Ints]] = {}
    for places in strata:
        if chosen[:, places].any(axis=1).all():
            by_size.setdefault(len(places), []).append(places)
    whole = np.ones(1)
    for size in sorted(by_size):
        places = np.stack(by_size[size])
        odds = [np.exp(_centred(values[places])) for values in (one, other)]
        counts = chosen[:, places].sum(axis=2)
        for row in _coefficients(odds[0], odds[1], counts[0], counts[1]):
            whole = np.convolve(whole, row)
    return whole


def _centred(values: Floats) -> Floats:
    centred: Floats = np.clip(values - values.mean(axis=1, keepdims=True), -MOST_LOG, MOST_LOG)
    return centred


def _coefficients(one: Floats, other: Floats, a: Ints, b: Ints) -> list[Floats]:
    """Multiply out the product of each stratum, all strata of one size at once.

    Args:
        one: odds, shape [strata, features].
        other: the same of the other circuit.
        a: features that the one has chosen in each stratum.
        b: features that the other has.

    Returns:
        probabilities of 0, 1, … shared features of each stratum.

    """
    most_a, most_b = int(a.max()), int(b.max())
    most = min(most_a, most_b)
    grown = np.zeros((len(one), most_a + 1, most_b + 1, most + 1))
    grown[:, 0, 0, 0] = 1.0
    for o, p in zip(one.T, other.T, strict=True):
        o, p = o[:, None, None, None], p[:, None, None, None]
        before = grown.copy()
        grown[:, 1:] += o * before[:, :-1]
        grown[:, :, 1:] += p * before[:, :, :-1]
        grown[:, 1:, 1:, 1:] += o * p * before[:, :-1, :-1, :-1]
    wanted = grown[np.arange(len(one)), a, b]
    wanted /= wanted.sum(axis=1, keepdims=True)
    return [row[: last + 1] for row, last in zip(wanted, np.minimum(a, b), strict=True)]
