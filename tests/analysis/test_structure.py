"""Questions on the structure of one circuit: numbers worked out by hand, on both engines."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd
import pytest

from circuit_atlas.analysis import bottlenecks, combine, strongest_paths
from circuit_atlas.analysis.structure import (
    communities,
    cut_flow,
    edge_flow,
    error_exchange,
    feature_families,
    group_nodes,
    group_paths,
    motif_chains,
    motifs,
    role_crossings,
    suppressors,
    threads,
)
from circuit_atlas.cypher import CircuitRows, Store
from circuit_atlas.errors import QueryError, UnknownCircuitError
from tests.graphs import SUBJECT, SUBJECT_EDGES, SVA, SVA_EDGES, Edge, Unit, circuit, small_circuits
from tests.queries.test_random_graphs import random_circuit
from tests.store_fixtures import ENGINES, Filled

pytestmark = pytest.mark.slow

# Strengths of the three paths of he/subject: through mlp_0/7 and resid_1/3 0.36, through mlp_0/8 0.24, and through
# mlp_0/7 and the error -0.04: 0.6 positive, 0.04 negative, 0.64 in all.

THREAD: list[Unit] = [
    ("embed", 1, 2, 1.0),
    ("embed", 2, 2, 0.5),
    ("resid_1", 3, 2, 0.8),
    ("resid_1", 4, 2, 1.0),
    ("resid_1", 5, 3, 1.0),
]
THREAD_EDGES: list[Edge] = [
    (0, 2, 0.5),  # half of embed/1, 5/8 of resid_1/3: each other's closest
    (0, 3, 0.4),
    (1, 3, 0.3),  # resid_1/4 is closest to embed/2, but has more from embed/1
    (0, 4, 0.9),  # at another position
    (2, -1, 0.8),
    (3, -1, 1.0),
    (4, -1, 1.0),
]


LONG: list[Unit] = [("embed", 1, 2, 1.0), ("resid_0", 6, 2, 0.5), ("resid_1", 3, 2, 0.5)]
LONG_EDGES: list[Edge] = [(0, 1, 0.5), (1, 2, 0.4), (2, -1, 0.5)]


def summed(name: str) -> CircuitRows:
    """A circuit that sums over positions."""
    rows = circuit(name, [(site, index, None, effect) for site, index, _, effect in SVA], SVA_EDGES)
    (one,) = rows.nodes["Circuit"]
    return dataclasses.replace(rows, nodes={**rows.nodes, "Circuit": [{**one, "positions": "sum"}]})


def by_role(name: str, units: list[Unit], edges: list[Edge]) -> CircuitRows:
    """A circuit of roles, as tasks with a role file and `combine --level role` make them: no node has a position."""
    rows = circuit(name, units, edges)
    (one,) = rows.nodes["Circuit"]
    nodes = [{**node, "position": None} for node in rows.nodes["CircuitNode"]]
    return dataclasses.replace(
        rows, nodes={**rows.nodes, "Circuit": [{**one, "positions": "role"}], "CircuitNode": nodes}
    )


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """The circuits on each engine."""
    rows = [*small_circuits(), circuit("thread", THREAD, THREAD_EDGES), summed("summed")]
    rows += [circuit("long", LONG, LONG_EDGES), circuit("without edges", LONG, [])]
    rows += [circuit(name, *random_circuit(name, n)) for name, n in (("r2", 25), ("r4", 60))]
    rows += [
        circuit("starts at an error", [("embed", None, 2, 1.0), ("resid_1", 3, 2, 0.5)], [(0, 1, 0.5), (1, -1, 0.5)])
    ]
    rows += [by_role("roles", SUBJECT, SUBJECT_EDGES), by_role("thread of roles", THREAD, THREAD_EDGES)]
    filled = Filled(request, tmp_path_factory.mktemp("structure"), rows)
    yield filled
    filled.close()


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, stores: Mapping[str, Store]) -> Store:
    """The store of each engine."""
    return stores[request.param]


def rows(table: pd.DataFrame, columns: str) -> list[list[Any]]:
    return [list(row) for row in table[columns.split()].itertuples(index=False)]


def like(found: list[list[Any]], wanted: list[list[Any]]) -> bool:
    return len(found) == len(wanted) and all(
        a == (pytest.approx(b) if isinstance(b, float) else b)
        for one, other in zip(found, wanted, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def test_flow_along_edges(store: Store) -> None:
    table = edge_flow(store, "he/subject", limit=5)
    assert like(
        rows(table, "edge weight fraction positive_flow negative_flow share approximate"),
        [
            ["resid_1/3@verb → target", 2.0, 1.0, 0.6, 0.0, 0.6 / 0.64, False],
            ["embed/1@subject → mlp_0/7@subject", 0.4, 0.8, 0.36, 0.04, 0.4 / 0.64, False],
            ["mlp_0/7@subject → resid_1/3@verb", -0.9, 0.9, 0.36, 0.0, 0.36 / 0.64, False],
            ["embed/1@subject → mlp_0/8@verb", 0.2, 0.4, 0.24, 0.0, 0.24 / 0.64, False],
            ["mlp_0/8@verb → resid_1/3@verb", 0.3, 1.2, 0.24, 0.0, 0.24 / 0.64, False],
        ],
    )
    assert table.attrs["total"] == pytest.approx({"positive": 0.6, "negative": 0.04})
    assert [one["query"] for one in table.attrs["queries"]] == ["edges", "nodes"]
    assert table.attrs["units"]["positive_flow"] == "units of the metric"


def test_flow_over_a_cut_is_the_whole_flow(store: Store) -> None:
    table = cut_flow(store, "he/subject")
    assert like(
        rows(table, "layer place kind n_edges positive_weight negative_weight positive_flow negative_flow share"),
        [
            [-1, "subject", "feature", 2, 0.6, 0.0, 0.6, 0.04, 1.0],
            [0, "subject", "feature", 2, 0.1, 0.9, 0.36, 0.04, 0.4 / 0.64],
            [0, "verb", "feature", 1, 0.3, 0.0, 0.24, 0.0, 0.24 / 0.64],
            [1, "verb", "feature", 1, 2.0, 0.0, 0.6, 0.0, 0.6 / 0.64],
            [1, "verb", "error", 1, 0.75, 0.0, 0.0, 0.04, 0.04 / 0.64],
        ],
    )
    for name in ("r2", "r4"):
        whole = cut_flow(store, name)
        total = whole.attrs["total"]
        for _, cut in whole.groupby("layer"):
            assert cut["positive_flow"].sum() == pytest.approx(total["positive"])
            assert cut["negative_flow"].sum() == pytest.approx(total["negative"])


def test_crossings_between_roles(store: Store) -> None:
    assert like(
        rows(
            role_crossings(store, "he/subject"), "source target site n_edges weight absolute_weight positive_flow share"
        ),
        [
            ["subject", "verb", "resid_1", 2, -0.8, 1.0, 0.36, 0.4 / 0.64],
            ["subject", "verb", "mlp_0", 1, 0.2, 0.2, 0.24, 0.24 / 0.64],
        ],
    )


def test_the_census_of_motifs(store: Store) -> None:
    assert like(
        rows(motifs(store, "he/subject"), "source middle target crosses n_chains positive negative strongest"),
        [
            ["mlp", "resid_1", "target", False, 2, 0.3, 0.9, -0.9],
            ["embed", "mlp_0", "resid", True, 2, 0.6, 0.0, 0.36],
            ["mlp", "resid_1/error", "target", False, 1, 0.1, 0.0, 0.1],
            ["embed", "mlp_0", "error", True, 1, 0.0, 0.04, -0.04],
        ],
    )


def test_the_strongest_chains_of_a_pattern(store: Store) -> None:
    table = motif_chains(store, "he/subject", "mlp → resid → target", k=1)
    assert like(
        rows(table, "rank strength approximate chain"),
        [[1, -0.9, False, "mlp_0/7@subject → resid_1/3@verb → target"]],
    )
    assert table.attrs["count"] == 2
    through = motif_chains(store, "he/subject", "embed any error target")
    assert like(rows(through, "strength approximate"), [[-0.04, True]])
    placed = motif_chains(store, "he/subject", "feature@subject mlp@verb")
    assert like(rows(placed, "strength chain"), [[0.2, "embed/1@subject → mlp_0/8@verb"]])
    assert motif_chains(store, "he/subject", "resid_1/error target")["strength"].tolist() == [0.75]
    assert motif_chains(store, "he/subject", "target embed").attrs["count"] == 0


def test_a_path_that_starts_at_an_error_unit_divides_by_no_effect_of_one(store: Store) -> None:
    name = "starts at an error"
    assert rows(strongest_paths(store, name), "strength approximate path") == [
        [0.5, False, "embed/error@subject → resid_1/3@subject → target"]
    ]
    assert motif_chains(store, name, "error feature target")["approximate"].tolist() == [False]
    assert edge_flow(store, name)["approximate"].tolist() == [False, False]
    through = edge_flow(store, "he/subject", limit=10).set_index("edge")["approximate"]
    assert through["mlp_0/7@subject → resid_1/error@verb"]
    assert through["resid_1/error@verb → target"]


def test_what_feeds_errors_and_what_errors_feed(store: Store) -> None:
    assert like(
        rows(error_exchange(store, "sva"), "error_component error_layer direction component layer kind n_edges weight"),
        [["mlp", 0, "fed by", "embed", -1, "feature", 1, 0.1], ["mlp", 0, "feeds", "target", 2, "target", 1, 0.125]],
    )


def test_suppressors(store: Store) -> None:
    table = suppressors(store, "he/subject")
    assert like(
        rows(table, "site feature_index role effect effect_se share_negative site_share"),
        [["mlp_0", 7, "subject", -1.0, 0.1, 1.0, 0.8]],
    )
    assert table.attrs["metric_sign"] == "positive: towards the patch answer"


def test_threads(store: Store) -> None:
    columns = "n_layers strength kept weakest cosine least_cosine thread"
    two = [2, 0.5, 0.5, 0.5, 0.75, 0.75, "embed/1@subject → resid_1/3@subject"]
    assert like(rows(threads(store, "thread"), columns), [two])
    assert threads(store, "thread", min_share=0.55).empty
    assert like(rows(threads(store, "thread", min_cosine=0.75), columns), [two])
    # Without the edge to resid_1/3, that to resid_1/4 is embed/1's closest; but their directions point apart.
    assert threads(store, "thread", min_cosine=0.76).empty


def test_a_step_between_directions_that_are_not_alike_counts_as_0(store: Store) -> None:
    columns = "n_layers strength kept weakest cosine least_cosine thread"
    whole = [3, 0.4, 0.4, 0.5, 0.45, 0.0, "embed/1@subject → resid_0/6@subject → resid_1/3@subject"]
    assert like(rows(threads(store, "long"), columns), [whole])
    first = [2, 0.5, 0.5, 0.5, 0.9, 0.9, "embed/1@subject → resid_0/6@subject"]
    assert like(rows(threads(store, "long", min_cosine=0.3), columns), [first])


def test_where_nodes_have_roles_alone_a_place_is_the_role(store: Store) -> None:
    """Each position of these circuits has a role of its own, so what was worked out above holds."""
    for ask in (role_crossings, motifs, cut_flow, threads):
        for name, of_roles in (("he/subject", "roles"), ("thread", "thread of roles")):
            one, other = (ask(store, which).drop(columns="nodes", errors="ignore") for which in (name, of_roles))
            pd.testing.assert_frame_equal(one, other)
            assert not one.empty or (ask, name) == (threads, "he/subject")
    groups = group_nodes(store, "thread of roles").groups
    assert all(len({member.split("@")[1] for member in one}) == 1 for one in groups["members"] if one != ["target"])
    assert (
        group_nodes(store, "thread of roles").cuts["n_groups"].min()
        == group_nodes(store, "thread").cuts["n_groups"].min()
    )
    placed = store.query("effect_by_position", circuit="roles")
    assert like(
        rows(placed, "position role layer component kind n_nodes effect"),
        [
            [-1, "subject", -1, "embed", "feature", 1, 0.5],
            [-1, "subject", 0, "mlp", "feature", 1, -1.0],
            [-1, "verb", 0, "mlp", "feature", 1, 0.25],
            [-1, "verb", 1, "resid", "error", 1, 0.75],
            [-1, "verb", 1, "resid", "feature", 1, 2.0],
        ],
    )
    crossed = store.query("crossings", circuit="roles")
    assert crossed["source_position"].isna().all()
    assert like(
        rows(crossed, "source_role target_role n_edges weight absolute_weight first_layer last_layer"),
        [["subject", "verb", 3, -0.6, 1.2, 0, 1]],
    )


def test_an_effect_that_cannot_be_told_from_zero_carries_nothing(store: Store) -> None:
    """Standard errors here are a tenth of the effects."""
    assert edge_flow(store, "he/subject", least_z=10.0).attrs["total"]["positive"] == pytest.approx(0.6)
    table = edge_flow(store, "he/subject", least_z=10.1)
    assert table.empty
    assert len(table.attrs["left_out"]) == 5
    assert strongest_paths(store, "he/subject", least_z=10.1).empty
    assert bottlenecks(store, "he/subject", least_z=10.1).empty


def test_nodes_without_a_standard_error_are_named(store: Store) -> None:
    """Derived circuits store none, so that `least_z` holds back nothing of them."""
    assert edge_flow(store, "he/subject", least_z=10.1).attrs["unsure"] == []
    derived = combine(store, "union", "he/subject", "he/object", name="either")
    store.write([derived])
    table = edge_flow(store, "either", least_z=1e6)
    assert table.attrs["left_out"] == []
    nodes = store.query("nodes", circuit="either")
    assert sorted(table.attrs["unsure"]) == sorted(nodes["id"][nodes["kind"] != "target"])
    assert table["positive_flow"].sum() > 0.0
    store.delete_circuit(derived.circuit_id)


WRONG: list[tuple[Callable[[Store], object], str]] = [
    (lambda store: edge_flow(store, "sva", limit=0), "at least 1 edge"),
    (lambda store: motifs(store, "sva", limit=0), "at least 1 kind"),
    (lambda store: edge_flow(store, "sva", least_z=-1.0), "standard errors from 0 up"),
    (lambda store: role_crossings(store, "summed"), "'summed' sums over positions"),
    (lambda store: motif_chains(store, "sva", "embed neuron"), "'neuron' is no step of a pattern"),
    (lambda store: motif_chains(store, "sva", "embed_0 mlp"), "'embed_0' is no step"),
    (lambda store: motif_chains(store, "sva", "any/error mlp"), "'any/error' is no step"),
    (lambda store: motif_chains(store, "sva", "embed"), "has 1 steps; give 2 to 12"),
    (lambda store: motif_chains(store, "sva", "embed mlp", k=0), "ask for 1 to 10000 chains"),
    (lambda store: threads(store, "sva", min_share=0.0), "a share above 0 up to 1"),
    (lambda store: threads(store, "sva", min_cosine=0.2), "from 0.3, below which none are stored, to 1"),
    (lambda store: group_nodes(store, "sva", directions=1.5), "the share of a profile that they make up, from 0 to 1"),
    (lambda store: feature_families(store, min_circuits=0), "must be at least 1"),
    (lambda store: group_nodes(store, "sva", n_groups=99), "n_groups is 99; the 2 features .* into 2 to 2 groups"),
    (lambda store: communities(store, resolution=0.0), "both above 0"),
]


@pytest.mark.parametrize(("ask", "words"), WRONG, ids=[words for _, words in WRONG])
def test_wrong_arguments_are_refused_in_one_line(ask: Callable[[Store], object], words: str, stores: Filled) -> None:
    with pytest.raises(QueryError, match=words) as caught:
        ask(stores["ladybug"])
    assert "\n" not in str(caught.value)


def test_an_unknown_circuit_is_met_with_the_nearest_name(stores: Filled) -> None:
    with pytest.raises(UnknownCircuitError, match="did you mean 'he/subject'"):
        edge_flow(stores["ladybug"], "he/subjekt")


ASKS: list[Callable[..., pd.DataFrame]] = [edge_flow, cut_flow, role_crossings, motifs, threads, error_exchange]


def test_a_circuit_without_edges_gives_tables_of_the_same_types(stores: Filled) -> None:
    store = stores["ladybug"]
    for ask in ASKS:
        found, nothing = ask(store, "r4"), ask(store, "without edges")
        assert nothing.empty
        assert nothing.dtypes.tolist() == found.dtypes.tolist()
    grouping = group_nodes(store, "without edges")
    assert grouping.groups.empty
    assert grouping.edges.empty
    assert motif_chains(store, "without edges", "any any").attrs["count"] == 0


def test_a_threshold_above_every_edge_is_refused_by_every_question(stores: Filled) -> None:
    store = stores["ladybug"]
    asks: list[Callable[..., object]] = [*ASKS, group_nodes, functools.partial(motif_chains, pattern="any any")]
    for ask in asks:
        with pytest.raises(QueryError, match="edge_threshold 99 leaves no edge of circuit 'r4', whose strongest among"):
            ask(store, "r4", edge_threshold=99.0)


EVERY: dict[str, Callable[[Store, str], pd.DataFrame]] = {
    "strongest_paths": lambda store, name: strongest_paths(store, name, k=50),
    "bottlenecks": lambda store, name: bottlenecks(store, name),
    "edge_flow": lambda store, name: edge_flow(store, name, limit=500),
    "cut_flow": cut_flow,
    "role_crossings": role_crossings,
    "motifs": motifs,
    "motif_chains": lambda store, name: motif_chains(store, name, "any mlp resid any", k=50),
    "error_exchange": error_exchange,
    "suppressors": lambda store, name: suppressors(store, name, limit=100),
    "threads": threads,
    "groups": lambda store, name: group_nodes(store, name).groups,
    "group edges": lambda store, name: group_nodes(store, name).edges,
    "group paths": lambda store, name: group_paths(group_nodes(store, name), k=50),
    "group cuts": lambda store, name: group_nodes(store, name).cuts,
    "feature_families": lambda store, name: feature_families(store, limit=100),
    "communities": lambda store, name: communities(store).circuits,
    "mixtures": lambda store, name: communities(store).mixtures,
}


@pytest.mark.parametrize("name", EVERY)
def test_every_column_is_described_and_every_result_names_its_queries(name: str, stores: Filled) -> None:
    table = EVERY[name](stores["ladybug"], "r4")
    assert set(table.attrs["descriptions"]) == set(table.columns)
    assert all(one["query"] for one in table.attrs.get("queries", [table.attrs]))


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_both_engines_give_the_same_rows(name: str, stores: Filled) -> None:
    for which in ("he/subject", "r2", "r4", "roles"):
        one, other = (EVERY[name](store, which) for store in stores.values())
        pd.testing.assert_frame_equal(one, other, rtol=1e-9, atol=1e-12)
