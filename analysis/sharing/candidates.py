"""What was active on a circuit's data at each site: the features that a null draws from."""

from __future__ import annotations

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
    """Features active at one site on the data of one circuit.

    Attributes:
        feature: their rows in the dictionary, ascending.
        frequency: share of examples on which each is active.
        activation: mean activation of each on clean inputs where it is active on them; 0 where it never is.

    """

    feature: Ints
    frequency: Floats
    activation: Floats


def fetch_candidates(store: Store, circuit: str) -> tuple[dict[Site, Active], tuple[Asked, ...]]:
    """Fetch what was active at each site of a circuit; none where the circuit was stored without it.

    Raises:
        UnknownCircuitError: there is no such circuit.

    """
    table = store.query("candidates", circuit=circuit)
    return {(row.component, int(row.layer)): _active(row) for row in rows_of(table)}, asked_for(table)


def _active(row: object) -> Active:
    feature = np.asarray(row.feature_indices, np.int64)  # type: ignore[attr-defined]
    order = np.argsort(feature)
    frequency, activation = (np.asarray(values, np.float64)[order] for values in (row.frequency, row.mean_activation))  # type: ignore[attr-defined]
    return Active(feature[order], frequency, activation)
