"""How alike the decoder directions of a circuit's features are, as the graph has it.

The graph holds cosines of at least `LEAST_COSINE`, sign aside, of features of one site and of two residual sites that
follow each other; what it does not hold counts as 0 here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.graph import CircuitGraph, Floats, Ints
from circuit_atlas.analysis.result import Asked, asked_for

if TYPE_CHECKING:
    from circuit_atlas.cypher.store import Store


@dataclass(frozen=True)
class Likeness:
    """Cosines of decoder directions.

    Attributes:
        cosines: by the keys of two features, in both orders.
        asked: the query that gave them.

    """

    cosines: Mapping[tuple[str, str], float]
    asked: tuple[Asked, ...] = ()

    def between(self, graph: CircuitGraph, source: Ints, target: Ints) -> Floats:
        """Return the cosine of the units at two lists of places; 1 of a unit with itself, 0 of what is not held."""
        units = graph.nodes["unit_id"].tolist()
        pairs = [(units[u], units[d]) for u, d in zip(source, target, strict=True)]
        return np.array([1.0 if u == d else self.cosines.get((u, d), 0.0) for u, d in pairs], np.float64)

    def gram(self, graph: CircuitGraph, members: Ints) -> Floats:
        """Return the cosines of some units, each there once, with each other, shape [members, members]."""
        units = graph.nodes["unit_id"].to_numpy()[members]
        place = {unit: number for number, unit in enumerate(units)}
        found = np.eye(len(members))
        for (one, other), cosine in self.cosines.items():
            if one in place and other in place:
                found[place[one], place[other]] = cosine
        return found


def fetch_likeness(store: Store, circuit: str) -> Likeness:
    """Fetch the cosines of a circuit's features.

    Raises:
        UnknownCircuitError: there is no such circuit.

    """
    table = store.query("similar_features", circuit=circuit)
    found = dict(zip(zip(table["source"], table["target"], strict=True), table["cosine"], strict=True))
    return Likeness(found | {(d, u): cosine for (u, d), cosine in found.items()}, asked_for(table))


def coordinates(gram: Floats) -> Floats:
    """Give vectors of length 1 whose products are nearest to these cosines, a row each.

    With cosines below the floor left out, the matrix may have negative eigenvalues, and then no vectors have just these
    products. The nearest matrix that some vectors have (in the sum of squares) is that with the negative eigenvalues
    set to 0 (N. J. Higham, Computing a nearest symmetric positive semidefinite matrix, 1988); its vectors, none shorter
    than 1, are scaled to that length.

    Args:
        gram: cosines, shape [n, n], symmetric, 1 on the diagonal.

    """
    values, vectors = np.linalg.eigh(gram)
    found: Floats = vectors * np.sqrt(values.clip(min=0.0))
    length = np.linalg.norm(found, axis=1, keepdims=True)
    scaled: Floats = found / np.where(length > 0.0, length, 1.0)
    return scaled
