"""What the nodes of a circuit are: features, or groups of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuit_atlas.cypher.schema import GROUPS
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    from circuit_atlas.cypher.store import Store


def require_features(store: Store, circuit: str, why: str) -> None:
    """Refuse a circuit whose nodes are groups of features.

    Args:
        store: where it is.
        circuit: its name.
        why: what such a circuit cannot do, or has not, as the end of a sentence on it.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: its nodes are groups.

    """
    row = store.query("circuit", circuit=circuit).iloc[0]
    if row["units"] == GROUPS:
        raise of_groups(str(row["name"]), why)


def of_groups(circuit: str, why: str) -> QueryError:
    """Return the error that says that a circuit's nodes are groups, and what to take in its place."""
    return QueryError(f"circuit {circuit!r} is made of groups of features and {why}: take the circuit it was made from")
