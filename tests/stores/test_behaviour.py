"""What every store promises, on each engine."""

from __future__ import annotations

import dataclasses
from typing import Any

import ladybug
import pandas as pd
import pytest
from neo4j import GraphDatabase

from circuit_atlas.cypher import CircuitRows, Pair, Store, connect
from circuit_atlas.errors import QueryError, StoreError, UnknownCircuitError
from tests.graphs import SUBJECT, SUBJECT_EDGES, circuit, small_circuits

SIZES = "MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode) RETURN c.name AS name, count(n) AS nodes ORDER BY name"
EDGES = "MATCH (:CircuitNode)-[e:EDGE]->(:CircuitNode) RETURN count(e) AS edges"
COUNT = "MATCH (n) RETURN count(n) AS nodes"


def with_rows(rows: CircuitRows, of: str, **changes: Any) -> CircuitRows:
    """The circuit with properties of every node of a label changed."""
    changed = [dict(row) | changes for row in rows.nodes[of]]
    return dataclasses.replace(rows, nodes={**rows.nodes, of: changed})


ADDED = {("CircuitNode", "ordinal")}


def as_sets(rows: CircuitRows) -> dict[Any, list[tuple[Any, ...]]]:
    """Rows without order, nulls and what a store adds (ordinals), to compare what was written with what is read."""
    parts: dict[Any, Any] = {**rows.nodes, **rows.relationships}
    return {
        tuple(name) if isinstance(name, Pair) else name: sorted(
            tuple(sorted((k, str(v)) for k, v in row.items() if v is not None and (name, k) not in ADDED))
            for row in found
        )
        for name, found in parts.items()
        if found
    }


def test_what_is_written_is_there_at_once_and_for_others(store: Store, store_url: str) -> None:
    store.write(small_circuits())
    expected = [
        {"name": "he/object", "nodes": 5},
        {"name": "he/subject", "nodes": 6},
        {"name": "sva", "nodes": 4},
    ]
    assert store.rows(SIZES) == expected
    with connect(store_url) as other:
        assert other.rows(SIZES) == expected
        assert other.rows(EDGES) == [{"edges": 16}]


def test_nodes_are_numbered_in_the_order_of_their_keys_however_they_come(store: Store) -> None:
    rows = small_circuits()[0]
    store.write([dataclasses.replace(rows, nodes={**rows.nodes, "CircuitNode": rows.nodes["CircuitNode"][::-1]})])
    read = store.read_circuit(rows.circuit_id).nodes["CircuitNode"]
    assert {row["id"].removeprefix(f"{rows.circuit_id}/"): row["ordinal"] for row in read} == {
        "embed/feature/1/2": 0,
        "mlp_0/feature/7/2": 1,
        "mlp_0/feature/8/3": 2,
        "resid_1/error/3": 3,
        "resid_1/feature/3/3": 4,
        "target/*": 5,
    }


def test_shared_features_are_one_node(store: Store) -> None:
    store.write(small_circuits())
    shared = store.rows(
        "MATCH (n:CircuitNode)-[:INSTANCE_OF]->(f:Feature {id: $id}) RETURN n.effect AS effect ORDER BY effect",
        {"id": "toy/topk/mlp_0/feature/7"},
    )
    assert shared == [{"effect": -1.0}, {"effect": 0.5}, {"effect": 1.5}]


def test_features_alike_are_joined_once_whichever_circuits_have_them(store: Store) -> None:
    """The second circuit has one pair of the first and one of its own; what a circuit reads back is its own alone."""
    found = (
        "MATCH (a:Feature)-[r:SIMILAR_TO]->(b:Feature) "
        "RETURN a.id AS one, b.id AS other, r.cosine AS cosine ORDER BY one, other"
    )
    embed, resid = "toy/topk/embed/feature/1", "toy/topk/resid_1/feature"
    one = circuit("one", [("embed", 1, 2, 1.0), ("resid_1", 3, 2, 1.0)], [])
    two = circuit("two", [("embed", 1, 2, 1.0), ("resid_1", 3, 2, 1.0), ("resid_1", 4, 2, 1.0)], [])
    store.write([one])
    assert store.rows(found) == [{"one": embed, "other": f"{resid}/3", "cosine": 0.75}]
    for _ in range(2):
        store.write([two])
        assert store.rows(found) == [
            {"one": embed, "other": f"{resid}/3", "cosine": 0.75},
            {"one": embed, "other": f"{resid}/4", "cosine": -0.4},
            {"one": f"{resid}/3", "other": f"{resid}/4", "cosine": 0.5},
        ]
    for written in (one, two):
        assert as_sets(store.read_circuit(written.circuit_id)) == as_sets(written)
    store.delete_circuit(two.circuit_id)
    assert len(store.rows(found)) == 3  # as the features themselves, they stay


