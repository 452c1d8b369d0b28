"""Overlap on stores of both engines: the same rows, and the same figures as the queries that count in Cypher."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from circuit_atlas.analysis import compare, overlap, overlap_curve, overlap_matrix, sharing_null
from circuit_atlas.analysis.null import chances, features_of
from circuit_atlas.analysis.plots import draw_overlap
from circuit_atlas.analysis.sharing.candidates import fetch_candidates
from circuit_atlas.analysis.sharing.codes import Codes
from circuit_atlas.analysis.sharing.matching import choice
from circuit_atlas.analysis.sharing.pair import Cut, read_pair
from circuit_atlas.analysis.sharing.uses import read_edges, read_nodes
from circuit_atlas.cypher import Store, connect
from circuit_atlas.errors import QueryError, StoreBusyError
from tests.analysis.test_compare import with_circuit, with_roles
from tests.graphs import OBJECT, OBJECT_EDGES, SVA, SVA_EDGES, circuit, small_circuits
from tests.queries.test_random_graphs import GRAPHS
from tests.store_fixtures import ENGINES, Filled

pytestmark = pytest.mark.slow

CUTS = [(0.0, 0.0), (0.3, 0.0), (0.0, 0.4)]


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """Random circuits and the small ones on each engine."""
    rows = [*small_circuits(), *(circuit(name, *GRAPHS[name]) for name in ("r1", "r2", "r3", "r4"))]
    filled = Filled(request, tmp_path_factory.mktemp("overlap"), rows)
    yield filled
    filled.close()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("node_threshold", "edge_threshold"), CUTS)
@pytest.mark.parametrize("level", ["feature", "position"])
def test_figures_are_those_counted_in_cypher(
    engine: str, level: str, node_threshold: float, edge_threshold: float, stores: Mapping[str, Store]
) -> None:
    store = stores[engine]
    pair = {"circuit_a": "r2", "circuit_b": "r4", "level": level, "node_threshold": node_threshold}
    found = compare(store, "r2", "r4", level, node_threshold, edge_threshold)
    for table, wanted in (
        (found.nodes, store.query("overlap_nodes", **pair)),
        (found.edges, store.query("overlap_edges", **pair, edge_threshold=edge_threshold)),
    ):
        assert len(wanted)
        pd.testing.assert_frame_equal(table[list(wanted.columns)], wanted, check_dtype=False, rtol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("of", ["nodes", "edges"])
@pytest.mark.parametrize("first_token", ["drop", "keep", "only"])
def test_the_matrix_is_that_counted_in_cypher(
    engine: str, of: str, first_token: str, stores: Mapping[str, Store]
) -> None:
    store = stores[engine]
    for level in ("feature", "role", "position"):
        rows = store.query(f"overlap_all_{of}", level=level, first_token=first_token)
        if (level, first_token) == ("role", "only"):  # in these graphs the first token has no role
            assert not len(rows)
            with pytest.raises(QueryError, match="first token: only"):
                overlap_matrix(store, level, of=of, first_token=first_token)
            continue
        for measure in ("jaccard", "weighted_jaccard", "containment", "weighted_containment"):
            matrix = overlap_matrix(store, level, of=of, measure=measure, first_token=first_token)
            wanted = pd.DataFrame(np.eye(len(matrix)), matrix.index, matrix.columns)
            one_way = "containment" in measure
            for row in rows.to_dict("records"):
                wanted.loc[row["circuit_a"], row["circuit_b"]] = row[f"{measure}_a" if one_way else measure]
                wanted.loc[row["circuit_b"], row["circuit_a"]] = row[f"{measure}_b" if one_way else measure]
            assert np.allclose(matrix, wanted, rtol=1e-6)


@pytest.mark.slow
def test_both_engines_give_the_same_rows(stores: Mapping[str, Store]) -> None:
    def tables(store: Store) -> Iterator[pd.DataFrame]:
        found = compare(store, "r3", "r4", size=5, edge_size=12)
        yield from (found.nodes, found.edges, found.node_sites, found.edge_sites, found.units, found.links)
        yield sharing_null(store, "r3", "r4", count=50)
        yield sharing_null(store, "r3", "r4", "role", count=50)
        for of in ("nodes", "edges"):
            yield overlap_curve(store, "r3", "r4", of=of, count=20)
            for measure in ("weighted_jaccard", "same_sign", "rank_correlation"):
                yield overlap(store, of=of, measure=measure, count=20).pairs
                yield overlap(store, of=of, measure=measure, null=False).clustered

    for one, other in zip(*map(tables, stores.values()), strict=True):
        pd.testing.assert_frame_equal(one, other, rtol=1e-9)
        assert one.attrs == other.attrs


def test_by_site_the_features_of_each_layer_and_component_are_counted(stores: Mapping[str, Store]) -> None:
    found = compare(stores["ladybug"], "he/subject", "he/object")
    columns = ["layer", "component", "n_a", "n_b", "n_shared"]
    assert [tuple(row) for row in found.node_sites[columns].itertuples(index=False)] == [
        (-1, "embed", 1, 1, 1), (0, "mlp", 2, 1, 1), (1, "resid", 1, 1, 0),
    ]  # fmt: skip
    assert [tuple(row) for row in found.edge_sites[columns].itertuples(index=False)] == [
        (0, "mlp", 2, 1, 1), (1, "resid", 2, 1, 0),
    ]  # fmt: skip
    assert "effect_a" not in found.nodes.attrs["units"]  # effects of several layers do not add up to the metric
    assert "no share of the metric" in found.nodes.attrs["descriptions"]["effect_a"]
    assert [one["query"] for one in found.nodes.attrs["queries"]][:2] == ["comparable", "node_uses"]


def test_at_equal_size_the_strongest_of_each_are_compared_and_listed(stores: Mapping[str, Store]) -> None:
    found = compare(stores["ladybug"], "he/subject", "he/object", size=1, edge_size=1)
    nodes = found.nodes.set_index("kind")
    assert list(nodes.loc["feature", ["n_a", "n_b", "n_shared"]]) == [1, 1, 0]  # resid_1/3 and mlp_0/7
    assert found.shared_units["kind"].tolist() == ["error"]
    assert found.units_only_a["unit"].tolist() == ["toy/topk/resid_1/feature/3"]
    assert found.units_only_b["unit"].tolist() == ["toy/topk/mlp_0/feature/7"]
    assert found.links_only_b["weight_b"].tolist() == [1.2, 1.0]  # of a feature and the target; of errors both have one
    assert found.edges.set_index("kind").loc["target", "n_shared"] == 0


def test_the_curve_ends_with_all_that_both_have(stores: Mapping[str, Store]) -> None:
    curve = overlap_curve(stores["ladybug"], "r3", "r4", sizes=[1, 3], null=False)
    assert curve["size"].tolist() == [1, 3]
    assert curve["n_a"].tolist() == [1, 3]
    assert curve["expected"].isna().all()
    most = overlap_curve(stores["ladybug"], "r3", "r4", null=False)["size"].max()
    nodes = compare(stores["ladybug"], "r3", "r4").nodes
    assert most == nodes.loc[nodes["kind"] == "feature", ["n_a", "n_b"]].to_numpy().min()
    with pytest.raises(QueryError, match="size 99 cannot be had of both: 'r3' has"):
        overlap_curve(stores["ladybug"], "r3", "r4", sizes=[99])


def test_the_null_of_a_pair_by_hand(stores: Mapping[str, Store]) -> None:
    """Features 1, 5 and 7 are active at every site; the one circuit has 1 and 7 of them, the other too."""
    table = sharing_null(stores["ladybug"], "he/subject", "he/object", edges=False, count=10).set_index("figure")
    row = table.loc["n_shared"]
    # At each of two sites one of three features, which both circuits chose by activity or by chance.
    assert (row["observed"], row["method"]) == (2.0, "exact")
    assert 2 / 3 < row["expected"] < 2.0
    # With chances p and q of sharing at the sites, expected p + q and variance p (1 - p) + q (1 - q), half of p q:
    by_hand = (row["expected"] ** 2 - row["expected"] + row["spread"] ** 2) / 4
    assert row["p_value"] == pytest.approx(by_hand, rel=1e-9)
    assert table.attrs["outside"] == [2, 1]  # mlp_0/8 and resid_1/3; resid_1/4


def test_the_null_of_edges_is_of_the_choice_of_their_ends(stores: Mapping[str, Store]) -> None:
    """Edges are dealt with odds fitted to their own ends, not to the two strongest units that are compared beside."""
    store = stores["ladybug"]
    pair = read_pair(store, "r3", "r4", "feature", Cut(size=2))
    active = [fetch_candidates(store, name)[0] for name in pair.names]
    edges = pair.of("edges")
    ends = [choice(some, features_of(edges, place)) for place, some in enumerate(active)]
    wanted = chances(pair.nodes, edges, (ends[0], ends[1]), 300, 5, of="edges", figure="n_shared")[0]
    found = sharing_null(store, "r3", "r4", size=2, count=300, seed=5)
    assert found.loc[found["of"] == "edges", "expected"].tolist()[0] == wanted.expected
    units = [choice(some, features_of(pair.nodes, place)) for place, some in enumerate(active)]
    other = chances(pair.nodes, edges, (units[0], units[1]), 300, 5, of="edges", figure="n_shared")[0]
    assert other.expected != wanted.expected


def test_the_null_of_a_pair_whose_candidates_are_all_alike(tmp_path: Path) -> None:
    """At each of two sites both have one of three features that are equally active: one chance in three to share it."""
    alike = {"frequency": [0.5] * 3, "mean_activation": [1.0] * 3}
    rows = []
    for one in small_circuits()[:2]:
        candidates = [{**row, **alike} for row in one.nodes["Candidates"]]
        rows.append(dataclasses.replace(one, nodes={**one.nodes, "Candidates": candidates}))
    with connect(f"ladybug:{tmp_path / 'atlas.lbug'}", create=True) as opened:
        opened.write(rows)
        row = sharing_null(opened, "he/subject", "he/object", edges=False, count=10).set_index("figure").loc["n_shared"]
    assert (row["observed"], row["method"]) == (2.0, "exact")
    assert row["expected"] == pytest.approx(2 / 3)
    assert row["spread"] == pytest.approx(2 / 3)  # the root of 2 · 1/3 · 2/3
    assert row["z"] == pytest.approx(2.0)
    assert row["p_value"] == pytest.approx(1 / 18)  # half of 1/3 · 1/3, and none share more


def test_circuits_without_edges_above_the_threshold_share_none(stores: Mapping[str, Store]) -> None:
    found = compare(stores["ladybug"], "he/subject", "he/object", edge_threshold=99.0)
    assert (len(found.edges), len(found.links), len(found.edge_sites)) == (0, 0, 0)
    assert len(found.shared_units) == 3
    table = sharing_null(stores["ladybug"], "he/subject", "he/object", edge_threshold=99.0, count=10)
    assert table.loc[table["of"] == "edges", "p_value"].tolist() == [0.5, 0.5]


def test_a_circuit_compared_with_itself_shares_all(stores: Mapping[str, Store]) -> None:
    found = compare(stores["ladybug"], "r4", "r4")
    for table in (found.nodes, found.edges, found.node_sites):
        assert (table["jaccard"] == 1.0).all()
        assert (table["weighted_jaccard"] == 1.0).all()


def test_a_circuit_written_while_others_are_read_is_passed_over(stores: Mapping[str, Store]) -> None:
    codes = Codes("feature")
    nodes = read_nodes(stores["ladybug"], ["r1", "r3"], codes, [0, 0])  # r2 is between them
    assert set(nodes.circuit.tolist()) == {0, 1}
    heads = stores["ladybug"].query("comparable")
    made = dict(zip(heads["circuit"], heads["created_at"], strict=True))
    assert len(nodes.code) == sum(len(GRAPHS[name][0]) + 1 for name in ("r1", "r3"))
    (source, _, _), _ = read_edges(stores["ladybug"], ["r1", "r3"], nodes, made)
    assert len(source) == len(GRAPHS["r1"][1]) + len(GRAPHS["r3"][1])


def test_a_circuit_found_anew_while_it_is_read_is_not_mixed_up(stores: Mapping[str, Store]) -> None:
    nodes = read_nodes(stores["ladybug"], ["r1"], Codes("feature"), [0])
    with pytest.raises(StoreBusyError, match="circuit 'r1' was found anew while it was read: ask again"):
        read_edges(stores["ladybug"], ["r1"], nodes, {"r1": "2020-01-01T00:00:00+00:00"})


def test_pairs_and_clustering(stores: Mapping[str, Store], tmp_path: Path) -> None:
    found = overlap(stores["ladybug"], count=50)
    assert len(found.pairs) == 7 * 6 / 2
    assert sorted(found.order) == sorted(found.matrix.columns)
    first = found.pairs.to_dict("records")[0]
    assert first["value"] == found.matrix.to_dict()[first["circuit_a"]][first["circuit_b"]]
    assert found.pairs["value"].is_monotonic_decreasing
    tested = found.pairs.dropna(subset="p_value")
    assert (tested["q_value"] >= tested["p_value"]).all()
    assert found.clustered.to_dict() == found.matrix.to_dict()
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        drawn = draw_overlap(found, tmp_path / f"overlap{suffix}").read_bytes()
        assert drawn.startswith(start)
        assert drawn == draw_overlap(found, tmp_path / f"again{suffix}").read_bytes()
    assert b"he/subject" in drawn
    assert found.pairs.attrs["tested"]
    untested = overlap(stores["ladybug"], null=False).pairs
    assert not untested.attrs["tested"]
    assert untested["p_value"].isna().all()


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with another model's circuit, and with circuits stored without what was active on their data."""
    with connect(f"ladybug:{tmp_path_factory.mktemp('mixed') / 'atlas.lbug'}") as opened:
        bare = circuit("bare", SVA, SVA_EDGES)
        nodes = {label: rows for label, rows in bare.nodes.items() if label != "Candidates"}
        links = {
            pair: rows for pair, rows in bare.relationships.items() if "Candidates" not in (pair.source, pair.target)
        }
        other = with_circuit(circuit("other model", SVA, SVA_EDGES, model="toy2"), model_id="toy2")
        opened.write([*small_circuits(), type(bare)(bare.circuit_id, nodes, links), other])
        yield opened


