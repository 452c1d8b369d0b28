"""What was active on a circuit's data at each site: the features that a null draws from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.graph import Floats, Ints
from circuit_atlas.analysis.result import Asked, asked_for, rows_of

if TYPE_CHECKING:
    from circuit_atlas.cypher.store import Store

Site = tuple[str, int]
"""Component and layer."""


@dataclass(frozen=True)
class Active:
    """Features active at one site on the data of one circuit; of one made of others, on the data of all of them.

    Attributes:
        feature: their rows in the dictionary, ascending.
        frequency: share of examples on which each is active, on the clean or the patch input.
        activation: mean activation of each on clean inputs where it is active on them; 0 where it never is.

    """

    feature: Ints
    frequency: Floats
    activation: Floats


def fetch_candidates(store: Store, circuit: str) -> tuple[dict[Site, Active], tuple[Asked, ...]]:
    """Fetch what was active at each site of a circuit; none where the circuit was stored without it.

    A circuit made of others has the candidates of each of these: they are put together by `united`.

    Raises:
        UnknownCircuitError: there is no such circuit.

    """
    table = store.query("candidates", circuit=circuit)
    found: dict[Site, list[Active]] = {}
    for row in rows_of(table):
        found.setdefault((row.component, int(row.layer)), []).append(_active(row))
    return {site: united(some) for site, some in found.items()}, asked_for(table)


def united(parts: Sequence[Active]) -> Active:
    """Put together what was active on several data sets, as if each had as many examples as any other.

    Frequency is the mean over the data sets, 0 on those that a feature was not active on; activation the mean over the
    examples on which the feature was active, so each data set weighs by its frequency there.
    """
    if len(parts) == 1:
        return parts[0]
    feature, place = np.unique(np.concatenate([one.feature for one in parts]), return_inverse=True)
    often = np.concatenate([one.frequency for one in parts])
    strength = np.concatenate([one.activation for one in parts])
    total = np.bincount(place, often, len(feature))
    summed = np.bincount(place, often * strength, len(feature))
    return Active(feature, total / len(parts), summed / np.where(total > 0.0, total, 1.0))


def _active(row: object) -> Active:
    feature = np.asarray(row.feature_indices, np.int64)  # type: ignore[attr-defined]
    order = np.argsort(feature)
    frequency, activation = (np.asarray(values, np.float64)[order] for values in (row.frequency, row.mean_activation))  # type: ignore[attr-defined]
    return Active(feature[order], frequency, activation)
