"""The schema's reference page: `python -m circuit_atlas.cypher.schema_page > docs/schema.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from circuit_atlas.cypher.declared import Label, Property, Relationship
from circuit_atlas.cypher.schema import LABELS, RELATIONSHIPS, SCHEMA_VERSION

_HEAD = f"""\
# The graph's schema

Version {SCHEMA_VERSION}. Written from `cypher/schema.py`, where it is to be changed, by
`python -m circuit_atlas.cypher.schema_page > docs/schema.md`. Both engines hold the same labels, keys, properties and
types.

Every node has one label and one string key, `id`. *Owned* nodes belong to one circuit, and are replaced and deleted
with it; all others are shared: written again they are merged, and a missing value never overwrites a known one.
Required properties are in **bold**; `circuit-atlas check` reports a node without one.
"""


def page() -> str:
    """Return the whole page as Markdown."""
    return "\n".join([_HEAD, *_labels(LABELS), *_relationships(RELATIONSHIPS)])


def _labels(labels: Sequence[Label]) -> Iterator[str]:
    yield "## Nodes\n"
    for label in labels:
        yield f"### {label.name}\n"
        yield f"{label.description} {'Owned by a circuit' if label.owned else 'Shared'}. Key: {label.key}.\n"
        if label.guard:
            yield f"Writing a known key with another `{label.guard}` is refused.\n"
        yield from _properties(label.properties)


def _relationships(relationships: Sequence[Relationship]) -> Iterator[str]:
    yield "## Relationships\n"
    yield "| type | between | meaning |\n|---|---|---|"
    for relationship in relationships:
        pairs = ", ".join(f"{source} → {target}" for source, target in relationship.pairs)
        yield f"| `{relationship.name}` | {pairs} | {_cell(relationship.description)} |"
    yield ""
    for relationship in relationships:
        if relationship.properties:
            yield f"### {relationship.name}\n"
            yield from _properties(relationship.properties)


def _properties(properties: Sequence[Property]) -> Iterator[str]:
    yield "| property | type | meaning |\n|---|---|---|"
    for item in properties:
        name = f"**`{item.name}`**" if item.required else f"`{item.name}`"
        yield f"| {name} | {item.type} | {_cell(item.description)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
