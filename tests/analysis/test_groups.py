"""Groups of nodes, against numbers worked out by hand and against Ward's method done literally."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from circuit_atlas.analysis.graph import fetch_graph
from circuit_atlas.analysis.structure import group_nodes, group_paths
from circuit_atlas.analysis.structure.groups import DIRECTIONS, assign, score_cuts
from circuit_atlas.analysis.structure.likeness import Likeness, coordinates, fetch_likeness
from circuit_atlas.analysis.structure.profiles import merge_blocks, profiles
from circuit_atlas.analysis.structure.sites import positions
from circuit_atlas.cypher import Store, connect
from tests.graphs import Edge, Unit, circuit
from tests.queries.test_random_graphs import random_circuit

# embed/1 and embed/2 feed resid_1/3 alone, embed/3 feeds resid_1/4 alone; all features stand at one position.
TWINS: list[Unit] = [
    ("embed", 1, 2, 1.0),
    ("embed", 2, 2, 2.0),
    ("embed", 3, 2, 1.0),
    ("resid_1", 3, 2, 3.0),
    ("resid_1", 4, 2, 1.0),
    ("resid_1", None, 2, 0.5),
]
TWIN_EDGES: list[Edge] = [(0, 3, 1.0), (1, 3, 2.0), (2, 4, 1.0), (1, 5, 0.0), (3, -1, 3.0), (4, -1, 1.0), (5, -1, 0.5)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path: Path = tmp_path_factory.mktemp("groups") / "atlas.lbug"
    with connect(f"ladybug:{path}") as opened:
        # An edge of weight 0 is not above the threshold 0: embed/2 does not feed the error.
        opened.write([circuit("twins", TWINS, TWIN_EDGES), circuit("r4", *random_circuit("r4", 60))])
        yield opened


def test_the_groups_of_a_small_circuit(store: Store) -> None:
    found = group_nodes(store, "twins", directions=0.0)
    # Profiles: embed/1 and embed/2 (√½, 0), embed/3 (0, √½): joining the first two adds 0, all three 2/3. resid_1/3 and
    # resid_1/4 differ in what feeds them (squared distance 1) and agree in what they feed: joining them adds 1/2.
    assert found.cuts["n_groups"].tolist() == [5, 4, 3, 2]
    assert found.cuts["kept"].tolist() == pytest.approx([1.0, 1.0, 1 - 0.5 / (7 / 6), 0.0])
    assert found.cuts["score"].tolist() == pytest.approx([0.0, 1 / 3, 4 / 7 - 1 / 3, 0.0])
    assert found.cuts["chosen"].tolist() == [False, True, False, False]
    groups = found.groups.set_index("group")
    assert groups.index.tolist() == [
        "embed/2+1@subject", "embed/3@subject", "resid_1/3@subject", "resid_1/4@subject", "resid_1/error@subject",
        "target",
    ]  # fmt: skip
    assert groups["effect"].tolist() == [3.0, 1.0, 3.0, 1.0, 0.5, 0.0]
    assert groups["members"].iloc[0] == ["embed/2@subject", "embed/1@subject"]
    # Paths: 1 · 3/3 and 2 · 3/3 through resid_1/3, 1 · 1/1 through resid_1/4.
    assert groups["positive_flow"].tolist() == pytest.approx([3.0, 1.0, 3.0, 1.0, 0.0, 4.0])
    edges = found.edges.set_index(["source", "target"])
    assert edges.loc[("embed/2+1@subject", "resid_1/3@subject"), "weight"] == 3.0
    assert edges.loc[("embed/2+1@subject", "resid_1/3@subject"), "n_edges"] == 2


def test_decoder_directions_are_a_third_of_a_profile(store: Store) -> None:
    found = group_nodes(store, "twins")
    # No two of embed/1, 2 and 3 point alike: each pair is 2/3 further apart, so that joining the first two adds 1/3,
    # and all three 2/3 · (2/3 + 1/3 · 3/2) = 7/9. resid_1/3 and 4 (cosine 1/2) are 2/3 · 1 + 1/3 · 1 apart: 1/2.
    assert found.cuts["kept"].tolist() == pytest.approx([1.0, 23 / 29, 14 / 29, 0.0])
    assert found.cuts["score"].tolist() == pytest.approx([0.0, 11 / 87, 13 / 87, 0.0], abs=1e-12)
    assert found.groups["group"].tolist() == [
        "embed/2+1@subject", "embed/3@subject", "resid_1/3+1@subject", "resid_1/error@subject", "target",
    ]  # fmt: skip
    assert found.recipe["directions"] == DIRECTIONS == 1 / 3
    assert [one["query"] for one in found.groups.attrs["queries"]] == ["edges", "nodes", "similar_features"]
    # By directions alone resid_1/3 and resid_1/4 are the nearest: 2 - 2 · 1/2, the others 2.
    alone = group_nodes(store, "twins", n_groups=4, directions=1.0)
    assert alone.groups["group"].tolist()[3:4] == ["resid_1/3+1@subject"]


def test_coordinates_have_the_cosines_they_are_made_of() -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = coordinates(vectors @ vectors.T)
    assert np.allclose(made @ made.T, vectors @ vectors.T)


def test_cosines_that_no_vectors_have_give_way_to_the_nearest_that_some_have() -> None:
    """Alike to 0.9 with one between, and said to be at right angles: the eigenvalues are 1 and 1 ± 0.9 √2."""
    made = coordinates(np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.9], [0.0, 0.9, 1.0]]))
    largest = 1 + 0.9 * 2**0.5
    ends, middle = 1 / 2 + largest / 4, largest / 2  # squared lengths without the negative eigenvalue
    assert (made @ made.T)[0, 1] == pytest.approx(largest * 2**0.5 / 4 / (ends * middle) ** 0.5)
    assert (made @ made.T)[0, 2] == pytest.approx((largest / 4 - 1 / 2) / ends)
    assert np.diag(made @ made.T) == pytest.approx([1.0, 1.0, 1.0])


def test_nodes_at_two_roles_stay_apart_where_they_have_no_positions(store: Store) -> None:
    graph = fetch_graph(store, "twins", 0.0, 0.0)
    roles = ["verb" if name.startswith("embed/1") else "noun" for name in graph.names]
    by_role = dataclasses.replace(graph, nodes=graph.nodes.assign(position=None, role=roles))
    assert len(set(positions(by_role).tolist())) == 2
    assert positions(by_role).max() < -1
    blocks = [set(by_role.nodes["role"].iloc[block.members]) for block in merge_blocks(by_role, Likeness({}), 0.0)]
    assert blocks == [{"noun"}, {"noun"}]


def test_paths_of_groups_are_those_of_the_graph_of_groups(store: Store) -> None:
    # 3 · 3 / 3 through resid_1/3, 1 · 1 / 1 through resid_1/4.
    found = group_paths(group_nodes(store, "twins", directions=0.0))
    assert found["strength"].tolist() == [3.0, 1.0]
    assert found["path"].tolist() == [
        "embed/2+1@subject → resid_1/3@subject → target",
        "embed/3@subject → resid_1/4@subject → target",
    ]
    # All of a site in one group: 4 · 4 / 4.
    assert group_paths(group_nodes(store, "twins", n_groups=2))["strength"].tolist() == [4.0]
    graph = group_nodes(store, "twins", n_groups=2, least_z=9.9).graph
    assert graph.nodes.set_index("id").loc["toy/circuit/twins/resid_1/feature/3/2", "effect_se"] == pytest.approx(0.4)


def test_the_number_of_groups_may_be_given(store: Store) -> None:
    two = group_nodes(store, "twins", n_groups=2)
    assert two.groups["n_nodes"].tolist() == [3, 2, 1, 1]
    assert two.cuts["chosen"].tolist() == [False, False, False, True]


def test_sums_over_groups_are_sums_over_members(store: Store) -> None:
    graph = fetch_graph(store, "r4", 0.0, 0.0)
    found = group_nodes(store, "r4")
    assert found.groups["n_nodes"].sum() == len(graph.nodes)
    assert found.groups["effect"].sum() == pytest.approx(graph.nodes["effect"].sum())
    assert found.edges["weight"].sum() == pytest.approx(graph.weight.sum())
    assert found.edges["n_edges"].sum() == len(graph.source)
    assert sorted(itertools.chain(*found.groups["nodes"])) == sorted(graph.nodes["id"])
    assert (found.groups.loc[found.groups["kind"] != "feature", "n_nodes"] == 1).all()


def test_the_merges_are_those_of_wards_method(store: Store) -> None:
    graph, likeness = fetch_graph(store, "r4", 0.0, 0.0), fetch_likeness(store, "r4")
    for block in merge_blocks(graph, likeness, DIRECTIONS):
        points = profiles(graph, block.members, likeness, DIRECTIONS)
        assert np.allclose(block.added, literal_ward(points))


def literal_ward(points: np.ndarray) -> list[float]:
    """What each merge adds to the sum of squares within groups, trying every pair at every step."""

    def within(members: list[int]) -> float:
        return float(((points[members] - points[members].mean(axis=0)) ** 2).sum())

    groups, added = [[k] for k in range(len(points))], []
    while len(groups) > 1:
        cost, a, b = min(
            (within(groups[a] + groups[b]) - within(groups[a]) - within(groups[b]), a, b)
            for a, b in itertools.combinations(range(len(groups)), 2)
        )
        added.append(cost)
        joined = groups[a] + groups[b]
        groups = [group for place, group in enumerate(groups) if place not in (a, b)] + [joined]
    return added


def test_a_cut_makes_the_merges_that_add_less_than_the_mean(store: Store) -> None:
    graph = fetch_graph(store, "r4", 0.0, 0.0)
    merges = merge_blocks(graph, fetch_likeness(store, "r4"), DIRECTIONS)
    added = np.sort(np.concatenate([block.added for block in merges]))
    _, score = score_cuts(added)
    assert int(np.argmax(score)) == (added < added.mean()).sum()
    for made in range(len(added) + 1):
        assert len(set(assign(len(graph.nodes), merges, made).tolist())) == len(graph.nodes) - made


def test_nodes_of_a_site_that_feed_each_other_stay_apart(store: Store) -> None:
    """Discovery makes no such edges, but other rows may: a group of both ends would stand on one path twice."""
    graph = fetch_graph(store, "twins", 0.0, 0.0)
    assert [len(block.members) for block in merge_blocks(graph, Likeness({}), 0.0)] == [3, 2]
    places = {name: place for place, name in enumerate(graph.names)}
    inside = dataclasses.replace(
        graph,
        source=np.append(graph.source, places["embed/1@subject"]),
        target=np.append(graph.target, places["embed/3@subject"]),
        weight=np.append(graph.weight, 1.0),
    )
    assert [len(block.members) for block in merge_blocks(inside, Likeness({}), 0.0)] == [2]


def test_profiles_that_are_all_alike_are_one_group() -> None:
    kept, score = score_cuts(np.zeros(3))
    assert kept.tolist() == [1.0] * 4
    assert score.tolist() == pytest.approx([0.0, 1 / 3, 2 / 3, 1.0])
    assert [part.tolist() for part in score_cuts(np.zeros(0))] == [[1.0], [1.0]]
