"""What survives resampling, by counting every resample there is; standings worked out by hand; on both engines."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from circuit_atlas.analysis.stability import stability, write_stability
from circuit_atlas.cypher import CircuitRows, Pair, Store, connect
from circuit_atlas.errors import QueryError, StoreError, UnknownCircuitError
from tests.graphs import Edge, Unit, circuit, small_circuits
from tests.store_fixtures import ENGINES, Filled

pytestmark = pytest.mark.slow

EDGE = Pair("EDGE", "CircuitNode", "CircuitNode")
ITEMS = [7, 7, 3, 5]
VALUES: dict[tuple[str, int | None], list[float]] = {
    ("embed", 1): [1.0, 1.0, 1.0, 1.0],
    ("mlp_0", 7): [2.0, 2.0, -1.0, 0.0],
    ("mlp_0", None): [-0.5, -0.25, -1.0, -0.45],
    ("resid_1", 3): [0.0, 0.0, 0.0, 1.6],
}
"""Effect of each unit on the four examples, of which two are one item; means 1, 0.75, -0.55, 0.4."""

WEIGHTS: list[tuple[int, int, list[float]]] = [
    (0, 1, [0.5, 0.5, 0.5, 0.5]),
    (1, 3, [0.9, 0.9, 0.0, -0.2]),
    (2, 3, [0.3, -0.3, 0.2, 0.2]),
]


def made(name: str, *, scale: float = 1.0, without: Sequence[int | None] = (), edges: bool = True) -> CircuitRows:
    """A circuit with these values times `scale`, without some features."""
    kept = {key: values for key, values in VALUES.items() if key[1] not in without}
    units: list[Unit] = [(site, index, 2, scale * sum(v) / 4) for (site, index), v in kept.items()]
    place = {number: place for place, number in enumerate(n for n, key in enumerate(VALUES) if key in kept)}
    links = [(place[u], place[d], v) for u, d, v in WEIGHTS if u in place and d in place]
    links.append((len(units) - 1, -1, [scale * 0.4] * 4))
    drawn: list[Edge] = [(u, d, sum(v) / 4) for u, d, v in links]
    rows = circuit(name, units, drawn)
    several = [{"effects": [scale * one for one in values]} for values in kept.values()]
    nodes = [{**n, **more} for n, more in zip(rows.nodes["CircuitNode"], [*several, {}], strict=True)]
    weights = [
        {**row, "weights": v if edges else None} for row, (*_, v) in zip(rows.relationships[EDGE], links, strict=True)
    ]
    (one,) = rows.nodes["Circuit"]
    about = {**one, "items": ITEMS, "n_items": 3, "n_examples": 4, "node_floor": scale * 0.1, "edge_floor": 0.01}
    return dataclasses.replace(
        rows,
        nodes={**rows.nodes, "CircuitNode": nodes, "Circuit": [about]},
        relationships={**rows.relationships, EDGE: weights},
    )


def counted(values: Sequence[float], threshold: float) -> float:
    """Share of all 27 ways to draw three items with replacement in which the mean stays above the threshold."""
    of_item = [[v for v, item in zip(values, ITEMS, strict=True) if item == one] for one in (7, 3, 5)]
    sign = 1.0 if sum(values) > 0 else -1.0
    stays = 0
    for drawn in itertools.product(of_item, repeat=3):
        together = [v for item in drawn for v in item]
        stays += sign * sum(together) / len(together) > threshold
    return stays / 27


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """The circuits on each engine."""
    rows = [
        made("t~a"),
        made("t~b", scale=2.0, without=[7]),
        made("t~bare", edges=False),
        made("other"),
        *small_circuits(),
    ]
    filled = Filled(request, tmp_path_factory.mktemp("stability"), rows)
    yield filled
    filled.close()


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, stores: Mapping[str, Store]) -> Store:
    """The store of each engine."""
    return stores[request.param]


def by_name(table: pd.DataFrame, name: str, column: str) -> dict[str, Any]:
    return dict(zip(table[name], table[column], strict=True))


def test_shares_are_those_of_all_resamples(store: Store) -> None:
    found = stability(store, ["t~a"], thresholds=[0.2], resamples=20_000)
    shares = by_name(found.nodes, "node", "stability")
    wanted = [counted(values, 0.2) for values in VALUES.values()]
    assert list(shares) == ["embed/1@subject", "mlp_0/7@subject", "mlp_0/error@subject", "resid_1/3@subject"]
    assert list(shares.values()) == pytest.approx(wanted, abs=0.012)
    assert wanted[0] == wanted[2] == 1.0
    # Without item 7 the mean of mlp_0/7 is at most 0: 8 of 27; with it once, it may be (4 - 2) / 4.
    assert wanted[1] == pytest.approx(19 / 27)
    assert wanted[3] == pytest.approx(19 / 27)  # item 5 must be drawn
    edges = by_name(found.edges, "edge", "stability")
    assert [edges[name] for name in list(edges)] == pytest.approx(
        [counted(values, 0.01) for values in ([0.5] * 4, [0.9, 0.9, 0.0, -0.2], [0.4] * 4, [0.3, -0.3, 0.2, 0.2])],
        abs=0.012,
    )


def test_standing_within_one_circuit(store: Store) -> None:
    found = stability(store, ["t~a"])
    assert by_name(found.nodes, "node", "standing") == {
        "embed/1@subject": "core",
        "mlp_0/7@subject": "noise",
        "mlp_0/error@subject": "core",
        "resid_1/3@subject": "noise",
    }
    (view,) = found.views.to_dict("records")
    assert (view["circuit"], view["n_nodes"], view["n_stable"], view["n_edges"]) == ("t~a", 4, 2, 4)
    assert view["node_threshold"] == pytest.approx(0.1)
    lenient = stability(store, ["t~a"], stable_share=0.6)
    assert set(lenient.nodes["standing"]) == {"core"}


def test_thresholds_are_views(store: Store) -> None:
    found = stability(store, ["t~a"], thresholds=[0.2, 0.5, 0.7])
    assert found.views["n_nodes"].tolist() == [4, 3, 2]
    assert found.views["n_edges"].tolist() == [4, 1, 1]  # resid_1/3 is out from 0.5 on
    nodes = found.nodes.set_index("node")
    assert nodes["n_views"].tolist() == [3, 3, 2, 1]
    assert nodes["present"].tolist() == pytest.approx([1.0, 1.0, 2 / 3, 1 / 3])
    # The error is in two views, and stays above 0.2 in all resamples; above 0.5 in fewer than nine in ten.
    assert counted(VALUES["mlp_0", None], 0.5) < 0.9
    assert nodes["standing"].tolist() == ["core", "noise", "contingent", "noise"]
    assert stability(store, ["t~a"], thresholds=[0.2, 0.5, 0.7], core_share=1 / 3).nodes["standing"].tolist() == [
        "core",
        "noise",
        "core",
        "noise",
    ]


def test_circuits_of_other_units_are_cut_by_size(store: Store) -> None:
    found = stability(store, ["t~a", "t~b"], sizes=[1, 3])
    # t~b has effects 2, -1.1 and 0.8, and no mlp_0/7.
    assert found.views["node_threshold"].tolist() == pytest.approx([0.75, 0.4, 1.1, 0.2])
    assert found.views["n_nodes"].tolist() == [1, 3, 1, 3]
    nodes = found.nodes.set_index("node")
    assert nodes["n_views"].to_dict() == {
        "embed/1@subject": 4,
        "mlp_0/7@subject": 1,
        "mlp_0/error@subject": 2,
        "resid_1/3@subject": 1,
    }
    assert nodes["standing"].to_dict() == {
        "embed/1@subject": "core",
        "resid_1/3@subject": "noise",
        "mlp_0/7@subject": "noise",
        "mlp_0/error@subject": "contingent",
    }
    assert nodes.loc["resid_1/3@subject", "effect"] == pytest.approx(0.8)
    assert found.nodes.attrs["stable_share"] == 0.9


def test_edges_without_values_have_no_standing(store: Store) -> None:
    found = stability(store, ["t~bare"])
    assert found.edges["standing"].tolist() == [None] * 4
    assert found.edges["stability"].isna().all()
    assert found.views[["n_edges", "n_stable", "n_stable_edges"]].isna().to_numpy().tolist() == [[False, False, True]]
    assert found.edges["present"].tolist() == [1.0] * 4
    assert found.nodes["standing"].tolist() == ["core", "noise", "core", "noise"]


def test_written_as_properties_to_query_by(store: Store) -> None:
    store.write([made("w~a"), made("w~b", scale=2.0, without=[7])])
    found = stability(store, ["w~a", "w~b"], sizes=[1, 3])
    write_stability(store, found)
    asked = (
        "MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode) WHERE c.name = $name AND n.kind <> 'target' "
        "RETURN n.standing AS standing, n.stability AS stability ORDER BY n.layer, n.kind"
    )
    rows = store.rows(asked, {"name": "w~a"})
    assert [row["standing"] for row in rows] == ["core", "contingent", "noise", "noise"]
    assert [row["stability"] for row in rows] == pytest.approx(
        [counted(VALUES[key], 0.4) for key in (("embed", 1), ("mlp_0", None), ("mlp_0", 7), ("resid_1", 3))],
        abs=0.05,
    )
    (known,) = store.rows("MATCH (c:Circuit {name: 'w~b'}) RETURN c.certainty AS said")
    said = json.loads(known["said"])
    assert said["stability_at"] == pytest.approx(0.2)
    assert [view["circuit"] for view in said["views"]] == ["w~a", "w~a", "w~b", "w~b"]
    (edges,) = store.rows(
        "MATCH (c:Circuit)-[:HAS_NODE]->(:CircuitNode)-[e:EDGE]->() WHERE c.name STARTS WITH 'w~' "
        "RETURN count(e) AS n, count(e.stability) AS known"
    )
    assert edges["n"] == edges["known"]
    # A view with less: what is in none of them must not keep what was said before.
    write_stability(store, stability(store, ["w~a"], sizes=[1]))
    assert [row["standing"] for row in store.rows(asked, {"name": "w~a"})] == ["core", *["absent"] * 3]
    assert store.check() == []
    anew = made("w~a")
    (one,) = anew.nodes["Circuit"]
    store.write([dataclasses.replace(anew, nodes={**anew.nodes, "Circuit": [{**one, "created_at": "2026-01-01"}]})])
    with pytest.raises(StoreError, match="replaced or deleted meanwhile"):
        write_stability(store, found)
    assert {row["standing"] for row in store.rows(asked, {"name": "w~a"})} == {None, "noise"}  # as it was made
    store.delete_circuit("toy/circuit/w~a")
    with pytest.raises(StoreError, match="replaced or deleted meanwhile"):
        write_stability(store, found)


@pytest.mark.slow
def test_both_engines_give_the_same_tables(stores: Mapping[str, Store]) -> None:
    one, other = (stability(stores[engine], ["t~a", "t~b"], sizes=[2, 3]) for engine in ("ladybug", "neo4j"))
    for name in ("nodes", "edges", "views"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))
    assert one.node_changes == other.node_changes
    assert one.nodes.attrs == other.nodes.attrs


@pytest.mark.parametrize(
    ("names", "options", "said"),
    [
        (["t~a", "other"], {}, "differ in task have other units: t \\(t~a\\), other"),
        (["t~a", "t~a"], {}, "named twice"),
        ([], {}, "at least one circuit"),
        (["t~a"], {"thresholds": [0.05]}, "below 0.1, the floor of circuit 't~a'"),
        (["t~a"], {"edge_threshold": 0.001}, "edge_threshold 0.001 is below"),
        (["t~a"], {"thresholds": [99.0]}, "node_threshold 99 leaves no node of circuit 't~a'"),
        (["t~a"], {"thresholds": [0.2], "sizes": [3]}, "give one of them"),
        (["t~a"], {"sizes": [0]}, "at least 1 node"),
        (["t~a"], {"stable_share": 0.0}, "a share above 0"),
        (["t~a"], {"core_share": 1.5}, "at most 1"),
        (["t~a"], {"resamples": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_answered_is_said(
    names: list[str], options: dict[str, Any], said: str, stores: Mapping[str, Store]
) -> None:
    with pytest.raises(QueryError, match=said):
        stability(stores["ladybug"], names, **options)


def test_an_unknown_circuit(stores: Mapping[str, Store]) -> None:
    with pytest.raises(UnknownCircuitError):
        stability(stores["ladybug"], ["t~c"])


def test_one_item_cannot_be_resampled(tmp_path: Path) -> None:
    rows = made("t~a")
    (one,) = rows.nodes["Circuit"]
    alone = dataclasses.replace(rows, nodes={**rows.nodes, "Circuit": [{**one, "items": [1, 1, 1, 1], "n_items": 1}]})
    with connect(str(tmp_path / "one.lbug")) as place:
        place.write([alone])
        found = stability(place, ["t~a"])
    assert found.nodes["stability"].isna().all()
    assert found.nodes["standing"].tolist() == [None] * 4