def test_circuits_that_have_no_null_are_named(mixed: Store) -> None:
    with pytest.raises(QueryError, match="'bare' was stored without what was active on its data"):
        sharing_null(mixed, "bare", "sva")
    found = overlap(mixed)
    assert found.pairs.attrs["without_null"] == ["bare"]
    bare = (found.pairs[["circuit_a", "circuit_b"]] == "bare").any(axis=1)
    assert found.pairs.loc[bare, "p_value"].isna().all()
    assert found.pairs.loc[~bare, "p_value"].notna().all()


def test_circuits_of_other_models_share_nothing_and_make_no_pair(mixed: Store) -> None:
    found = overlap(mixed, null=False)
    assert found.matrix.loc["sva", "other model"] == 0.0
    assert found.matrix.loc["sva", "bare"] == 1.0
    assert not (found.pairs[["circuit_a", "circuit_b"]] == "other model").any(axis=None)


def test_what_cannot_be_compared_is_one_line(mixed: Store, ladybug_url: str) -> None:
    for asked, words in (
        (lambda: compare(mixed, "sva", "he/object", node_threshold=1.2), "1.2 leaves no node of circuit 'sva'"),
        (lambda: compare(mixed, "sva", "he/object", node_threshold=-1), "node_threshold is -1"),
        (lambda: compare(mixed, "sva", "he/object", size=0), "size is 0"),
        (lambda: compare(mixed, "sva", "he/object", "layer"), "level is 'layer'"),
        (lambda: overlap_matrix(mixed, node_threshold=50), "no circuit has nodes of features above node_threshold 50"),
        (lambda: overlap(mixed, count=0), "the number of draws is 0"),
        (lambda: overlap_curve(mixed, "sva", "he/object", of="paths"), "of is 'paths'"),
    ):  # fmt: skip
        with pytest.raises(QueryError) as caught:
            asked()
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    with connect(ladybug_url) as empty, pytest.raises(QueryError, match="the store has no circuits"):
        overlap(empty)


