"""Lists of numbers come back as they were written, whatever is written after them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from circuit_atlas.cypher import connect
from tests.graphs import SVA, SVA_EDGES, circuit, with_measurements

pytestmark = pytest.mark.slow

LISTS = ("full", "empty", "circuit", "complement")
NUMBERS = ("m_full", "m_empty", "m_circuit", "node_threshold")


def test_lists_written_one_after_another_keep_every_number(store_url: str) -> None:
    """Numbers with all their digits, appended in transactions of their own, over several openings of the store."""
    chance = random.Random(1)
    circuits = [circuit(name, SVA, SVA_EDGES) for name in ("one", "other")]
    like = circuits[0].nodes["Measurement"][0]
    written: dict[str, dict[str, Any]] = {}
    with connect(store_url) as store:
        store.write([with_measurements(rows, []) for rows in circuits])
    for turn in range(3):
        with connect(store_url) as store:
            for key in (rows.circuit_id for rows in circuits):
                new = []
                for number in range(8):
                    lists = {name: [chance.uniform(-9.0, 9.0) for _ in range(12)] for name in LISTS}
                    numbers = {name: chance.uniform(-9.0, 9.0) for name in NUMBERS}
                    new.append({**like, "id": f"{key}/task/{turn % 2}-{number}", **lists, **numbers})
                store.add_measurements(key, {"id": "task", "kind": "contrastive"}, new)
                written |= {row["id"]: row for row in new}
        with connect(store_url, read_only=True) as store:
            asked = ", ".join(f"m.{name} AS {name}" for name in ("id", *LISTS, *NUMBERS))
            found = store.cypher(f"MATCH (m:Measurement) RETURN {asked}").set_index("id")
        assert len(found) == len(written)
        for key, row in written.items():
            assert all(list(found.loc[key, name]) == row[name] for name in LISTS)
            assert all(found.loc[key, name] == row[name] for name in NUMBERS)
