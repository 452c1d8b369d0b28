"""Circuits made of circuits, by hand, the same on both engines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from circuit_atlas.analysis import combine
from circuit_atlas.analysis.algebra import threshold_of_size
from circuit_atlas.cypher import Store
from circuit_atlas.cypher.rows import CircuitRows, Pair
from circuit_atlas.errors import QueryError, StoreError
from tests.graphs import OBJECT, SUBJECT, circuit, small_circuits
from tests.store_fixtures import ENGINES, Filled

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Store]]:
    filled = Filled(
        request,
        tmp_path_factory.mktemp("algebra"),
        [
            *small_circuits(),
            circuit("elsewhere", SUBJECT, [], model="toy2"),
            circuit("first", [("embed", 1, 0, 4.0), ("embed", 5, 0, 1.0), ("mlp_0", 7, 2, 1.0)], [(0, 2, 0.5)]),
            circuit("bare", [("embed", 1, 0, 4.0)], []),
        ],
    )
    yield filled
    filled.close()


def nodes(rows: CircuitRows) -> dict[str, float]:
    """Effect of each unit: the part of its key behind the circuit's."""
    (made,) = rows.nodes["Circuit"]
    return {row["id"].removeprefix(made["id"] + "/"): row["effect"] for row in rows.nodes["CircuitNode"]}


def edges(rows: CircuitRows) -> dict[tuple[str, str], float]:
    (made,) = rows.nodes["Circuit"]
    ends = rows.relationships[Pair("EDGE", "CircuitNode", "CircuitNode")]
    name = made["id"] + "/"
    return {(row["from"].removeprefix(name), row["to"].removeprefix(name)): row["weight"] for row in ends}


@pytest.mark.parametrize("engine", ENGINES)
def test_what_two_share_what_one_has_alone_and_what_either_has(stores: Mapping[str, Store], engine: str) -> None:
    """By hand: both use embed/1 (0.5, 0.25), mlp_0/7 (-1, 1.5) and resid_1's error (0.75, -0.5)."""
    store = stores[engine]
    both = combine(store, "intersection", "he/subject", "he/object")
    target = nodes(combine(store, "difference", "he/subject", "sva"))["target/*"]
    assert nodes(both) == {
        "embed/feature/1/*": 0.25,
        "mlp_0/feature/7/*": -1.0,
        "resid_1/error/*": -0.5,
        "target/*": target,
    }
    assert edges(both) == {
        ("embed/feature/1/*", "mlp_0/feature/7/*"): 0.2,
        ("mlp_0/feature/7/*", "resid_1/error/*"): 0.1,
        ("resid_1/error/*", "target/*"): -0.5,
    }
    alone = combine(store, "difference", "he/subject", "he/object")
    assert nodes(alone).keys() == {"mlp_0/feature/8/*", "resid_1/feature/3/*", "target/*"}
    assert edges(alone) == {("mlp_0/feature/8/*", "resid_1/feature/3/*"): 0.3, ("resid_1/feature/3/*", "target/*"): 2.0}
    either = combine(store, "union", "he/subject", "he/object", name="either")
    assert nodes(either)["mlp_0/feature/7/*"] == 1.5
    assert nodes(either)["resid_1/error/*"] == 0.75
    assert len(nodes(either)) == 7
    assert either.nodes["Circuit"][0]["name"] == "either"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_derived_circuit_is_stored_with_its_recipe_and_outlives_nothing(
    stores: Mapping[str, Store], engine: str
) -> None:
    store = stores[engine]
    rows = combine(store, "intersection", "he/subject", "he/object", name="shared")
    store.write([rows])
    assert store.check() == []
    row = store.query("circuit", circuit="shared").iloc[0]
    assert (row["n_nodes"], row["n_edges"], row["positions"], row["task"]) == (3, 3, "sum", "he/subject")
    recipe = json.loads(row["settings"])["recipe"]
    assert (recipe["operation"], recipe["level"]) == ("intersection", "feature")
    again = combine(store, "intersection", "he/subject", "he/object", name="shared")
    assert again.circuit_id == rows.circuit_id
    assert store.query("nodes", circuit="shared")["unit_id"].notna().sum() == 3
    with pytest.raises(StoreError, match="delete shared first"):
        store.delete_circuit(store.query("circuit", circuit="he/object")["id"].iloc[0])
    store.delete_circuit(rows.circuit_id)


