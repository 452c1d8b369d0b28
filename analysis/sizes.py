"""What two circuits share at every size: the n strongest of the one against the n strongest of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.null import DRAWS, UNSAID, active_of, chances, chosen_of, require_count
from circuit_atlas.analysis.result import Column, tabulate
from circuit_atlas.analysis.sharing.figures import columns_for, figures
from circuit_atlas.analysis.sharing.pair import Cut, dense, read_pair
from circuit_atlas.analysis.sharing.uses import FEATURE, Uses
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

POINTS = 8
"""Sizes of a curve, where none are named."""

SIZE = {"size": Column("integer", "", "features, or edges between features, of each circuit: its strongest")}
CHANCE = {
    "expected": Column("float", "", "n_shared under the null, mean; null without one"),
    "z": Column("float", "", "n_shared less expected, in standard deviations under the null"),
    "p_value": Column("float", "", "mid-p value of sharing as many or more under the null"),
}


def overlap_curve(
    store: Store,
    a: str,
    b: str,
    level: str = "feature",
    *,
    of: str = "nodes",
    sizes: Sequence[int] | None = None,
    node_threshold: float = 0.0,
    edge_threshold: float = 0.0,
    null: bool = True,
    count: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare two circuits at several sizes, so that no threshold need be chosen.

    Args:
        store: where they are.
        a: name of the one.
        b: name of the other.
        level: as of `compare`.
        of: nodes (features) or edges (between features).
        sizes: how many of each; without them `POINTS` from 10 up to as many as both have, evenly on a logarithm.
        node_threshold: as of `compare`.
        edge_threshold: as of `compare`.
        null: whether to say beside each what chance alone would make them share; at each size the null is of the
            features chosen at that size, of edges of those at their ends.
        count: draws of the null, where it has no exact tail.
        seed: seed of the draws.

    Returns:
        a row a size: figures as of `compare`, then those of the null.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: as of `compare`; a size is below 1 or above what a circuit has; a circuit has no null.

    """
    require_count(count)
    if of not in ("nodes", "edges"):
        raise QueryError(f"of is {of!r}; choose one of nodes, edges")
    pair = read_pair(store, a, b, level, Cut(node_threshold, edge_threshold), edges=of == "edges")
    uses = pair.of(of)
    uses = uses.where(uses.kind == FEATURE)
    wanted = _sizes(uses, sizes, pair.names, of)
    active, asked = active_of(store, pair.names) if null else ((), ())
    rows = []
    for size in wanted:
        some = uses.strongest(size)
        chance = UNSAID
        if null:
            both = [chosen_of(one, some, place) for place, one in enumerate(active)]
            chance = chances(some, some, (both[0], both[1]), count, (seed, size), of=of, figure="n_shared")[0]
        rows.append((size, *figures(*dense(some, "feature")), chance.expected, chance.z, chance.p_value))
    about = {"circuit_a": pair.names[0], "circuit_b": pair.names[1], "level": level, "of": of, "seed": seed}
    return tabulate(columns_for(of, SIZE) | CHANCE, rows, (*pair.asked, *asked), compared=about)


def _sizes(uses: Uses, sizes: Sequence[int] | None, names: Sequence[str], of: str) -> list[int]:
    have = np.bincount(uses.circuit, minlength=2)
    least = int(have.min())
    if least == 0:
        raise QueryError(f"circuit {names[int(np.argmin(have))]!r} has no {of} of features above the thresholds")
    if sizes is None:
        return sorted({round(float(size)) for size in np.geomspace(min(10, least), least, POINTS)})
    for size in sizes:
        if not 1 <= size <= least:
            raise QueryError(
                f"size {size} cannot be had of both: {names[0]!r} has {have[0]} {of} of features above the "
                f"thresholds, {names[1]!r} {have[1]}"
            )
    return sorted(set(sizes))
