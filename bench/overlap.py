"""Overlap: the null on planted pairs, and the time of comparing two circuits of 100 and all pairs of 1,000.

1,000 planted pairs of each form (`bench.planted`) say how often the null calls chance sharing, and how often it finds a
mechanism; edges are drawn 200 times for each of 300. Circuits have 500 nodes and 10 thousand edges each, of
Zipf-distributed features; writing 1,000 of them takes minutes. `--quick` takes a tenth of everything and the embedded
engine alone.
"""

from __future__ import annotations

import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.figure import Figure, at_least, at_most, between
from bench.generator import generate
from bench.planted import Planted, plant
from circuit_atlas.analysis import compare, overlap_matrix
from circuit_atlas.analysis.null import chances, chosen_of, shared_features
from circuit_atlas.cypher import Store, connect
from circuit_atlas.cypher.neo4j_server import Neo4jServer

LEVEL = 0.05
EDGE_DRAWS = 200
STRONGEST, STRONGEST_EDGES = 80, 200
"""Features and edges of a planted circuit where the strongest alone are compared: a third and a seventh of them."""

AT_ONCE = 50
"""Circuits made and written at once."""

PAIR_LIMIT = {"embedded": 0.05, "Neo4j": 0.15}
NODES_LIMIT = {"embedded": 5.0, "Neo4j": 20.0}
EDGES_LIMIT = {"embedded": 30.0, "Neo4j": 90.0}
"""Seconds."""

WARM_UP, TIMES = 12, 15
"""Times a comparison is asked so that a server has compiled what it runs, and times that count, by their median."""


def run(quick: bool) -> list[Figure]:
    """Measure the null, then both engines."""
    figures = [*null_figures(100 if quick else 1_000, 30 if quick else 300)]
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        for what, some in (("two", _pair), ("many", _all_pairs)):
            with connect(f"ladybug:{here / f'{what}.lbug'}") as store:
                figures += some("embedded", store, quick)
            if not quick:
                server = Neo4jServer(here / what, secrets.token_urlsafe(12))
                with server, connect(server.url_with_password) as store:
                    figures += some("Neo4j", store, quick)
    return figures


def null_figures(pairs: int, edge_pairs: int) -> Iterator[Figure]:
    """Say how often the null is wrong on planted pairs, and how often it finds what is there."""
    least, most = (0.03, 0.07) if pairs >= 1_000 else (0.0, 0.13)  # fewer pairs scatter more
    for same_data, words in ((True, "the same prompts"), (False, "other prompts")):
        found = [node_p_value(plant(_random(n), same_data=same_data, mechanism=False)) for n in range(pairs)]
        yield between(f"false alarms, different mechanisms in {words}", _share(found), "", least, most)
    shared = [plant(_random(n), same_data=True, mechanism=True) for n in range(pairs)]
    yield between("features shared by a mechanism with noise: Jaccard", _jaccard(shared), "", 0.0, 1.0)
    apart = [plant(_random(n), same_data=True, mechanism=False) for n in range(pairs)]
    yield between("the same of different mechanisms", _jaccard(apart), "", 0.0, 1.0)
    yield at_least("power on that mechanism", _share([node_p_value(one) for one in shared]), "", 0.9)
    jumps = [plant(_random(n), same_data=True, mechanism=False, jump=True) for n in range(pairs)]
    # A limit of the null, measured so that it can be told: the regression that matches features is smooth.
    yield at_most("false alarms where choice jumps", _share([node_p_value(one) for one in jumps]), "", 0.3)
    found = [edge_p_value(one, number) for number, one in enumerate(apart[:edge_pairs])]
    # 300 pairs: 95 % of such shares lie within 2.5 % of the true one.
    most_edges = 0.08 if edge_pairs >= 300 else 0.2
    yield at_most("edges: false alarms, different mechanisms", _share(found), "", most_edges)
    yield from _strong_figures(edge_pairs, most_edges)


