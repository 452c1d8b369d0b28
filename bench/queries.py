"""Every library query, warm and cold, on a graph of 100 circuits and a million edges, on both engines."""

from __future__ import annotations

import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.figure import Figure, at_most
from bench.generator import generate
from circuit_atlas.cypher import Store, connect
from circuit_atlas.cypher.library import Query, load_library
from circuit_atlas.cypher.neo4j_server import Neo4jServer

LIMITS = {"ladybug": 0.2, "neo4j": 0.5}
"""Seconds that any query may take, warm."""

ALL_PAIRS = {"overlap_all_nodes": {"ladybug": 1.0, "neo4j": 3.0}, "overlap_all_edges": {"ladybug": 5.0, "neo4j": 15.0}}
"""Seconds that an overlap of all pairs may take, warm."""

COLD = 0.2
"""Seconds more that opening the store and asking first may take."""

REPEATS = 5


def run(quick: bool) -> list[Figure]:
    """Write the graph to each engine and ask every query there."""
    n_circuits = 5 if quick else 100
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="circuit-atlas-bench-") as folder:
        for engine, url in _engines(Path(folder)):
            with connect(url) as store:
                store.write(generate(n_circuits), one_transaction=engine == "ladybug")
                figures += [_warm(store, engine, query) for query in load_library().values()]
            figures.append(_cold(url, engine))
    return figures


def _engines(folder: Path) -> Iterator[tuple[str, str]]:
    yield "ladybug", f"ladybug:{folder / 'atlas.lbug'}"
    with Neo4jServer(folder / "neo4j", secrets.token_urlsafe(12)) as server:
        yield "neo4j", server.url_with_password


def _warm(store: Store, engine: str, query: Query) -> Figure:
    """The median of some runs, after two that warm caches and plans."""
    params = _params(store, query)
    for _ in range(2):
        store.query(query.name, **params)
    seconds = statistics.median(_timed(lambda: store.query(query.name, **params)) for _ in range(REPEATS))
    limit = ALL_PAIRS.get(query.name, LIMITS)[engine]
    return at_most(f"{query.name}, {engine}, warm", seconds, "s", limit)


def _cold(url: str, engine: str) -> Figure:
    """Open the store anew and ask for the largest answer about one circuit."""

    def ask() -> None:
        with connect(url) as store:
            store.query("subgraph", circuit="bench/task0~0")

    return at_most(f"subgraph, {engine}, cold", _timed(ask), "s", LIMITS[engine] + COLD)


def _params(store: Store, query: Query) -> dict[str, Any]:
    names = store.query("circuits")["name"].tolist()
    feature = store.query("strongest_features", circuit=names[0], limit=1)["feature"].iloc[0]
    unit = "/".join(feature.split("/")[-3:])
    samples = {"circuit": names[0], "other": names[1], "circuit_a": names[0], "circuit_b": names[1]}
    samples |= {"feature": feature, "unit": unit, "node": unit}
    return {param.name: samples[param.name] for param in query.params if param.required}


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