@pytest.mark.parametrize("operation", ["intersection", "union"])
def test_a_threshold_may_come_before_or_after(stores: Mapping[str, Store], operation: Any) -> None:
    store = stores["ladybug"]
    whole = combine(store, operation, "he/subject", "he/object")
    for threshold in (0.2, 0.3, 0.6, 0.9, 1.2):
        after = {key for key, effect in nodes(whole).items() if abs(effect) > threshold or key == "target/*"}
        try:
            before = set(nodes(combine(store, operation, "he/subject", "he/object", node_threshold=threshold)))
        except QueryError:
            before = {"target/*"}
        assert after == before


def test_roles_keep_apart_what_stands_elsewhere(stores: Mapping[str, Store]) -> None:
    """`he/object` has no roles in common unless they are named alike; positions without a role drop out."""
    store = stores["ladybug"]
    by_role = combine(store, "union", "he/subject", "he/object", level="role")
    assert by_role.nodes["Circuit"][0]["positions"] == "role"
    assert all(row["role"] for row in by_role.nodes["CircuitNode"] if row["kind"] != "target")


def test_nodes_without_a_role_are_counted(stores: Mapping[str, Store]) -> None:
    """`first` uses a feature at the first token, which has no role, and mlp_0/7 at the subject; `bare` has no roles."""
    store = stores["ladybug"]
    found = combine(store, "union", "first", "he/object", level="role")
    recipe = json.loads(found.nodes["Circuit"][0]["settings"])["recipe"]
    assert recipe["without_role"] == [2, 0]
    assert nodes(found).keys() >= {"mlp_0/feature/7/subject"}
    assert "embed/feature/5/*" not in nodes(found)
    plain = combine(store, "union", "he/subject", "he/object", level="role")
    assert "without_role" not in json.loads(plain.nodes["Circuit"][0]["settings"])["recipe"]
    with pytest.raises(QueryError, match=r"\(1 and 0 nodes have no role\); lower them, or use level feature"):
        combine(store, "intersection", "bare", "he/object", level="role")


def test_sizes_are_of_pooled_units(stores: Mapping[str, Store]) -> None:
    store = stores["ladybug"]
    assert threshold_of_size(store, "he/subject", 2) == pytest.approx((1.0 + 0.75) / 2)
    assert threshold_of_size(store, "he/subject", 99) == 0.0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"b": "elsewhere"}, "cannot be combined, their models differ: 'toy' and 'toy2'"),
        ({"operation": "sum"}, "choose one of intersection, difference, union"),
        ({"level": "position"}, "stands at feature or role"),
        ({"node_threshold": 50.0}, "nothing is left of 'he/subject' ∩ 'he/object' above these thresholds"),
        ({"a": "he/subjekt"}, "he/subject"),
    ],
)
def test_what_cannot_be_combined(stores: Mapping[str, Store], given: dict[str, Any], words: str) -> None:
    whole: dict[str, Any] = {"operation": "intersection", "a": "he/subject", "b": "he/object"} | given
    with pytest.raises(QueryError, match=words) as caught:
        combine(stores["ladybug"], **whole)
    assert "\n" not in str(caught.value)


def test_units_here_are_what_the_comments_say() -> None:
    one, other = ({unit[:2] for unit in units} for units in (SUBJECT, OBJECT))
    assert one & other == {("embed", 1), ("mlp_0", 7), ("resid_1", None)}
