"""Statements that both engines share, derived from the schema; each engine's dialect adds how it creates and merges."""

from __future__ import annotations

from collections.abc import Iterable

from circuit_atlas.cypher.declared import Label
from circuit_atlas.cypher.rows import Pair
from circuit_atlas.cypher.schema import LABEL_BY_NAME, LABELS, RELATIONSHIPS

SHARED: tuple[Label, ...] = tuple(label for label in LABELS if not label.owned and label.name != "Meta")
"""Labels whose nodes outlive a circuit."""

PAIRS: tuple[Pair, ...] = tuple(
    Pair(relationship.name, source, target) for relationship in RELATIONSHIPS for source, target in relationship.pairs
)
"""Every relationship type between every two labels that it connects."""

SHARED_PAIRS: tuple[Pair, ...] = tuple(pair for pair in PAIRS if not LABEL_BY_NAME[pair.source].owned)
OWNED_PAIRS: tuple[Pair, ...] = tuple(pair for pair in PAIRS if LABEL_BY_NAME[pair.source].owned)

OWNED_BY: dict[str, str] = {
    "CircuitNode": "(c:Circuit)-[:HAS_NODE]->(n:CircuitNode)",
    "Measurement": "(n:Measurement)-[:MEASURES]->(c:Circuit)",
}
"""How an owned node hangs on its circuit."""

EMPTY_CIRCUIT: tuple[str, ...] = (
    *(f"MATCH {pattern} WHERE c.id IN $ids DETACH DELETE n" for pattern in OWNED_BY.values()),
    *(
        f"MATCH (c:Circuit)-[r:{pair.type}]->(:{pair.target}) WHERE c.id IN $ids DELETE r"
        for pair in OWNED_PAIRS
        if pair.source == "Circuit"
    ),
)
"""Take away all that circuits own and point at; what points at them (derived circuits) stays."""

DELETE_CIRCUIT: tuple[str, ...] = (*EMPTY_CIRCUIT, "MATCH (c:Circuit) WHERE c.id IN $ids DETACH DELETE c")

NAMES = "MATCH (c:Circuit) WHERE c.name IN $names RETURN c.id AS id, c.name AS name ORDER BY id"
KNOWN_CIRCUITS = "MATCH (c:Circuit) WHERE c.id IN $ids RETURN c.id AS id ORDER BY id"
MADE_AT = "MATCH (c:Circuit) WHERE c.id IN $ids RETURN c.id AS id, c.created_at AS made ORDER BY id"
DERIVED = (
    "MATCH (d:Circuit)-[:DERIVED_FROM]->(c:Circuit) WHERE c.id IN $ids AND NOT d.id IN $ids "
    "RETURN d.name AS derived, c.name AS name ORDER BY derived LIMIT 1"
)


def delete_by_key(label: str) -> str:
    """Owned nodes under keys about to be written, should one hang on nothing."""
    return f"UNWIND $ids AS key MATCH (n:{label} {{id: key}}) DETACH DELETE n"


def set_circuit() -> str:
    """One Circuit node, all of its properties (nulls too), from a parameter a property."""
    names = [declared.name for declared in LABEL_BY_NAME["Circuit"].properties if declared.name != "id"]
    return "MERGE (c:Circuit {id: $id}) SET " + ", ".join(f"c.{name} = ${name}" for name in names)


def read_guards(label: Label) -> str:
    """The guarded property of known nodes of a label."""
    return f"MATCH (n:{label.name}) WHERE n.id IN $ids RETURN n.id AS id, n.{label.guard} AS value"


def returned_properties(variable: str, names: tuple[str, ...]) -> str:
    """A RETURN list of properties under their own names."""
    return ", ".join(f"{variable}.{name} AS `{name}`" for name in names)


def create_nodes(label: str, columns: Iterable[str]) -> str:
    """Nodes with new keys and these properties, from `$rows`."""
    return f"UNWIND $rows AS row CREATE (:{label} {{{_from_row(columns)}}})"


def create_relationships(pair: Pair, columns: Iterable[str]) -> str:
    """Relationships between two labels with these properties, from `$rows`."""
    properties = _from_row(name for name in columns if name not in ("from", "to"))
    return (
        f"UNWIND $rows AS row MATCH (a:{pair.source} {{id: row.`from`}}) MATCH (b:{pair.target} {{id: row.`to`}}) "
        f"CREATE (a)-[:{pair.type}{f' {{{properties}}}' if properties else ''}]->(b)"
    )


def find_nodes(label: str) -> str:
    """How many of the nodes named in `$rows` there are."""
    return f"UNWIND $rows AS row MATCH (n:{label} {{id: row.id}}) RETURN count(n) AS found"


def set_node_property(label: str, name: str) -> str:
    """One property of the nodes named in `$rows`."""
    return f"UNWIND $rows AS row MATCH (n:{label} {{id: row.id}}) SET n.{name} = row.value"


def find_relationships(pair: Pair) -> str:
    """How many of the relationships named in `$rows` there are."""
    return f"UNWIND $rows AS row MATCH {_named(pair)} RETURN count(r) AS found"


def set_relationship_property(pair: Pair, name: str) -> str:
    """One property of the relationships named in `$rows`."""
    return f"UNWIND $rows AS row MATCH {_named(pair)} SET r.{name} = row.value"


def _named(pair: Pair) -> str:
    return f"(a:{pair.source} {{id: row.`from`}})-[r:{pair.type}]->(b:{pair.target} {{id: row.`to`}})"


def _from_row(names: Iterable[str]) -> str:
    return ", ".join(f"{name}: row.{name}" for name in names)
