"""Strata: features that two circuits are about as likely to choose, so that chance decides which of them each chose.

Features of one site that are candidates of both circuits are points in the plane of the two fitted log odds (ranks).
The plane is halved at the median of its longer side again and again, until another cut would leave fewer than `LEAST`
features on a side: strata are then narrow where the two odds go together (the same prompts) and square where they do
not.
"""

from __future__ import annotations

import numpy as np

from circuit_atlas.analysis.graph import Floats, Ints

LEAST = 8
"""Features of a stratum at least, where the site has as many: fewer would leave nothing to chance."""


def strata_of(one: Floats, other: Floats, least: int = LEAST) -> list[Ints]:
    """Return the places of the features of each stratum.

    Args:
        one: each feature's log odds in the one circuit, shape [features].
        other: the same in the other.
        least: features of a stratum at least.

    """
    plane = np.stack([_ranks(one), _ranks(other)], axis=1)
    found, waiting = [], [np.arange(len(plane))]
    while waiting:
        here = waiting.pop()
        if len(here) < 2 * least:
            found.append(here)
            continue
        longer = int(np.argmax(np.ptp(plane[here], axis=0)))
        ordered = here[np.argsort(plane[here, longer], kind="stable")]
        waiting += [ordered[: len(here) // 2], ordered[len(here) // 2 :]]
    return [np.sort(here) for here in found if len(here)]


def _ranks(values: Floats) -> Floats:
    """Ranks from 0, equal values sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Floats = (ends - (counts + 1) / 2.0)[inverse]
    return ranks
