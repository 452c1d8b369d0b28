"""What a write does inside one transaction, the same on every engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa

from circuit_atlas.cypher import statements
from circuit_atlas.cypher.conflicts import refuse_changed_guards, refuse_taken_names
from circuit_atlas.cypher.prepare import Prepared
from circuit_atlas.cypher.rows import Pair
from circuit_atlas.cypher.schema import LABEL_BY_NAME
from circuit_atlas.errors import StoreError, UnknownCircuitError


class Transaction(Protocol):
    """The few things an engine does in its own way, inside one open transaction."""

    def run(self, cypher: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Run one statement and return its rows."""
        ...

    def add_nodes(self, label: str, table: pa.Table) -> None:
        """Create nodes whose keys are new."""
        ...

    def merge_nodes(self, label: str, table: pa.Table) -> None:
        """Create or complete shared nodes; a null overwrites nothing, and a known guard stays."""
        ...

    def add_relationships(self, pair: Pair, table: pa.Table) -> None:
        """Create relationships of nodes that just lost all of theirs."""
        ...

    def merge_relationships(self, pair: Pair, table: pa.Table) -> None:
        """Create those relationships between shared nodes that are not there yet."""
        ...


def write(tx: Transaction, circuits: Prepared) -> None:
    """Write circuits whole, in place of what they were.

    Raises:
        StoreError: another circuit has the name, or another model or dictionary the key.

    """
    own = circuits.nodes["Circuit"].select(["name", "id"]).to_pylist()
    refuse_taken_names(tx.run, [(row["name"], row["id"]) for row in own])
    write_shared(tx, circuits)
    known = [row["id"] for row in tx.run(statements.KNOWN_CIRCUITS, {"ids": list(circuits.circuit_ids)})]
    for statement in statements.EMPTY_CIRCUIT if known else ():
        tx.run(statement, {"ids": known})
    for properties in circuits.nodes["Circuit"].to_pylist():
        tx.run(statements.set_circuit(), properties)
    _refuse_unknown_origins(tx, circuits)
    for label_name in statements.OWNED_BY:
        if label_name in circuits.nodes:
            table = circuits.nodes[label_name]
            tx.run(statements.delete_by_key(label_name), {"ids": table["id"].to_pylist()})
            tx.add_nodes(label_name, table)
    for pair in statements.OWNED_PAIRS:
        if pair in circuits.relationships:
            tx.add_relationships(pair, circuits.relationships[pair])


def write_shared(tx: Transaction, rows: Prepared) -> None:
    """Merge the shared nodes and the relationships between them.

    Raises:
        StoreError: the store knows another model or dictionary under a key.

    """
    for label in statements.SHARED:
        if label.name in rows.nodes:
            tx.merge_nodes(label.name, rows.nodes[label.name])
    _refuse_changed_guards(tx, rows)
    for pair in statements.SHARED_PAIRS:
        if pair in rows.relationships:
            tx.merge_relationships(pair, rows.relationships[pair])


def add_measurements(tx: Transaction, rows: Prepared) -> None:
    """Write measurements of circuits that are there, in place of those under the same keys.

    Raises:
        UnknownCircuitError: there is no such circuit.

    """
    known = {row["id"] for row in tx.run(statements.KNOWN_CIRCUITS, {"ids": list(rows.circuit_ids)})}
    for missing in (circuit for circuit in rows.circuit_ids if circuit not in known):
        raise UnknownCircuitError(f"the circuit {missing!r} was deleted while it was measured; discover it again")
    write_shared(tx, rows)
    measurements = rows.nodes["Measurement"]
    tx.run(statements.delete_by_key("Measurement"), {"ids": measurements["id"].to_pylist()})
    tx.add_nodes("Measurement", measurements)
    for pair in statements.OWNED_PAIRS:
        if pair.source == "Measurement" and pair in rows.relationships:
            tx.add_relationships(pair, rows.relationships[pair])


def delete(tx: Transaction, circuit_id: str) -> None:
    """Remove a circuit with all it owns.

    Raises:
        UnknownCircuitError: there is no such circuit.
        StoreError: another circuit was derived from it.

    """
    ids = {"ids": [circuit_id]}
    if not tx.run(statements.KNOWN_CIRCUITS, ids):
        raise UnknownCircuitError(
            f"there is no circuit with the id {circuit_id!r}; `circuit-atlas circuits` lists them"
        )
    for row in tx.run(statements.DERIVED, ids):
        raise StoreError(f"circuit {row['derived']} was derived from {row['name']}: delete {row['derived']} first")
    for statement in statements.DELETE_CIRCUIT:
        tx.run(statement, ids)


def _refuse_changed_guards(tx: Transaction, circuits: Prepared) -> None:
    for label in statements.SHARED:
        if label.guard is not None and label.name in circuits.nodes:
            given = circuits.nodes[label.name].select(["id", label.guard]).to_pylist()
            refuse_changed_guards(tx.run, label.name, {row["id"]: row[label.guard] for row in given})


def _refuse_unknown_origins(tx: Transaction, circuits: Prepared) -> None:
    """Refuse circuits derived from circuits that the store does not have."""
    for pair, table in circuits.relationships.items():
        if pair.type == "DERIVED_FROM":
            wanted = sorted(set(table["to"].to_pylist()))
            known = {row["id"] for row in tx.run(statements.KNOWN_CIRCUITS, {"ids": wanted})}
            for missing in (origin for origin in wanted if origin not in known):
                raise StoreError(
                    f"a circuit is derived from {missing!r}, which the store does not have: write it first"
                )


def properties_of(label: str) -> tuple[str, ...]:
    """Names of a label's properties without its key."""
    return tuple(declared.name for declared in LABEL_BY_NAME[label].properties if declared.name != "id")


def merged(known: Mapping[str, Any], given: Mapping[str, Any], guard: str | None) -> dict[str, Any]:
    """A shared node after a write: what is given and not null wins, except over a known guard."""
    result = dict(known)
    for name, value in given.items():
        if value is not None and not (name == guard and known.get(name) is not None):
            result[name] = value
    return result


__all__: Sequence[str] = ["Transaction", "add_measurements", "delete", "merged", "properties_of", "write"]
