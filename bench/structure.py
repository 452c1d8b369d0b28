"""Strongest paths from the embedding to the target, on a circuit of 500 nodes and 10 thousand edges of a 6-layer model.

`--quick` takes the same circuit and asks the embedded engine alone.
"""

from __future__ import annotations

import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, at_least, at_most
from bench.generator import N_LAYERS, generate
from circuit_atlas.analysis import strongest_paths
from circuit_atlas.cypher import CircuitRows, Store, connect
from circuit_atlas.cypher.neo4j_server import Neo4jServer

PATHS = 100
LIMIT = 0.3
"""Seconds that the strongest paths may take, asked of the store: query, graph and search together."""

WARM_UP, TIMES = 12, 9
"""Times it is asked so that a server has compiled what it runs, and times that count, by their median."""


def run(quick: bool) -> list[Figure]:
    """Measure on both engines."""
    (circuit,) = generate(1)
    with tempfile.TemporaryDirectory() as folder:
        with connect(f"ladybug:{Path(folder) / 'bench.lbug'}") as store:
            figures = list(_paths("embedded", store, circuit))
        if not quick:
            server = Neo4jServer(Path(folder) / "neo4j", secrets.token_urlsafe(12))
            with server, connect(server.url_with_password) as store:
                figures += _paths("Neo4j", store, circuit)
    return figures


def _paths(engine: str, store: Store, circuit: CircuitRows) -> Iterator[Figure]:
    store.write([circuit])
    name = str(circuit.nodes["Circuit"][0]["name"])
    seconds = []
    for _ in range(WARM_UP + TIMES):
        begun = time.perf_counter()
        table = strongest_paths(store, name, k=PATHS)
        seconds.append(time.perf_counter() - begun)
    yield at_least(f"{engine}: paths found", len(table), "", PATHS)
    yield at_least(f"{engine}: edges of the longest", float(table["n_edges"].max()), "", N_LAYERS + 1)
    yield at_most(f"{engine}: {PATHS} strongest paths, warm", statistics.median(seconds[WARM_UP:]), "s", LIMIT)
