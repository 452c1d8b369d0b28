"""Constraints of the server engine, derived from the schema; each brings the index that looks a key up."""

from __future__ import annotations

from collections.abc import Iterator

from circuit_atlas.cypher.schema import LABELS


def constraints() -> Iterator[str]:
    """One statement a constraint: keys are unique, and so are the names of circuits."""
    for label in LABELS:
        yield _unique(label.name, "id")
    yield _unique("Circuit", "name")


def _unique(label: str, name: str) -> str:
    return (
        f"CREATE CONSTRAINT circuit_atlas_{label.lower()}_{name} IF NOT EXISTS "
        f"FOR (n:{label}) REQUIRE n.{name} IS UNIQUE"
    )
