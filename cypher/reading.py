"""Read circuits back as rows: what a store was given, whichever engine holds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from circuit_atlas.cypher.rows import CircuitRows, Pair
from circuit_atlas.cypher.schema import LABEL_BY_NAME, RELATIONSHIP_BY_NAME
from circuit_atlas.cypher.statements import OWNED_BY, OWNED_PAIRS, SHARED, SHARED_PAIRS, returned_properties
from circuit_atlas.errors import StoreBusyError, UnknownCircuitError

RowDict = dict[str, Any]

ATTEMPTS = 10
"""Times a circuit is read until no other process replaced it meanwhile."""

_OWNED_SOURCE = {"Circuit": "(a:Circuit {id: $id})"} | {
    label: pattern.replace("(c:Circuit)", "(:Circuit {id: $id})").replace(f"(n:{label})", "(a)")
    for label, pattern in OWNED_BY.items()
}
"""How the source of an owned relationship hangs on the circuit with the key `$id`."""


class Rows(Protocol):
    """Whatever answers reading Cypher."""

    def rows(self, cypher: str, params: Mapping[str, Any] | None = None) -> list[RowDict]:
        """Run reading Cypher and return its rows."""
        ...


def read_circuit(store: Rows, circuit_id: str) -> CircuitRows:
    """Return one circuit with everything it hangs on; rows in order of their keys.

    A circuit takes several statements to read. Where another process replaced it in between, it is read again.

    Raises:
        UnknownCircuitError: there is no such circuit.
        StoreBusyError: it was replaced again and again.

    """
    for _ in range(ATTEMPTS):
        before = _nodes(store, "Circuit", [circuit_id])
        if not before:
            raise UnknownCircuitError(f"there is no circuit {circuit_id!r}; `circuit-atlas circuits` lists them")
        circuit = _read_once(store, before, circuit_id)
        if _nodes(store, "Circuit", [circuit_id]) == before:
            return circuit
    raise StoreBusyError(f"circuit {circuit_id} changed while it was read, {ATTEMPTS} times: try again later")


def _read_once(store: Rows, circuit: list[RowDict], circuit_id: str) -> CircuitRows:
    nodes = {"Circuit": circuit}
    for label, pattern in OWNED_BY.items():
        nodes[label] = store.rows(f"MATCH {pattern} WHERE c.id = $id {_return_node(label)}", {"id": circuit_id})
    relationships = {pair: _owned_relationships(store, pair, circuit_id) for pair in OWNED_PAIRS}
    reached = _targets(relationships)
    for pair in (pair for pair in SHARED_PAIRS if pair.source != "Annotation"):
        found = _shared_relationships(store, pair, reached.get(pair.source, set()))
        if pair.source == pair.target:  # features alike: of this circuit's own, not of all that any circuit has
            found = [row for row in found if row["to"] in reached[pair.target]]
        relationships[pair] = found
        reached.setdefault(pair.target, set()).update(row["to"] for row in relationships[pair])
    for shared in SHARED:
        nodes[shared.name] = _nodes(store, shared.name, sorted(reached.get(shared.name, ())))
    return CircuitRows(circuit_id, _filled(nodes), _filled(relationships))


def read_shared(store: Rows) -> tuple[dict[str, list[RowDict]], dict[Pair, list[RowDict]]]:
    """Return everything that belongs to no circuit: nodes by label and relationships between them."""
    nodes = {label.name: store.rows(f"MATCH (n:{label.name}) {_return_node(label.name)}") for label in SHARED}
    relationships = {
        pair: store.rows(f"MATCH (a:{pair.source})-[r:{pair.type}]->(b:{pair.target}) {_return_relationship(pair)}")
        for pair in SHARED_PAIRS
    }
    return _filled(nodes), _filled(relationships)


def _filled(rows: Mapping[Any, list[RowDict]]) -> dict[Any, list[RowDict]]:
    return {name: found for name, found in rows.items() if found}


def _nodes(store: Rows, label: str, ids: list[str]) -> list[RowDict]:
    if not ids:
        return []
    return store.rows(f"UNWIND $ids AS key MATCH (n:{label} {{id: key}}) {_return_node(label)}", {"ids": ids})


def _owned_relationships(store: Rows, pair: Pair, circuit_id: str) -> list[RowDict]:
    pattern = f"{_OWNED_SOURCE[pair.source]} MATCH (a)-[r:{pair.type}]->(b:{pair.target})"
    return store.rows(f"MATCH {pattern} {_return_relationship(pair)}", {"id": circuit_id})


def _shared_relationships(store: Rows, pair: Pair, sources: Iterable[str]) -> list[RowDict]:
    ids = sorted(sources)
    if not ids:
        return []
    pattern = f"UNWIND $ids AS key MATCH (a:{pair.source} {{id: key}})-[r:{pair.type}]->(b:{pair.target})"
    return store.rows(f"{pattern} {_return_relationship(pair)}", {"ids": ids})


def _targets(relationships: Mapping[Pair, list[RowDict]]) -> dict[str, set[str]]:
    reached: dict[str, set[str]] = {}
    for pair, rows in relationships.items():
        reached.setdefault(pair.target, set()).update(row["to"] for row in rows)
    return reached


def _return_node(label: str) -> str:
    names = tuple(declared.name for declared in LABEL_BY_NAME[label].properties)
    return f"RETURN {returned_properties('n', names)} ORDER BY id"


def _return_relationship(pair: Pair) -> str:
    names = tuple(declared.name for declared in RELATIONSHIP_BY_NAME[pair.type].properties)
    properties = f", {returned_properties('r', names)}" if names else ""
    return f"RETURN a.id AS `from`, b.id AS `to`{properties} ORDER BY `from`, `to`"
