"""A store verifies itself, and copies whole into another engine and back."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from circuit_atlas.cypher import CircuitRows, Pair, Store, connect, keys
from circuit_atlas.cypher.base import GraphStore
from circuit_atlas.cypher.copy import copy
from circuit_atlas.errors import StoreError, UnknownCircuitError
from tests.graphs import MODEL, SUITE, small_circuits
from tests.stores.test_behaviour import as_sets

pytestmark = pytest.mark.slow  # whole stores are copied between engines

DAMAGE = {
    "MATCH (c:Circuit)-[r:HAS_NODE]->(n:CircuitNode {kind: 'target'}) DELETE r": "has 0 targets, where one is right",
    "MATCH (n:CircuitNode)-[r:INSTANCE_OF]->(:Error) DELETE r": "instance of 0 Error nodes",
    "MATCH (:Feature)-[r:OF_SAE]->(:Sae) DELETE r": "has 0 dictionaries, where one is right",
    "MATCH (m:Measurement)-[r:MEASURES]->(:Circuit) DELETE r": "has 0 circuits that it measures",
    "MATCH (c:Circuit) SET c.metric = NULL": "lacks metric",
    "MATCH (:CircuitNode)-[r:EDGE]->(:CircuitNode) SET r.weight = NULL": "lacks weight",
    "MATCH (c:Circuit) SET c.name = 'one'": "3 nodes have the name one, which must be unique",
    "MATCH (c:Circuit) SET c.n_edges = 1": "says it has 1 edges, but",
    "MATCH (a:CircuitNode {kind: 'target'}), (b:CircuitNode {kind: 'error'}) CREATE (a)-[:EDGE {weight: 1.0}]->(b)": (
        "joins two circuits"
    ),
    "MATCH (n:CircuitNode) SET n.ordinal = 1": "nodes of the ordinal 1, where one is right",
    "MATCH (a:CircuitNode {kind: 'error'}) CREATE (a)-[:EDGE {weight: 1.0}]->(a)": "leads to where it starts",
    "MATCH (n:CircuitNode {kind: 'error'}) SET n.kind = 'neuron'": "unknown kind neuron",
    "MATCH (n:CircuitNode {kind: 'feature'}) SET n.kind = 'group'": "of kind group holds no feature",
    "MATCH (n:CircuitNode {kind: 'feature'})-[:INSTANCE_OF]->(f:Feature) CREATE (n)-[:HOLDS]->(f)": (
        "of kind feature holds features, which only groups do"
    ),
    "MATCH (c:Circuit) SET c.units = 'groups'": "says that its units are groups, but it has nodes of kind feature",
}

ALIKE = {
    "MATCH (:Feature)-[r:SIMILAR_TO]->(:Feature) SET r.cosine = 1.5": "with cosine 1.5 is none between two features",
    "MATCH (a:Feature)-[:SIMILAR_TO]->(b:Feature) CREATE (b)-[:SIMILAR_TO {cosine: 0.5}]->(a)": "2 times, where once",
    "MATCH (:Feature)-[r:SIMILAR_TO]->(:Feature) SET r.cosine = NULL": "lacks cosine",
}
"""Damage to what circuits share: writing them again does not mend it."""

FOREIGN = {
    "MATCH (n:Model) SET n:Sae": "several labels",
    "MATCH (t:Task) MATCH (m:Model) CREATE (t)-[:OF_MODEL]->(m)": "which the schema does not have",
    "MATCH (t:Task) MATCH (m:Model) CREATE (t)-[:LIKES]->(m)": "relationships of type LIKES",
    "MATCH (n:CircuitNode) SET n.layer = 'three'": "has a layer that is no integer",
    "MATCH (:CircuitNode)-[r:EDGE]->(:CircuitNode) SET r.weight = 1": "has a weight that is no float",
    "MATCH (t:Task) CREATE (:Task {id: t.id, kind: 'single'})": "2 nodes have the id he/subject, which must be unique",
}


def damage(store: GraphStore, statement: str) -> None:
    """Write past the store's own care."""
    store._write(lambda tx: tx.run(statement, {}))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ladybug", "neo4j"])