def test_a_circuit_reads_back_as_it_was_written(store: Store) -> None:
    for written in small_circuits():
        store.write([written])
        assert as_sets(store.read_circuit(written.circuit_id)) == as_sets(written)


def test_writing_again_changes_nothing(store: Store) -> None:
    store.write(small_circuits())
    before = store.rows(COUNT), store.rows(EDGES), as_sets(store.read_circuit(small_circuits()[0].circuit_id))
    store.write(small_circuits())
    store.write(small_circuits(), one_transaction=True)
    assert before == (store.rows(COUNT), store.rows(EDGES), as_sets(store.read_circuit(small_circuits()[0].circuit_id)))


def test_replacing_leaves_nothing_of_the_old(store: Store) -> None:
    store.write(small_circuits())
    smaller = circuit("he/subject", SUBJECT[:2], [(0, 1, 0.4), (1, -1, -1.0)])
    store.write([smaller])
    assert as_sets(store.read_circuit(smaller.circuit_id)) == as_sets(smaller)
    assert store.rows(EDGES) == [{"edges": 16 - 7 + 2}]
    assert store.check() == []


def test_a_null_overwrites_in_the_circuit_but_not_in_what_is_shared(store: Store) -> None:
    first = small_circuits()[0]
    store.write([with_rows(first, "Feature", label="known")])
    store.write([with_rows(with_rows(first, "Feature", label=None), "Circuit", accuracy=None)])
    assert store.rows("MATCH (f:Feature) RETURN DISTINCT f.label AS label") == [{"label": "known"}]
    assert store.rows("MATCH (c:Circuit) RETURN c.accuracy AS accuracy") == [{"accuracy": None}]


def test_deleting_takes_what_is_owned_and_leaves_what_is_shared(store: Store) -> None:
    subject, other, sva = small_circuits()
    store.write([subject, other, sva])
    features = store.rows("MATCH (f:Feature) RETURN count(f) AS n")
    store.delete_circuit(subject.circuit_id)
    assert [row["name"] for row in store.rows(SIZES)] == ["he/object", "sva"]
    assert store.rows(EDGES) == [{"edges": 9}]
    assert store.rows("MATCH (m:Measurement) RETURN count(m) AS n") == [{"n": 2}]
    assert store.rows("MATCH (f:Feature) RETURN count(f) AS n") == features
    assert store.check() == []
    with pytest.raises(UnknownCircuitError, match="there is no circuit"):
        store.delete_circuit(subject.circuit_id)


def test_a_taken_name_is_refused_and_nothing_is_written(store: Store) -> None:
    store.write(small_circuits())
    before = store.rows(COUNT)
    with pytest.raises(StoreError, match=r"already named 'he/subject'.*--name"):
        store.write([circuit("he/subject", SUBJECT, SUBJECT_EDGES, circuit_id="toy/circuit/another")])
    assert store.rows(COUNT) == before


@pytest.mark.parametrize(("label", "way_out"), [("Model", "--model-id"), ("Sae", "--suite")])
def test_another_model_under_a_known_key_is_refused(store: Store, label: str, way_out: str) -> None:
    store.write(small_circuits()[:1])
    other = with_rows(small_circuits()[1], label, weights_digest="other")
    before = store.rows(COUNT)
    with pytest.raises(StoreError, match=way_out):
        store.write([other])
    assert store.rows(COUNT) == before
    assert store.rows(f"MATCH (n:{label}) WHERE n.weights_digest = 'other' RETURN n.id AS id") == []


def test_rows_that_do_not_fit_the_schema_are_refused(store: Store) -> None:
    good = small_circuits()[0]
    for changes, words in (
        ({"effect": float("nan")}, "has effect nan"),
        ({"effects": [1.0, float("inf")]}, "has effects inf"),
        ({"effect": None}, "lacks effect"),
        ({"layer": "three"}, "layer must be integer"),
        ({"id": "one"}, "comes twice"),
    ):
        with pytest.raises(StoreError, match=words):
            store.write([with_rows(good, "CircuitNode", **changes)])
    pair = Pair("EDGE", "CircuitNode", "CircuitNode")
    edges = [*good.relationships[pair], {"from": "nowhere", "to": "nowhere", "weight": 1.0}]
    with pytest.raises(StoreError, match="'nowhere', which is not among the rows"):
        store.write([dataclasses.replace(good, relationships={**good.relationships, pair: edges})])
    assert store.rows(COUNT) == [{"nodes": 1}]  # Meta alone


