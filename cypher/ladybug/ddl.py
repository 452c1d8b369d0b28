"""Tables of the embedded engine, derived from the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from circuit_atlas.cypher.declared import Property, PropertyType
from circuit_atlas.cypher.schema import LABELS, RELATIONSHIPS

TYPES: Mapping[PropertyType, str] = {
    PropertyType.STRING: "STRING",
    PropertyType.INTEGER: "INT64",
    PropertyType.FLOAT: "DOUBLE",
    PropertyType.BOOLEAN: "BOOLEAN",
    PropertyType.STRINGS: "STRING[]",
    PropertyType.INTEGERS: "INT64[]",
    PropertyType.FLOATS: "DOUBLE[]",
}


def tables() -> Iterator[str]:
    """One statement a table: labels first, then the relationships between them."""
    for label in LABELS:
        yield f"CREATE NODE TABLE {label.name}({_columns(label.properties)}, PRIMARY KEY(id))"
    for relationship in RELATIONSHIPS:
        ends = ", ".join(f"FROM {source} TO {target}" for source, target in relationship.pairs)
        columns = f", {_columns(relationship.properties)}" if relationship.properties else ""
        yield f"CREATE REL TABLE {relationship.name}({ends}{columns})"


def _columns(properties: tuple[Property, ...]) -> str:
    return ", ".join(f"`{declared.name}` {TYPES[declared.type]}" for declared in properties)