def test_damage_is_found(engine: str, request: pytest.FixtureRequest) -> None:
    with connect(request.getfixturevalue(f"{engine}_url")) as store:
        store.write(small_circuits())
        assert store.check() == []
        for statement, words in DAMAGE.items():
            if engine == "neo4j" and "c.name" in statement:
                continue  # its constraint forbids it
            damage(store, statement)
            assert any(words in line for line in store.check()), (statement, store.check())
            if "name" not in statement:
                mend(store)
        assert all("\n" not in line for line in store.check())


@pytest.mark.slow
@pytest.mark.parametrize("statement", ALIKE)
def test_damage_to_what_features_have_in_common_is_found(statement: str, store: GraphStore) -> None:
    store.write(small_circuits())
    damage(store, statement)
    assert any(ALIKE[statement] in line for line in store.check()), store.check()


def mend(store: Store) -> None:
    """Writing the circuits again makes all whole."""
    store.write(small_circuits())
    assert store.check() == []


def test_what_only_a_server_can_hold_is_found(neo4j_url: str) -> None:
    with connect(neo4j_url) as store:
        store.write(small_circuits())
        drop = "DROP CONSTRAINT circuit_atlas_{}_id"
        for label in ("sae", "task"):
            damage_schema(neo4j_url, drop.format(label))
        for statement, words in FOREIGN.items():
            damage(store, statement)
            assert any(words in line for line in store.check()), (statement, store.check())


def damage_schema(url: str, statement: str) -> None:
    """Change constraints, which no transaction that also writes may do."""
    from neo4j import GraphDatabase

    password = url.split("@")[0].rpartition(":")[2]
    with GraphDatabase.driver(f"bolt://{url.partition('@')[2]}", auth=("neo4j", password)) as driver:
        driver.execute_query(statement)


def annotated() -> list[CircuitRows]:
    """The small circuits, and what somebody said of a feature that two of them share."""
    feature = keys.feature_id(keys.sae_id(MODEL, SUITE, "mlp_0"), 7)
    note = keys.annotation_id(feature, "ann/a", "2025-01-01T00:00:00Z")
    said = {"id": note, "author": "ann/a", "label": "plural", "spurious": False, "created_at": "2025-01-01T00:00:00Z"}
    first, *rest = small_circuits()
    first = dataclasses.replace(
        first,
        nodes={**first.nodes, "Annotation": [said]},
        relationships={
            **first.relationships,
            Pair("ANNOTATES", "Annotation", "Feature"): [{"from": note, "to": feature}],
        },
    )
    return [first, *rest]


def test_a_whole_copy_goes_there_and_back_unchanged(both_stores: tuple[GraphStore, GraphStore], tmp_path: Path) -> None:
    embedded, server = both_stores
    embedded.write(annotated())
    embedded.delete_circuit(small_circuits()[2].circuit_id)  # its features stay, used by none
    assert copy(embedded, server) == ["he/object", "he/subject"]
    with connect(str(tmp_path / "back.lbug")) as back:
        copy(server, back)
        for circuit in small_circuits()[:2]:
            read = [as_sets(store.read_circuit(circuit.circuit_id)) for store in (embedded, server, back)]
            assert read[0] == read[1] == read[2]
        for label in ("Feature", "Annotation", "Task", "Candidates"):
            found = [s.rows(f"MATCH (n:{label}) RETURN n ORDER BY n.id") for s in (embedded, server, back)]
            assert found[0] == found[1] == found[2]
            assert found[0]
        notes = "MATCH (a:Annotation)-[:ANNOTATES]->(f:Feature) RETURN a.author AS author, f.id AS feature"
        assert back.rows(notes) == [{"author": "ann/a", "feature": "toy/topk/mlp_0/feature/7"}]
        assert server.check() == back.check() == []


def test_chosen_circuits_bring_what_they_hang_on_alone(both_stores: tuple[GraphStore, GraphStore]) -> None:
    embedded, server = both_stores
    embedded.write(annotated())
    assert copy(embedded, server, ["sva"]) == ["sva"]
    assert server.rows("MATCH (t:Task) RETURN t.id AS id") == [{"id": "sva"}]
    assert server.rows("MATCH (a:Annotation) RETURN count(a) AS n") == [{"n": 0}]
    with pytest.raises(UnknownCircuitError, match="no circuit 'nothing'"):
        copy(embedded, server, ["nothing"])


def test_a_store_is_not_copied_into_itself(store: GraphStore, store_url: str) -> None:
    with connect(store_url) as again, pytest.raises(StoreError, match="the same store"):
        copy(store, again)
