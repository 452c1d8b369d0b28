"""Lists of floats that come in small portions, each its own transaction, are read back as they were written."""

from __future__ import annotations

import random
from typing import Any

import pytest

from circuit_atlas.cypher import Store, connect
from tests.graphs import SUBJECT, SUBJECT_EDGES, circuit

LISTS = ("full", "empty", "circuit", "complement")


def measured(source: random.Random, number: int) -> dict[str, Any]:
    """A measurement with lists of values in single precision, as a model gives them."""
    lists = {name: [round(source.gauss(-3.0, 0.5) * 2**20) / 2**20 for _ in range(16)] for name in LISTS}
    about = {"kind": "circuit", "node_threshold": 0.5, "n_nodes": 3, "n_active": 12.0, "ablation": "mean"}
    about |= {"means_over": "clean", "errors": "default", "start_layer": 0, "split": "held-out", "n_examples": 16}
    return {"id": f"m{number}", **about, **{f"m_{name}": sum(some) / 16 for name, some in lists.items()}, **lists}


@pytest.mark.slow
def test_lists_in_small_portions_keep_their_values(store: Store, store_url: str) -> None:
    source = random.Random(0)
    written: dict[str, dict[str, Any]] = {}
    rows = circuit("he", SUBJECT, SUBJECT_EDGES)
    store.write([rows])
    for portion in range(8):
        some = [measured(source, 20 * portion + number) for number in range(20)]
        store.add_measurements(rows.circuit_id, {"id": "he", "kind": "contrastive"}, some)
        written |= {one["id"]: one for one in some}
    found = store.query("measurement_items", circuit="he").set_index("measurement")
    with connect(store_url) as again:
        reopened = again.query("measurement_items", circuit="he").set_index("measurement")
    for key, one in written.items():
        for name in LISTS:
            column = "only_circuit" if name == "circuit" else name
            assert [list(table[column][key]) for table in (found, reopened)] == [one[name]] * 2