def _strong_figures(pairs: int, most_edges: float) -> Iterator[Figure]:
    """Say how often the null is wrong where effects rise with activity, at all sizes and of the strongest."""
    strong = [plant(_random(n), same_data=True, mechanism=False, strong=True) for n in range(pairs)]
    cut = [
        replace(one, nodes=one.nodes.strongest(STRONGEST), edges=one.edges.strongest(STRONGEST_EDGES)) for one in strong
    ]
    what = f"strength by activity, the strongest {STRONGEST}"
    yield at_most(f"nodes, {what}: false alarms", _share([node_p_value(one) for one in cut]), "", most_edges)
    what = f"strength by activity, the strongest {STRONGEST_EDGES}"
    found = [edge_p_value(one, number) for number, one in enumerate(cut)]
    yield at_most(f"edges, {what}: false alarms", _share(found), "", most_edges)
    # Of edges a little more: how many edges a feature has is not matched.
    for some, words in ((strong, "all"), (cut, "the strongest")):
        found = [edge_p_value(one, number, "weighted_jaccard") for number, one in enumerate(some)]
        yield at_most(
            f"edges, strength by activity, {words}: false alarms, weighted", _share(found), "", most_edges + 0.04
        )
        found = [weighted_p_value(one, number) for number, one in enumerate(some)]
        yield at_most(f"nodes, strength by activity, {words}: false alarms, weighted", _share(found), "", most_edges)


def node_p_value(planted: Planted) -> float:
    """Return the p-value of the number of features that two planted circuits share."""
    one, other = (chosen_of(some, planted.nodes, n) for n, some in enumerate(planted.active))
    return shared_features(one, other).p_value


def weighted_p_value(planted: Planted, seed: int) -> float:
    """Return the p-value of the features that two planted circuits share, weighted by effect."""
    one, other = (chosen_of(some, planted.nodes, n) for n, some in enumerate(planted.active))
    found = chances(planted.nodes, None, (one, other), EDGE_DRAWS, seed, of="nodes", figure="weighted_jaccard")
    return found[0].p_value


def edge_p_value(planted: Planted, seed: int, figure: str = "n_shared") -> float:
    """Return the p-value of a figure of the edges that two planted circuits share."""
    one, other = (chosen_of(some, planted.edges, n) for n, some in enumerate(planted.active))
    found = chances(planted.nodes, planted.edges, (one, other), EDGE_DRAWS, seed, of="edges", figure=figure)
    return found[0].p_value


def _random(number: int) -> np.random.Generator:
    return np.random.default_rng((2024, number))


def _share(p_values: list[float]) -> float:
    return float(np.mean(np.array(p_values) < LEVEL))


def _jaccard(pairs: list[Planted]) -> float:
    shared = []
    for one in pairs:
        counts = np.bincount(one.nodes.item)
        shared.append(np.count_nonzero(counts == 2) / np.count_nonzero(counts))
    return float(np.mean(shared))


def _pair(engine: str, store: Store, quick: bool) -> Iterator[Figure]:
    n = 10 if quick else 100
    yield at_most(f"{engine}: write {n} circuits", _write(engine, store, n), "s", 900.0)
    names = store.query("comparable")["circuit"].tolist()
    for _ in range(WARM_UP):
        compare(store, names[0], names[1])
    seconds = statistics.median(_seconds(lambda: compare(store, names[0], names[1])) for _ in range(TIMES))
    yield at_most(f"{engine}: compare two of {n} circuits, nodes and edges, warm", seconds, "s", PAIR_LIMIT[engine])


def _all_pairs(engine: str, store: Store, quick: bool) -> Iterator[Figure]:
    n = 100 if quick else 1_000
    yield at_most(f"{engine}: write {n} circuits", _write(engine, store, n), "s", 1_800.0)
    overlap_matrix(store, size=1)  # what is asked first waits for the engine
    nodes = _seconds(lambda: overlap_matrix(store))
    yield at_most(f"{engine}: all pairs of {n} circuits, nodes", nodes, "s", NODES_LIMIT[engine])
    edges = _seconds(lambda: overlap_matrix(store, of="edges"))
    yield at_most(f"{engine}: all pairs of {n} circuits, edges", edges, "s", EDGES_LIMIT[engine])


def _write(engine: str, store: Store, n: int) -> float:
    """Write circuits some at a time, so that memory stays small; returns the seconds of writing alone.

    The embedded engine takes them in one transaction, the server each in its own, for it bounds a transaction's memory.
    """
    seconds = 0.0
    for start in range(0, n, AT_ONCE):
        some = generate(min(AT_ONCE, n - start), n_examples=2, first=start)
        seconds += _seconds(lambda: store.write(some, one_transaction=engine == "embedded"))  # noqa: B023
    return seconds


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