def test_derived_circuits_keep_their_origin(store: Store) -> None:
    origin, derived = small_circuits()[:2]
    pair = Pair("DERIVED_FROM", "Circuit", "Circuit")
    step = {"from": derived.circuit_id, "to": origin.circuit_id, "operation": "difference", "ordinal": 0}
    derived = dataclasses.replace(derived, relationships={**derived.relationships, pair: [step]})
    with pytest.raises(StoreError, match="write it first"):
        store.write([derived])
    store.write([origin, derived])
    store.write([origin])  # replacing an origin must not cut what was derived from it
    assert store.rows("MATCH (:Circuit)-[r:DERIVED_FROM]->(c:Circuit) RETURN c.name AS name, r.ordinal AS ordinal") == [
        {"name": "he/subject", "ordinal": 0}
    ]
    with pytest.raises(StoreError, match="delete he/object first"):
        store.delete_circuit(origin.circuit_id)


@pytest.mark.slow
def test_values_have_the_same_types_on_both_engines(both_stores: tuple[Store, Store]) -> None:
    statement = (
        "MATCH p = (a:CircuitNode {kind: 'feature'})-[e:EDGE]->(b:CircuitNode) "
        "RETURN a, e, p, {node: b} AS map, collect(b.id) AS ids, count(*) AS n, sum(a.effect) AS total, "
        "a.position AS position, a.effects AS effects, null AS nothing, "
        "a.id AS source, b.id AS target ORDER BY source, target"
    )
    answers = []
    for store in both_stores:
        store.write(small_circuits())
        answers.append(store.rows(statement))
    embedded, server = answers
    assert embedded == server
    assert len(embedded) == 6 + 4 + 3  # every edge that does not start at an error
    first = embedded[0]
    assert first["a"]["_label"] == "CircuitNode"
    assert first["e"]["_type"] == "EDGE"
    assert (first["e"]["_from"], first["e"]["_to"]) == (first["a"]["id"], first["map"]["node"]["id"])
    assert [type(first[name]) for name in ("n", "total", "effects")] == [int, float, list]


def test_the_ends_of_a_relationship_alone_are_keys(store: Store) -> None:
    written = small_circuits()[2]
    store.write([written])
    found = store.rows("MATCH (:CircuitNode)-[e:EDGE]->(:CircuitNode) RETURN e")
    edges = written.relationships[Pair("EDGE", "CircuitNode", "CircuitNode")]
    assert sorted((r["e"]["_from"], r["e"]["_to"], r["e"]["weight"]) for r in found) == sorted(
        (row["from"], row["to"], row["weight"]) for row in edges
    )


def test_a_strangers_query(store: Store) -> None:
    store.write(small_circuits())
    answer = store.cypher("MATCH (c:Circuit) // all of them\nRETURN c.name AS name ORDER BY name;", row_limit=2)
    pd.testing.assert_frame_equal(answer, pd.DataFrame({"name": ["he/object", "he/subject"]}))
    assert answer.attrs["truncated"]
    assert not store.cypher("RETURN $x AS x", {"x": 1}).attrs["truncated"]


@pytest.mark.parametrize("statement", ["MATCH (n RETURN n", "MATCH (n:Circuit) RETURN m", "RETURN $missing AS x"])
def test_what_the_engine_refuses_is_one_line(store: Store, statement: str) -> None:
    with pytest.raises(QueryError) as caught:
        store.cypher(statement)
    assert "\n" not in str(caught.value)


def test_a_runaway_query_is_stopped(store: Store) -> None:
    store.write(small_circuits())
    nodes = "abcdefgh"
    sets = ", ".join(f"({name}:CircuitNode)" for name in nodes)
    runaway = f"MATCH {sets} WHERE {' + '.join(f'{name}.effect' for name in nodes)} > 3 RETURN count(*) AS n"
    with pytest.raises(QueryError, match="longer than its time limit"):
        store.cypher(runaway, time_limit=0.3)
    assert store.rows(SIZES)  # and the store goes on


def test_read_only_never_writes(store: Store, store_url: str) -> None:
    store.write(small_circuits())
    with connect(store_url, read_only=True) as reader:
        assert len(reader.rows(SIZES)) == 3
        with pytest.raises(StoreError, match="for reading only"):
            reader.write(small_circuits())


def test_another_version_of_the_schema_is_refused(store: Store, store_url: str) -> None:
    for version, words in ((99, "newer circuit-atlas"), (0, "no longer upgrades")):
        past_the_store(store_url, f"MATCH (m:Meta) SET m.schema_version = {version}")
        with pytest.raises(StoreError, match=words):
            connect(store_url)


def past_the_store(url: str, statement: str) -> None:
    """Write with the engine's own means, as another program would."""
    scheme, _, place = url.partition(":")
    if scheme == "ladybug":
        with ladybug.Database(place) as database, ladybug.Connection(database) as connection:
            connection.execute(statement)
        return
    credentials, _, host = place.removeprefix("//").partition("@")
    user, _, password = credentials.partition(":")
    with GraphDatabase.driver(f"{scheme}://{host}", auth=(user, password)) as driver:
        driver.execute_query(statement)
