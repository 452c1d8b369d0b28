"""Values of the Neo4j driver as plain ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from neo4j.graph import Node, Path, Relationship

from circuit_atlas.cypher.base import SCALARS
from circuit_atlas.cypher.schema import LABEL_BY_NAME, RELATIONSHIP_BY_NAME

KeyOf = Callable[[str], str | None]
"""From the engine's own id of a node to its key."""


def plain(value: Any, key_of: KeyOf) -> Any:
    """Nodes, relationships and paths as dicts, moments as ISO text, the rest as it is."""
    if isinstance(value, Node):
        return _node(value)
    if isinstance(value, Relationship):
        return _relationship(value, key_of)
    if isinstance(value, Path):
        return {
            "_nodes": [plain(node, key_of) for node in value.nodes],
            "_relationships": [plain(step, key_of) for step in value.relationships],
        }
    if isinstance(value, list):
        return value if _is_plain(value) else [plain(item, key_of) for item in value]
    if isinstance(value, dict):
        return {name: plain(item, key_of) for name, item in value.items()}
    return value.iso_format() if hasattr(value, "iso_format") else value


def _is_plain(values: list[Any]) -> bool:
    """Whether a list, which may be long, holds nothing that must be looked at one by one."""
    return SCALARS.issuperset(map(type, values))


def _node(node: Node) -> dict[str, Any]:
    label = next(iter(node.labels), "")
    if label not in LABEL_BY_NAME:
        return {"_label": label} | dict(node)
    return {"_label": label} | {declared.name: node.get(declared.name) for declared in LABEL_BY_NAME[label].properties}


def _relationship(relationship: Relationship, key_of: KeyOf) -> dict[str, Any]:
    declared = RELATIONSHIP_BY_NAME.get(relationship.type)
    names = [p.name for p in declared.properties] if declared else list(relationship)
    ends = relationship.nodes
    return {
        "_type": relationship.type,
        "_from": None if ends[0] is None else key_of(ends[0].element_id),
        "_to": None if ends[1] is None else key_of(ends[1].element_id),
    } | {name: relationship.get(name) for name in names}


def ends_of(value: Any) -> Iterator[str]:
    """The engine's ids of the nodes at the ends of every relationship in a value."""
    if isinstance(value, Relationship):
        yield from (end.element_id for end in value.nodes if end is not None)
    elif isinstance(value, Path):
        for step in value.relationships:
            yield from ends_of(step)
    elif isinstance(value, (list, dict)) and not (isinstance(value, list) and _is_plain(value)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from ends_of(item)
