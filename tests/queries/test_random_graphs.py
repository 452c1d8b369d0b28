"""On random circuits both engines and a literal reading of the definitions agree, at thresholds that cut.

Small hand-made graphs let an engine choose one plan; random ones of several sizes try others. It was so that wrong rows
of LadybugDB under a condition on an edge inside a longer pattern came to light.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping

import pandas as pd
import pytest

from circuit_atlas.cypher import Store
from circuit_atlas.cypher.library import load_library
from tests.graphs import SITES, Edge, Unit, circuit
from tests.queries.circuits import in_order
from tests.store_fixtures import ENGINES, Filled

SIZES = {"r0": 3, "r1": 8, "r2": 25, "r3": 25, "r4": 60}
THRESHOLDS = [(0.0, 0.0), (0.3, 0.0), (0.0, 0.4), (0.5, 0.5)]


def random_circuit(name: str, n: int) -> tuple[list[Unit], list[Edge]]:
    rng = random.Random(name)
    sites = list(SITES)
    places = {(rng.choice(sites), rng.choice([None, 1, 2, 3, 4, 5]), rng.randrange(5)) for _ in range(n)}
    ordered = sorted(places, key=lambda p: (SITES[p[0]], p[1] or 0, p[2]))
    units: list[Unit] = [(site, index, position, rng.uniform(-1, 1)) for site, index, position in ordered]
    edges: list[Edge] = []
    for u, (site, *_) in enumerate(ordered):
        later = [d for d, (other, *_) in enumerate(ordered) if SITES[other] > SITES[site]]
        edges += [(u, d, rng.uniform(-1, 1)) for d in rng.sample(later, min(len(later), 4))]
        edges.append((u, -1, rng.uniform(-1, 1)))
    return units, edges


GRAPHS = {name: random_circuit(name, n) for name, n in SIZES.items()}


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """The circuits on each engine."""
    filled = Filled(
        request, tmp_path_factory.mktemp("random"), [circuit(name, *graph) for name, graph in GRAPHS.items()]
    )
    yield filled
    filled.close()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", GRAPHS)
def test_nodes_and_edges_are_those_above_the_thresholds(name: str, engine: str, stores: Mapping[str, Store]) -> None:
    units, edges = GRAPHS[name]
    for node_threshold, edge_threshold in THRESHOLDS:
        kept = {place for place, unit in enumerate(units) if abs(unit[3]) > node_threshold} | {-1}
        effects = sorted(units[place][3] for place in kept - {-1})
        weights = sorted(w for u, d, w in edges if {u, d} <= kept and abs(w) > edge_threshold)
        nodes = stores[engine].query("nodes", circuit=name, node_threshold=node_threshold)
        assert sorted(nodes.loc[nodes["kind"] != "target", "effect"]) == effects
        for query in ("edges", "subgraph"):
            table = stores[engine].query(
                query, circuit=name, node_threshold=node_threshold, edge_threshold=edge_threshold
            )
            assert sorted(table["weight"]) == weights
        inner = [units[d] for u, d, w in edges if d >= 0 and {u, d} <= kept and abs(w) > edge_threshold]
        into_errors = stores[engine].query(
            "feeds_errors", circuit=name, node_threshold=node_threshold, edge_threshold=edge_threshold, limit=1000
        )
        assert len(into_errors) == sum(unit[1] is None for unit in inner)


def pooled_nodes(name: str, level: str) -> dict[tuple[object, ...], float]:
    pooled: dict[tuple[object, ...], float] = defaultdict(float)
    for site, index, position, effect in GRAPHS[name][0]:
        role = {1: "noun", 2: "subject", 3: "verb", 4: "verb"}.get(position or 0)
        if level == "role" and role is None:
            continue  # at no role, rather than at the same
        where = {"feature": None, "role": role, "position": position}[level]
        kind = "error" if index is None else "first_token" if position == 0 else "feature"
        pooled[kind, site, index, where] += effect
    return pooled


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("level", ["feature", "role", "position"])
def test_overlap_is_that_of_sets_pooled_by_hand(level: str, engine: str, stores: Mapping[str, Store]) -> None:
    for threshold in (0.0, 0.4):
        for a, b in (("r2", "r3"), ("r4", "r1"), ("r0", "r4")):
            one, other = (
                {unit: effect for unit, effect in pooled_nodes(name, level).items() if abs(effect) > threshold}
                for name in (a, b)
            )
            table = stores[engine].query(
                "overlap_nodes", circuit_a=a, circuit_b=b, level=level, node_threshold=threshold
            )
            for row in table.itertuples():
                mine, yours = ({u for u in units if u[0] == row.kind} for units in (one, other))
                assert (row.n_a, row.n_b, row.n_shared) == (len(mine), len(yours), len(mine & yours))
                assert row.effect_a == pytest.approx(sum(abs(one[u]) for u in mine))
                smaller = sum(min(abs(one[u]), abs(other[u])) for u in mine & yours)
                larger = sum(max(abs(one.get(u, 0.0)), abs(other.get(u, 0.0))) for u in mine | yours)
                assert row.weighted_jaccard == pytest.approx(smaller / larger)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in load_library() if name not in ("circuits", "tasks", "models")])
def test_both_engines_agree(name: str, stores: Mapping[str, Store]) -> None:
    query = load_library()[name]
    samples = {
        "circuit": "r4", "other": "r3", "circuit_a": "r4", "circuit_b": "r2", "unit": "resid_1/feature/3",
        "node": "mlp_0/feature/2", "feature": "toy/topk/mlp_0/feature/2",
    }  # fmt: skip
    needed = {param.name: samples[param.name] for param in query.params if param.required}
    takes = {param.name for param in query.params}
    for node_threshold, edge_threshold in THRESHOLDS:
        cut = {"node_threshold": node_threshold, "edge_threshold": edge_threshold}
        params = needed | {key: value for key, value in cut.items() if key in takes}
        one, other = (in_order(store.query(name, **params), query) for store in stores.values())
        pd.testing.assert_frame_equal(one, other, rtol=1e-9, atol=1e-12)
