"""Measurements as rows of the graph: the same measurement made again has the same key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from circuit_atlas.cypher import keys
from circuit_atlas.cypher.rows import Row
from circuit_atlas.ingest.batches import TokenExample
from circuit_atlas.ingest.data import identity
from circuit_atlas.ingest.digests import digest_json

_FOUND = ("faithfulness", "completeness")


def keyed(circuit_id: str, task_id: str, measured: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Rows of `Measurement` with their keys: made of what was measured, not of what was found."""
    rows: list[Row] = []
    for row in measured:
        choice = {
            name: value
            for name, value in row.items()
            if not isinstance(value, list) and not name.startswith("m_") and name not in _FOUND
        }
        rows.append({"id": keys.measurement_id(circuit_id, task_id, digest_json(choice)[:16]), **row})
    return rows


def data_digest(background: Sequence[TokenExample], examples: Sequence[TokenExample]) -> str:
    """SHA-256 of the examples that means are over, and of those measured on; of their roles too where these count."""
    return digest_json([[identity(e) for e in some] for some in (background, examples)])
