"""Two circuits' features matched on activity: what a null may exchange for what.

A feature can be shared by chance only where it was active on the data of both circuits. Such features of a site fall
into strata by how likely each circuit is to choose them, given how often and how strongly they are active on its own
data (`odds`, `strata`). Given how many of a stratum each circuit chose, which ones is left to chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.graph import Floats, Ints
from circuit_atlas.analysis.sharing.candidates import Active, Site
from circuit_atlas.analysis.sharing.codes import encode_features, site_number
from circuit_atlas.analysis.sharing.exact import shared_distribution
from circuit_atlas.analysis.sharing.odds import log_odds, log_sizes
from circuit_atlas.analysis.sharing.strata import strata_of

if TYPE_CHECKING:
    from circuit_atlas.analysis.sharing.uses import Mask


@dataclass(frozen=True)
class Choice:
    """What one circuit could choose, what it chose, and how likely each was.

    Attributes:
        feature: codes of the features active on its data, ascending.
        log_odds: fitted log odds that the circuit chooses each, given its activity.
        chosen: whether it did.
        n_outside: features that it has and that were not active on its data as stored; the null leaves them out.
        log_size: fitted logarithm of the size of each, were it chosen, given its activity.

    """

    feature: Ints
    log_odds: Floats
    chosen: Mask
    n_outside: int
    log_size: Floats


@dataclass(frozen=True)
class Matching:
    """Features active on the data of both circuits, in strata.

    Attributes:
        feature: their codes, ascending.
        log_odds: fitted log odds of either circuit's choosing each, shape [2, features].
        chosen: whether either did, shape [2, features].
        strata: places of the features of each stratum.
        log_size: fitted logarithm of the size of each in either circuit, were it chosen, shape [2, features].

    """

    feature: Ints
    log_odds: Floats
    chosen: Mask
    strata: tuple[Ints, ...]
    log_size: Floats

    def distribution(self) -> Floats:
        """Return the exact probabilities of 0, 1, 2, … shared features under the null."""
        return shared_distribution(self.strata, *self.log_odds, *self.chosen)

    def places(self, feature: Ints) -> Ints:
        """Return the places of features by their codes; -1 of those that are not matched."""
        if not len(self.feature):
            return np.full(len(feature), -1, np.int64)
        near = np.minimum(np.searchsorted(self.feature, feature), len(self.feature) - 1)
        return np.where(self.feature[near] == feature, near, -1)


def choice(active: Mapping[Site, Active], used: Ints, size: Floats | None = None) -> Choice:
    """Say how likely a circuit was to choose what it chose.

    Args:
        active: what was active on its data at each site.
        used: codes of the features it has, each once.
        size: absolute effect of each; None: all alike.

    """
    sites = sorted(active)
    codes = [encode_features(*site, active[site].feature) for site in sites]
    chosen = [np.isin(some, used) for some in codes]
    odds = log_odds([active[site] for site in sites], [one.astype(np.float64) for one in chosen])
    sizes = [_sizes(some, used, np.ones(len(used)) if size is None else size) for some in codes]
    strength = log_sizes([active[site] for site in sites], sizes)
    feature, fitted, taken, strong = (
        np.concatenate([*parts, np.zeros(0, kind)])
        for parts, kind in ((codes, np.int64), (odds, np.float64), (chosen, np.bool_), (strength, np.float64))
    )
    order = np.argsort(feature)
    return Choice(feature[order], fitted[order], taken[order], len(used) - int(taken.sum()), strong[order])


def _sizes(codes: Ints, used: Ints, size: Floats) -> Floats:
    """Return the size of each feature of a site that the circuit has, 0 of the others."""
    found = np.zeros(len(codes))
    _, here, there = np.intersect1d(codes, used, assume_unique=True, return_indices=True)
    found[here] = size[there]
    return found


def match(one: Choice, other: Choice) -> Matching:
    """Put the features that both circuits could choose into strata, site by site."""
    feature, in_one, in_other = np.intersect1d(one.feature, other.feature, assume_unique=True, return_indices=True)
    odds = np.stack([one.log_odds[in_one], other.log_odds[in_other]])
    chosen = np.stack([one.chosen[in_one], other.chosen[in_other]])
    site = site_number(feature)
    strata = [
        here[places]
        for here in (np.flatnonzero(site == number) for number in np.unique(site))
        for places in strata_of(odds[0, here], odds[1, here])
    ]
    log_size = np.stack([one.log_size[in_one], other.log_size[in_other]])
    return Matching(feature, odds, chosen, tuple(strata), log_size)
