"""What a schema is declared in: labels and relationships with typed properties."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PropertyType(StrEnum):
    """The types a property may have, the same on both engines."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    STRINGS = "list of strings"
    INTEGERS = "list of integers"
    FLOATS = "list of floats"


@dataclass(frozen=True)
class Property:
    """One property of a node or relationship.

    Attributes:
        name: its name in Cypher.
        type: its type.
        description: what it is, with its unit where it has one.
        required: whether every node must have it (the store's check reports where it is missing).

    """

    name: str
    type: PropertyType
    description: str
    required: bool = False


@dataclass(frozen=True)
class Label:
    """One node label: what it stands for, its key's form and its properties (`id` first).

    Attributes:
        name: the label.
        key: the form of its `id`, for the reference page.
        description: one sentence.
        properties: all of its properties, `id` first.
        owned: whether its nodes belong to one circuit, and are replaced and deleted with it.
        guard: the property whose change under a known id is refused (another model under a known name), if any.

    """

    name: str
    key: str
    description: str
    properties: tuple[Property, ...]
    owned: bool = False
    guard: str | None = None


@dataclass(frozen=True)
class Relationship:
    """One relationship type, the pairs of labels it connects (from, to) and its properties."""

    name: str
    description: str
    pairs: tuple[tuple[str, str], ...]
    properties: tuple[Property, ...] = ()
