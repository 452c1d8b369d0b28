"""The graph of groups as a circuit of its own, on each engine: its rows by hand, and who takes it for what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circuit_atlas.analysis import (
    bottlenecks,
    combine,
    compare,
    overlap_curve,
    overlap_matrix,
    sharing_null,
    strongest_paths,
)
from circuit_atlas.analysis.algebra import threshold_of_size
from circuit_atlas.analysis.exactness import measured_points
from circuit_atlas.analysis.hypotheses import equivalence
from circuit_atlas.analysis.stability import stability
from circuit_atlas.analysis.structure import (
    cut_flow,
    edge_flow,
    group_circuit,
    group_nodes,
    group_paths,
    motif_chains,
    motifs,
    suppressors,
    threads,
)
from circuit_atlas.cypher import CircuitRows, Pair, Store
from circuit_atlas.cypher.base import GraphStore
from circuit_atlas.cypher.copy import copy
from circuit_atlas.errors import AtlasError, MeasureError, QueryError, StoreError
from tests.analysis.test_groups import TWIN_EDGES, TWINS
from tests.graphs import SUBJECT, SUBJECT_EDGES, circuit, small_circuits
from tests.store_fixtures import ENGINES, Filled
from tests.stores.test_behaviour import as_sets

pytestmark = pytest.mark.slow

ORIGIN = "toy/circuit/twins"


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """The small circuits and `twins` on each engine, for tests that only read."""
    circuits = [*small_circuits(), circuit("twins", TWINS, TWIN_EDGES)]
    filled = Filled(request, tmp_path_factory.mktemp("grouped"), circuits)
    yield filled
    filled.close()


@pytest.fixture(params=ENGINES)
def kept(request: pytest.FixtureRequest, stores: Filled) -> Store:
    """The store of each engine, where `twins in groups` stands as well."""
    store = stores[request.param]
    if not store.rows("MATCH (c:Circuit {name: 'twins in groups'}) RETURN c.id AS id"):
        write_groups(store)
    return store


@pytest.fixture
def grouped(kept: Store) -> CircuitRows:
    """The rows that `twins in groups` was written from."""
    return group_circuit(kept, group_nodes(kept, "twins"), "twins in groups")


def write_groups(store: Store) -> CircuitRows:
    """Write `twins in groups` beside `twins`: embed/1 and 2 together, and resid_1/3 and 4."""
    rows = group_circuit(store, group_nodes(store, "twins"), "twins in groups")
    store.write([rows])
    return rows


def by_unit(rows: CircuitRows, *names: str) -> dict[str, list[Any]]:
    nodes = rows.nodes["CircuitNode"]
    return {row["id"].removeprefix(f"{rows.circuit_id}/"): [row.get(name) for name in names] for row in nodes}


def test_nodes_are_sums_over_members(grouped: CircuitRows, kept: Store) -> None:
    read = kept.read_circuit(grouped.circuit_id)
    # Standard errors are a tenth of the effects, and effects on the two examples half of them and one and a half.
    assert by_unit(read, "kind", "label", "feature_index", "position", "role", "effect", "effects") == {
        "embed/group/2/2": ["group", "2+1", None, 2, "subject", 3.0, [1.5, 4.5]],
        "embed/group/3/2": ["group", "3", None, 2, "subject", 1.0, [0.5, 1.5]],
        "resid_1/group/3/2": ["group", "3+1", None, 2, "subject", 4.0, [2.0, 6.0]],
        "resid_1/error/2": ["error", None, None, 2, "subject", 0.5, [0.25, 0.75]],
        "target/*": ["target", None, None, None, None, 0.0, None],
    }
    assert by_unit(read, "effect_se")["embed/group/2/2"] == pytest.approx([0.3])
    held = read.relationships[Pair("HOLDS", "CircuitNode", "Feature")]
    assert {(row["from"].removeprefix(f"{read.circuit_id}/"), row["to"]) for row in held} == {
        ("embed/group/2/2", "toy/topk/embed/feature/1"),
        ("embed/group/2/2", "toy/topk/embed/feature/2"),
        ("embed/group/3/2", "toy/topk/embed/feature/3"),
        ("resid_1/group/3/2", "toy/topk/resid_1/feature/3"),
        ("resid_1/group/3/2", "toy/topk/resid_1/feature/4"),
    }
    assert Pair("INSTANCE_OF", "CircuitNode", "Feature") not in read.relationships
    assert {**as_sets(read), "Circuit": None} == {**as_sets(grouped), "Circuit": None}  # made at another time
    assert kept.check() == []


def test_edges_are_sums_between_members(grouped: CircuitRows, kept: Store) -> None:
    edges = kept.read_circuit(grouped.circuit_id).relationships[Pair("EDGE", "CircuitNode", "CircuitNode")]
    ends = {
        tuple(row[end].removeprefix(f"{grouped.circuit_id}/") for end in ("from", "to")): [
            row["weight"],
            round(row["weight_se"], 12),
            row["weights"],
        ]
        for row in edges
    }
    # The edge of weight 0 from embed/2 to the error is not above the threshold 0.
    assert ends == {
        ("embed/group/2/2", "resid_1/group/3/2"): [3.0, 0.3, [1.5, 4.5]],
        ("embed/group/3/2", "resid_1/group/3/2"): [1.0, 0.1, [0.5, 1.5]],
        ("resid_1/group/3/2", "target/*"): [4.0, 0.4, [2.0, 6.0]],
        ("resid_1/error/2", "target/*"): [0.5, 0.05, [0.25, 0.75]],
    }


def test_it_says_what_it_is_and_what_it_was_made_of(grouped: CircuitRows, kept: Store) -> None:
    row = kept.query("circuit", circuit="twins in groups").iloc[0]
    assert (row["units"], row["n_nodes"], row["n_edges"], row["task"]) == ("groups", 4, 4, "twins")
    assert kept.query("circuits").set_index("name")["units"].to_dict() == {
        "he/object": "features", "he/subject": "features", "sva": "features", "twins": "features",
        "twins in groups": "groups",
    }  # fmt: skip
    assert grouped.relationships[Pair("DERIVED_FROM", "Circuit", "Circuit")] == [
        {"from": grouped.circuit_id, "to": ORIGIN, "operation": "groups", "ordinal": 0}
    ]
    members = kept.query("group_members", circuit="twins in groups", limit=2)
    assert members["label"].tolist() == ["3+1", "2+1"]
    assert members["n_members"].tolist() == [2, 2]
    assert sorted(members["members"].iloc[1]) == ["toy/topk/embed/feature/1", "toy/topk/embed/feature/2"]
    assert kept.query("group_members", circuit="twins").empty


def test_it_answers_what_a_circuit_answers(kept: Store) -> None:
    paths = group_paths(group_nodes(kept, "twins"))
    again = strongest_paths(kept, "twins in groups")
    for column in ("strength", "path", "n_edges"):
        assert again[column].tolist() == paths[column].tolist()
    assert again["strength"].tolist() == [3.0, 1.0]
    assert bottlenecks(kept, "twins in groups")["name"].iloc[0] == "resid_1/3+1@subject"
    total = edge_flow(kept, "twins in groups").attrs["total"]
    assert total == edge_flow(kept, "twins").attrs["total"]  # here no sums cancel
    assert set(cut_flow(kept, "twins in groups")["kind"]) == {"group", "error"}
    assert not motifs(kept, "twins in groups").empty
    chains = motif_chains(kept, "twins in groups", "embed feature target")
    assert chains["chain"].iloc[0] == "embed/2+1@subject → resid_1/3+1@subject → target"
    share = kept.query("error_share", circuit="twins in groups")
    assert share[["component", "n_features", "feature_effect", "error_effect"]].to_numpy().tolist() == [
        ["embed", 2, 4.0, 0.0],
        ["resid", 1, 4.0, 0.5],
    ]


REFUSED: dict[str, Callable[[Store], object]] = {
    "compare": lambda store: compare(store, "twins", "twins in groups"),
    "null": lambda store: sharing_null(store, "twins in groups", "twins"),
    "curve": lambda store: overlap_curve(store, "twins in groups", "twins"),
    "combine": lambda store: combine(store, "union", "twins", "twins in groups"),
    "size": lambda store: threshold_of_size(store, "twins in groups", 1),
    "stability": lambda store: stability(store, ["twins in groups"]),
    "hypotheses": lambda store: equivalence(store, "twins in groups"),
    "exactness": lambda store: measured_points(store, "twins in groups"),
    "threads": lambda store: threads(store, "twins in groups"),
    "suppressors": lambda store: suppressors(store, "twins in groups"),
    "groups": lambda store: group_nodes(store, "twins in groups"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_of_groups_is_refused_in_one_line(name: str, kept: Store) -> None:
    with pytest.raises(QueryError, match="'twins in groups' is made of groups of features") as caught:
        REFUSED[name](kept)
    assert "\n" not in str(caught.value)


def test_it_is_not_run_in_the_model(kept: Store) -> None:
    from circuit_atlas.ingest.measuring.stored import read_stored

    with pytest.raises(MeasureError, match="made of groups of features and is not run in the model"):
        read_stored(kept, "twins in groups")


def test_what_counts_features_over_circuits_never_counts_a_group(store: Store) -> None:
    store.write([*small_circuits(), circuit("twins", TWINS, TWIN_EDGES)])

    def counts() -> list[list[list[Any]]]:
        asked = [("hubs", {}), ("feature_uses", {}), ("node_uses", {"to_name": "sva"}), ("comparable", {})]
        asked += [("overlap_all_nodes", {}), ("overlap_all_edges", {})]
        tables = [store.query(name, **params) for name, params in asked]
        return [
            table.to_numpy().tolist() for table in [*tables, overlap_matrix(store), overlap_matrix(store, of="edges")]
        ]

    before = counts()
    store.write([group_circuit(store, group_nodes(store, "twins", directions=0.0), "groups")])
    assert group_nodes(store, "twins", directions=0.0).groups["n_nodes"].tolist() == [2, 1, 1, 1, 1, 1]
    after = counts()
    after[2] = [row for row in after[2] if row[0] != "groups"]  # node_uses takes every circuit
    assert after == before


def test_the_same_grouping_stored_again_is_the_same_circuit(store: Store) -> None:
    store.write([circuit("twins", TWINS, TWIN_EDGES)])
    first, again = write_groups(store), write_groups(store)
    assert first.circuit_id == again.circuit_id
    assert len(store.query("circuits")) == 2
    other = group_circuit(store, group_nodes(store, "twins", n_groups=2), "twins in groups")
    assert other.circuit_id != first.circuit_id
    with pytest.raises(StoreError, match="another circuit is already named"):
        store.write([other])


def test_it_goes_without_the_circuit_and_never_the_circuit_without_it(store: Store) -> None:
    store.write([circuit("twins", TWINS, TWIN_EDGES)])
    grouped = write_groups(store)
    with pytest.raises(StoreError, match="twins in groups was derived from twins"):
        store.delete_circuit(ORIGIN)
    before = store.rows("MATCH (f:Feature) RETURN count(f) AS n")
    store.delete_circuit(grouped.circuit_id)
    assert store.rows("MATCH (n:CircuitNode {kind: 'group'}) RETURN count(n) AS n") == [{"n": 0}]
    assert store.rows("MATCH (f:Feature) RETURN count(f) AS n") == before
    assert store.check() == []


def test_both_engines_make_and_take_the_same_groups(both_stores: tuple[GraphStore, GraphStore]) -> None:
    embedded, server = both_stores
    embedded.write([circuit("twins", TWINS, TWIN_EDGES)])
    copy(embedded, server)
    one, other = (group_circuit(store, group_nodes(store, "twins"), "groups") for store in both_stores)
    assert one.circuit_id == other.circuit_id
    embedded.write([one])
    assert copy(embedded, server) == ["twins", "groups"]
    read = [as_sets(store.read_circuit(one.circuit_id)) for store in both_stores]
    assert read[0] == read[1] == as_sets(one)
    assert server.check() == embedded.check() == []


def test_a_grouping_of_what_is_no_longer_there_is_refused(store: Store) -> None:
    store.write([circuit("he/subject", SUBJECT, SUBJECT_EDGES)])
    grouping = group_nodes(store, "he/subject")
    store.write([circuit("he/subject", SUBJECT[:2], [(0, 1, 0.4), (1, -1, -1.0)])])
    with pytest.raises(AtlasError, match="was replaced since it was grouped"):
        group_circuit(store, grouping, "groups")
    with pytest.raises(QueryError, match=r"edge_threshold 9 leaves no edge of circuit 'he/subject', whose strongest"):
        group_nodes(store, "he/subject", edge_threshold=9.0)


def test_a_target_that_no_kept_edge_reaches_is_still_there(store: Store) -> None:
    store.write([circuit("twins", TWINS, [*TWIN_EDGES[:4], (3, -1, 0.1), (4, -1, 0.1), (5, -1, 0.1)])])
    grouping = group_nodes(store, "twins", edge_threshold=0.5)
    assert "target" not in set(grouping.groups["kind"])
    rows = group_circuit(store, grouping, "groups")
    store.write([rows])
    assert by_unit(rows, "kind")["target/*"] == ["target"]
    assert rows.nodes["Circuit"][0]["edge_floor"] == 0.5
    assert store.check() == []
