"""Values of the embedded engine as plain ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, TypeAlias

from circuit_atlas.cypher.schema import LABEL_BY_NAME, RELATIONSHIP_BY_NAME

Place: TypeAlias = tuple[int, int]
"""Where the engine keeps a node: its table and offset."""


def plain(value: Any, keys: Mapping[Place, str]) -> Any:
    """Nodes, relationships and paths as dicts, Decimal (sums of integers) as int or float, the rest as it is."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, list):
        return [plain(item, keys) for item in value]
    if not isinstance(value, dict):
        return value
    if _is_relationship(value):
        return _relationship(value, keys)
    if value.get("_LABEL") in LABEL_BY_NAME:
        label = value["_LABEL"]
        return {"_label": label} | {p.name: plain(value.get(p.name), keys) for p in LABEL_BY_NAME[label].properties}
    if value.keys() == {"_NODES", "_RELS"}:
        return {"_nodes": plain(value["_NODES"], keys), "_relationships": plain(value["_RELS"], keys)}
    return {name: plain(item, keys) for name, item in value.items()}


def ends_of(value: Any) -> Iterator[Place]:
    """Places of the nodes at the ends of every relationship in a value."""
    if isinstance(value, list):
        for item in value:
            yield from ends_of(item)
    elif isinstance(value, dict):
        if _is_relationship(value):
            yield from (_place(value["_SRC"]), _place(value["_DST"]))
        else:
            yield from ends_of(list(value.values()))


def _is_relationship(value: Mapping[str, Any]) -> bool:
    return "_SRC" in value and value.get("_LABEL") in RELATIONSHIP_BY_NAME


def _relationship(value: Mapping[str, Any], keys: Mapping[Place, str]) -> dict[str, Any]:
    ends = {"_from": keys.get(_place(value["_SRC"])), "_to": keys.get(_place(value["_DST"]))}
    declared = RELATIONSHIP_BY_NAME[value["_LABEL"]].properties
    return {"_type": value["_LABEL"], **ends} | {p.name: plain(value.get(p.name), keys) for p in declared}


def _place(internal: Mapping[str, int]) -> Place:
    return internal["table"], internal["offset"]
