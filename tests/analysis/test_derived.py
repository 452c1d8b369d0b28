"""Circuits made of others are left out of what is said of all circuits, and meant by a name only where no other is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from circuit_atlas.analysis import combine, compare, overlap, overlap_matrix
from circuit_atlas.analysis.structure import communities, feature_families
from circuit_atlas.cypher import Store
from circuit_atlas.cypher.resolve import resolve_circuit
from circuit_atlas.errors import UnknownCircuitError
from tests.graphs import small_circuits
from tests.store_fixtures import ENGINES, Filled

pytestmark = pytest.mark.slow

FOUND = ["he/object", "he/subject", "sva"]
SHARED, EITHER = "he/subject ∩ he/object", "he/subject ∪ sva"
MADE = [SHARED, EITHER]
MLP_7 = "toy/topk/mlp_0/feature/7"


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Store]]:
    path: Path = tmp_path_factory.mktemp("derived")
    filled = Filled(request, path, small_circuits())
    yield filled
    filled.close()


@pytest.fixture(params=ENGINES)
def store(stores: Mapping[str, Store], request: pytest.FixtureRequest) -> Store:
    """The three small circuits and two made of them, on each engine."""
    opened = stores[request.param]
    if len(opened.query("comparable", derived="keep")) == len(FOUND):
        opened.write([combine(opened, "intersection", "he/subject", "he/object")])
        opened.write([combine(opened, "union", "he/subject", "sva")])
    return opened


def test_queries_of_all_circuits_leave_out_those_made_of_others(store: Store) -> None:
    assert store.query("comparable")["circuit"].tolist() == FOUND
    assert store.query("comparable", derived="keep")["circuit"].tolist() == sorted([*FOUND, *MADE])
    uses = store.query("feature_uses")
    assert sorted(set(uses["circuit"])) == FOUND
    assert set(MADE) < set(store.query("feature_uses", derived="keep")["circuit"])
    counts = [store.query("hubs", **some).set_index("feature")["n_circuits"] for some in ({}, {"derived": "keep"})]
    assert [one[MLP_7] for one in counts] == [3, 5]
    for query in ("overlap_all_nodes", "overlap_all_edges"):
        named = [
            {*table["circuit_a"], *table["circuit_b"]}
            for table in (store.query(query), store.query(query, derived="keep"))
        ]
        assert named[0] <= set(FOUND)
        assert named[1] >= set(MADE)


def test_so_do_overlaps_communities_and_families(store: Store) -> None:
    assert overlap_matrix(store).columns.tolist() == FOUND
    assert len(overlap(store, null=False).pairs) == 3
    kept = overlap(store, null=False, derived="keep")
    assert len(kept.pairs) == 10
    assert kept.matrix.loc[EITHER, "sva"] == pytest.approx(2 / 5)  # of embed/1, /5, mlp_0/7, /8 and resid_1/3
    for links in ("likeness", "excess"):
        assert sorted(communities(store, links=links).circuits["circuit"]) == FOUND
        assert len(communities(store, links=links, derived="keep").circuits) == 5
    assert feature_families(store)["n_circuits"].tolist() == [3, 2]
    assert feature_families(store, derived="keep")["n_circuits"].max() == 5


def test_one_made_of_others_is_compared_where_it_is_named(store: Store) -> None:
    nodes = compare(store, SHARED, "he/object").nodes.set_index("kind")
    assert nodes.loc["feature", ["n_a", "n_b", "n_shared"]].tolist() == [2, 3, 2]


@pytest.mark.parametrize(
    ("given", "name"),
    [("he/subj", "he/subject"), ("he/subject ∩", SHARED), ("he/subject ∪ s", EITHER), ("he/subject", "he/subject")],
)
def test_a_start_means_the_discovered_one_first(store: Store, given: str, name: str) -> None:
    assert resolve_circuit(store, given) == name


def test_a_start_of_several_made_of_others_is_refused(store: Store) -> None:
    with pytest.raises(UnknownCircuitError, match="'he/subject ' means 2 circuits"):
        resolve_circuit(store, "he/subject ")