@pytest.fixture(scope="module")
def templates(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """Two circuits of one template, one of another, one that sums over positions and one with nodes for roles."""
    rows = [
        *small_circuits()[:2],
        with_roles(circuit("template", OBJECT, OBJECT_EDGES), {2: "verb", 3: "object"}),
        with_circuit(circuit("summed", SVA, SVA_EDGES), positions="sum"),
        with_circuit(circuit("roles", SVA, SVA_EDGES), positions="role"),
    ]
    filled = Filled(request, tmp_path_factory.mktemp("templates"), rows)
    yield filled
    filled.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_pairs_of_different_templates_are_left_out_at_positions(engine: str, templates: Mapping[str, Store]) -> None:
    store = templates[engine]
    found = overlap(store, "position", count=10)
    assert found.pairs[["circuit_a", "circuit_b", "n_shared"]].to_numpy().tolist() == [["he/object", "he/subject", 2]]
    assert found.matrix.loc["he/object", "he/subject"] == 2 / 5
    assert int(found.matrix.isna().to_numpy().sum()) == 2 * 9
    with pytest.raises(QueryError) as refused:
        compare(store, "he/object", "template", "position")
    left_out = found.pairs.attrs["left_out"]
    assert str(refused.value) in left_out
    assert sum("position 2 is 'subject' and 'verb'" in line for line in left_out) == 2
    assert sum("'summed' sums over positions" in line for line in left_out) == 3
    assert sum("'roles' has nodes for roles" in line for line in left_out) == 4
    assert "templates" in [one["query"] for one in found.pairs.attrs["queries"]]
    at_roles = overlap(store, "role", count=10)
    assert (len(at_roles.pairs), len(at_roles.pairs.attrs["left_out"])) == (6, 4)
    assert len(overlap(store, null=False).pairs) == 10


def test_no_two_circuits_of_one_template_are_refused(tmp_path: Path) -> None:
    with connect(f"ladybug:{tmp_path / 'atlas.lbug'}") as opened:
        opened.write([small_circuits()[0], with_roles(circuit("template", OBJECT, OBJECT_EDGES), {2: "verb"})])
        with pytest.raises(QueryError, match="no two circuits can be compared at level 'position': 'he/subject' and"):
            overlap_matrix(opened, "position")


@pytest.mark.parametrize("engine", ENGINES)
def test_nodes_without_a_role_are_at_none_rather_than_at_the_same(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Of `some` the nodes at position 2 have a role, of `none` no node has."""
    rows = [
        small_circuits()[0],
        with_roles(circuit("some", OBJECT, OBJECT_EDGES), {2: "subject"}),
        with_roles(circuit("none", OBJECT, OBJECT_EDGES), {}),
    ]
    filled = Filled(request, tmp_path, rows)
    store = filled[engine]
    found = compare(store, "he/subject", "some", "role")
    sizes = found.nodes.set_index("kind")[["n_a", "n_b", "n_shared"]]
    assert [*sizes.loc["feature"]] == [4, 2, 2]  # embed/1 and mlp_0/7 at the subject
    assert found.nodes.set_index("kind").loc["error", "n_b"] == 0
    assert found.edges.set_index("kind").loc["feature", "n_b"] == 1
    assert found.nodes.attrs["compared"]["without_role"] == (0, 2)
    assert set(found.units["role"]) == {"subject", "verb"}
    counted = store.query("overlap_nodes", circuit_a="he/subject", circuit_b="some", level="role").set_index("kind")
    assert [*counted[["n_a", "n_b", "n_shared"]].loc["feature"]] == [4, 2, 2]
    edges = store.query("overlap_edges", circuit_a="he/subject", circuit_b="some", level="role").set_index("kind")
    assert edges.loc["feature", "n_b"] == 1
    with pytest.raises(QueryError, match="no node of circuit 'none' has a role: use level 'feature' or 'position'"):
        compare(store, "he/subject", "none", "role")
    pairs = overlap(store, "role", null=False).pairs
    assert pairs[["circuit_a", "circuit_b", "n_shared"]].to_numpy().tolist() == [["he/subject", "some", 2]]
    assert pairs.attrs["without_role"] == {"none": 4, "some": 2}
    assert len(pairs.attrs["left_out"]) == 2
    filled.close()
