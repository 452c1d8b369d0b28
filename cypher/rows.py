"""A circuit as rows: what ingest hands to a store, and what a store hands to another.

Pure data, no engine: node rows are property mappings with `id`; relationship rows have `from` and `to` (keys) beside
their properties. A store writes one `CircuitRows` whole in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from circuit_atlas.cypher.schema import LABEL_BY_NAME, RELATIONSHIP_BY_NAME
from circuit_atlas.errors import StoreError

Row: TypeAlias = Mapping[str, Any]


class Pair(NamedTuple):
    """A relationship type between two labels."""

    type: str
    source: str
    target: str


@dataclass(frozen=True)
class CircuitRows:
    """One circuit with everything it hangs on.

    Attributes:
        circuit_id: its key.
        nodes: for each label, its rows (properties, `id` among them). Exactly one `Circuit`.
        relationships: for each (type, from label, to label), rows of `from`, `to` and properties.

    """

    circuit_id: str
    nodes: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    relationships: Mapping[Pair, Sequence[Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse labels, relationship types and properties that the schema does not know."""
        for label, rows in self.nodes.items():
            if label not in LABEL_BY_NAME:
                raise StoreError(f"circuit rows name the label {label!r}, which the schema does not have")
            _refuse_unknown(label, rows, {p.name for p in LABEL_BY_NAME[label].properties})
        for pair, rows in self.relationships.items():
            known = RELATIONSHIP_BY_NAME.get(pair.type)
            if known is None or (pair.source, pair.target) not in known.pairs:
                raise StoreError(f"circuit rows name the relationship {pair}, which the schema does not have")
            _refuse_unknown(pair.type, rows, {"from", "to"} | {p.name for p in known.properties})


def _refuse_unknown(where: str, rows: Sequence[Row], known: set[str]) -> None:
    for row in rows:
        unknown = row.keys() - known
        if unknown:
            raise StoreError(
                f"a row of {where} has the unknown property {sorted(unknown)[0]!r}: declare it in the schema"
            )
