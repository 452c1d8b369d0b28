"""Properties set on what is stored already: all or none, nulls change nothing, the same on both engines."""

from __future__ import annotations

from typing import Any

import pytest

from circuit_atlas.cypher import Pair, Store
from circuit_atlas.errors import StoreError
from tests.graphs import small_circuits
from tests.stores.versions import NAME, version

pytestmark = pytest.mark.slow

EDGE = Pair("EDGE", "CircuitNode", "CircuitNode")
SVA = "toy/circuit/sva"
NODES = [f"{SVA}/embed/feature/5/1", f"{SVA}/mlp_0/feature/7/4"]
LOOK = "MATCH (n:CircuitNode) WHERE n.id IN $ids RETURN n.stability AS stability, n.standing AS standing ORDER BY n.id"
EDGES = (
    "MATCH (a:CircuitNode)-[e:EDGE]->(b:CircuitNode) WHERE a.id = $id RETURN e.stability AS s, e.weight AS w ORDER BY w"
)


def nodes(store: Store) -> list[tuple[Any, ...]]:
    return [(row["stability"], row["standing"]) for row in store.rows(LOOK, {"ids": NODES})]


def test_nodes_and_edges_are_set_and_nulls_change_nothing(store: Store) -> None:
    store.write(small_circuits())
    store.set_properties(
        {
            "CircuitNode": [
                {"id": NODES[0], "stability": 1, "standing": "core"},
                {"id": NODES[1], "stability": 0.25, "standing": None},
            ],
            "Circuit": [{"id": SVA, "certainty": "{}"}],
        },
        {EDGE: [{"from": NODES[0], "to": NODES[1], "stability": 0.75}]},
    )
    assert nodes(store) == [(1.0, "core"), (0.25, None)]
    store.set_properties({"CircuitNode": [{"id": NODES[0], "stability": None, "standing": "noise"}]})
    assert nodes(store) == [(1.0, "noise"), (0.25, None)]
    found = [(row["s"], row["w"]) for row in store.rows(EDGES, {"id": NODES[0]})]
    assert found == [(None, 0.1), (0.75, 0.5)]
    assert store.check() == []
    circuit = store.read_circuit(SVA)
    assert circuit.nodes["Circuit"][0]["certainty"] == "{}"
    assert circuit.nodes["Circuit"][0]["n_nodes"] == 3


def test_many_rows_at_once(store: Store) -> None:
    store.write([version(1)])
    table = store.query("edge_values", circuit=NAME)
    ids = store.query("node_values", circuit=NAME)["id"].tolist()
    changes = [
        {"from": up, "to": down, "stability": place / 1_000}
        for place, (up, down) in enumerate(zip(table["source_id"], table["target_id"], strict=True))
    ]
    store.set_properties({"CircuitNode": [{"id": one, "stability": 0.5} for one in ids]}, {EDGE: changes})
    (row,) = store.rows("MATCH ()-[e:EDGE]->() RETURN count(e.stability) AS n, sum(e.stability) AS total")
    assert (row["n"], row["total"]) == (400, pytest.approx(sum(range(400)) / 1_000))
    (row,) = store.rows("MATCH (n:CircuitNode) RETURN count(n.stability) AS n, count(n) AS every")
    assert (row["n"], row["every"]) == (400, 401)


@pytest.mark.parametrize(
    ("changes", "relationships", "said"),
    [
        ({"CircuitNode": [{"id": "nowhere", "stability": 1.0}]}, {}, "1 of 2 CircuitNode to be changed are not"),
        ({}, {EDGE: [{"from": NODES[1], "to": NODES[0], "stability": 1.0}]}, "EDGE to be changed are not in the store"),
        ({"CircuitNode": [{"id": NODES[1], "steadiness": 1.0}]}, {}, "unknown property 'steadiness'"),
        ({"CircuitNode": [{"id": NODES[1], "stability": "high"}]}, {}, "must be float"),
        ({"CircuitNode": [{"id": NODES[1], "stability": float("nan")}]}, {}, "only finite numbers"),
        ({"CircuitNode": [{"id": NODES[0], "stability": 1.0}]}, {}, "names one of them twice"),
        ({"Feature": [{"id": "toy/topk/embed/feature/5", "label": "x"}]}, {}, "Feature is no label"),
        ({}, {Pair("OF_SAE", "Feature", "Sae"): []}, "no relationship of a circuit"),
    ],
)
def test_what_does_not_fit_changes_nothing(
    store: Store, changes: dict[str, Any], relationships: dict[Pair, Any], said: str
) -> None:
    store.write(small_circuits())
    first = [{"id": NODES[0], "stability": 0.5}]
    given = {**changes, "CircuitNode": [*first, *changes.get("CircuitNode", [])]}
    with pytest.raises(StoreError, match=said) as told:
        store.set_properties(given, relationships)
    assert "\n" not in str(told.value)
    assert nodes(store) == [(None, None), (None, None)]
