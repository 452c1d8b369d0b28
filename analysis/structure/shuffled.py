"""How large a modularity hubs alone would make: communities of circuits whose features are dealt anew.

A null of links by likeness; it does not know which features were active on which data. Links by excess (`links`) do.

Features that many circuits use make all circuits somewhat alike, and some more than others by chance. The null keeps
that: at each site every circuit keeps its number of features and every feature its number of circuits, and a
circuit's absolute effects at a site are dealt anew to the features it got. Features are dealt by trades between two
circuits at a time (Strona et al., A fast and unbiased procedure to randomize ecological binary matrices, 2014): what
both use stays, the rest of both is pooled, shuffled and shared out in the old numbers; `TRADES` trades a circuit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.graph import Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

TRADES = 5
"""Trades a circuit and site of one draw."""


def shuffled_modularities(
    uses: pd.DataFrame, circuits: list[str], modularity: Callable[[Floats], float], draws: int, seed: int
) -> Floats:
    """Return the modularity of each of so many draws of the null.

    Args:
        uses: rows of the query `feature_uses`.
        circuits: names of all circuits, in the order of the matrices that `modularity` gets.
        modularity: the modularity of the best partition of a likeness matrix.
        draws: how many.
        seed: seed of the dealing.

    """
    random = np.random.default_rng(seed)
    sites = list(uses.groupby(["component", "layer"], sort=True).indices.values())
    circuit: Ints = np.asarray(uses["circuit"].map({name: place for place, name in enumerate(circuits)}), np.int64)
    feature = np.unique(uses["feature"].to_numpy(str), return_inverse=True)[1].astype(np.int64)
    size = np.abs(uses["effect"].to_numpy(np.float64))
    found = np.zeros(draws)
    for draw in range(draws):
        dealt, given = feature.copy(), size.copy()
        for rows in sites:
            dealt[rows] = deal(circuit[rows], feature[rows], random)
            given[rows] = _within(circuit[rows], size[rows], random)
        found[draw] = modularity(likeness(circuit, dealt, given, len(circuits)))
    return found


def likeness(circuit: Ints, feature: Ints, size: Floats, n: int) -> Floats:
    """Return the weighted Jaccard index of every two of n circuits, given who uses what and how strongly."""
    strengths = np.zeros((n, int(feature.max(initial=-1)) + 1))
    strengths[circuit, feature] = size
    total = strengths.sum(axis=1)
    smaller = np.stack([np.minimum(row, strengths).sum(axis=1) for row in strengths])
    larger = total[:, None] + total - smaller
    alike: Floats = np.divide(smaller, larger, out=np.zeros_like(smaller), where=larger > 0.0)
    return alike


def deal(circuit: Ints, feature: Ints, random: np.random.Generator) -> Ints:
    """Deal the features of one site anew; a row a use, each circuit and feature keeping its number of rows."""
    users = np.unique(circuit)
    held = {int(one): set(feature[circuit == one].tolist()) for one in users}
    for _ in range(TRADES * len(users) if len(users) > 1 else 0):
        a, b = (int(one) for one in random.choice(users, 2, replace=False))
        both = held[a] & held[b]
        pool = random.permutation(sorted(held[a] ^ held[b])).tolist()
        mine = len(held[a]) - len(both)
        held[a], held[b] = both | set(pool[:mine]), both | set(pool[mine:])
    dealt = np.empty_like(feature)
    for one in users:
        dealt[circuit == one] = sorted(held[int(one)])
    return dealt


def _within(circuit: Ints, size: Floats, random: np.random.Generator) -> Floats:
    """Shuffle values among the rows of each circuit."""
    given = size.copy()
    for one in np.unique(circuit):
        rows = np.flatnonzero(circuit == one)
        given[rows] = size[random.permutation(rows)]
    return given
