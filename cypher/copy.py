"""Copy circuits from one store into another, whichever engines they use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from circuit_atlas.cypher.reading import read_shared
from circuit_atlas.errors import StoreError, UnknownCircuitError
from circuit_atlas.progress import Reporter, Silent

if TYPE_CHECKING:
    from circuit_atlas.cypher.base import GraphStore

LISTED = "MATCH (c:Circuit) RETURN c.id AS id, c.name AS name ORDER BY name"
ORIGINS = "MATCH (d:Circuit)-[:DERIVED_FROM]->(c:Circuit) RETURN d.id AS derived, c.id AS origin ORDER BY derived"


def copy(
    source: GraphStore,
    target: GraphStore,
    circuits: Sequence[str] | None = None,
    *,
    reporter: Reporter | None = None,
) -> list[str]:
    """Copy circuits by name, or the whole store; returns the names copied, in order.

    A circuit brings what it hangs on. The whole store brings its annotations as well, and what no circuit uses. Each
    circuit is one transaction, so that a copy cut short leaves whole circuits, and copying again completes it.

    Raises:
        StoreError: both stores are the same, or the target refuses a circuit.
        UnknownCircuitError: the source has no circuit of a given name.

    """
    if source.place == target.place:
        raise StoreError(f"source and target are the same store, {source.url}: name another target")
    chosen = _chosen(source, circuits)
    with (reporter or Silent()).task("copying circuits", len(chosen)) as advance:
        if circuits is None:
            target.write_shared(*read_shared(source))
        for key in chosen:
            target.write([source.read_circuit(key)])
            advance(1)
    return list(chosen.values())


def _chosen(source: GraphStore, circuits: Sequence[str] | None) -> dict[str, str]:
    """Keys and names to copy, those that others were derived from first."""
    names = {row["id"]: row["name"] for row in source.rows(LISTED)}
    if circuits is not None:
        for name in circuits:
            if name not in names.values():
                raise UnknownCircuitError(f"{source.url} has no circuit {name!r}: `circuit-atlas circuits` lists them")
        names = {key: name for key, name in names.items() if name in set(circuits)}
    origins: dict[str, list[str]] = {}
    for row in source.rows(ORIGINS):
        origins.setdefault(row["derived"], []).append(row["origin"])
    ordered: dict[str, str] = {}
    for key in names:
        _place(key, names, origins, ordered)
    return ordered


def _place(key: str, names: dict[str, str], origins: dict[str, list[str]], ordered: dict[str, str]) -> None:
    """Put a circuit after its origins; a circuit is never its own origin, for a key is a digest of what made it."""
    if key in ordered or key not in names:
        return
    for origin in origins.get(key, ()):
        _place(origin, names, origins, ordered)
    ordered[key] = names[key]
