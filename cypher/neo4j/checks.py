"""What only an engine without tables can hold: labels, relationships and types that the schema does not have."""

from __future__ import annotations

from collections.abc import Iterator

from circuit_atlas.cypher.checks import Check
from circuit_atlas.cypher.declared import Property, PropertyType
from circuit_atlas.cypher.schema import LABELS, RELATIONSHIPS

TYPES = {
    PropertyType.STRING: "STRING",
    PropertyType.INTEGER: "INTEGER",
    PropertyType.FLOAT: "FLOAT",
    PropertyType.BOOLEAN: "BOOLEAN",
    PropertyType.STRINGS: "LIST<STRING NOT NULL>",
    PropertyType.INTEGERS: "LIST<INTEGER NOT NULL>",
    PropertyType.FLOATS: "LIST<FLOAT NOT NULL>",
}


def foreign_checks() -> Iterator[Check]:
    """Checks in the server's own dialect."""
    ours = "|".join(label.name for label in LABELS)
    yield Check(
        f"MATCH (n:{ours}) WHERE size(labels(n)) > 1 RETURN n.id AS id, labels(n) AS labels ORDER BY id",
        "node {id} has several labels, {labels}, where one is right",
    )
    for relationship in RELATIONSHIPS:
        allowed = " OR ".join(f"(a:{source} AND b:{target})" for source, target in relationship.pairs)
        yield Check(
            f"MATCH (a)-[r:{relationship.name}]->(b) WHERE NOT ({allowed}) "
            "RETURN labels(a) AS source, labels(b) AS target, count(*) AS times ORDER BY source, target",
            f"{relationship.name} leads {{times}} times from {{source}} to {{target}}, which the schema does not have",
        )
        yield from (_type_of_relationship(relationship.name, declared) for declared in relationship.properties)
    known = [relationship.name for relationship in RELATIONSHIPS]
    yield Check(
        f"MATCH (a:{ours})-[r]-(b) WHERE NOT type(r) IN {known} "
        "RETURN type(r) AS type, count(*) AS times ORDER BY type",
        "{times} ends of relationships of type {type}, which the schema does not have",
    )
    for label in LABELS:
        yield from (_type_in_node(label.name, declared) for declared in label.properties)


def _type_in_node(label: str, declared: Property) -> Check:
    name = declared.name
    return Check(
        f"MATCH (n:{label}) WHERE n.{name} IS NOT NULL AND n.{name} IS NOT :: {TYPES[declared.type]} "
        "RETURN n.id AS id ORDER BY id",
        f"{label} {{id}} has a {name} that is no {declared.type.value}",
    )


def _type_of_relationship(type_name: str, declared: Property) -> Check:
    name = declared.name
    return Check(
        f"MATCH (a)-[r:{type_name}]->(b) WHERE r.{name} IS NOT NULL AND r.{name} IS NOT :: {TYPES[declared.type]} "
        "RETURN a.id AS source, b.id AS target ORDER BY source, target",
        f"{type_name} from {{source}} to {{target}} has a {name} that is no {declared.type.value}",
    )
