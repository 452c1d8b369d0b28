"""Stores on 100 circuits with a million edges: writes, every query of the library, kills, and the command line's start.

`--quick` takes a tenth of the circuits and of the kills; its figures say only that everything runs.
"""

from __future__ import annotations

import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.figure import Figure, at_least, at_most
from bench.generator import generate
from bench.kills import survived
from circuit_atlas.cypher import CircuitRows, Store, connect
from circuit_atlas.cypher.library import load_library
from circuit_atlas.cypher.neo4j_server import Neo4jServer


class Limits(NamedTuple):
    """Seconds that an engine may take."""

    query: float
    all_nodes: float
    all_edges: float


LIMITS = {"embedded": Limits(0.2, 1.0, 5.0), "Neo4j": Limits(0.5, 3.0, 15.0)}
COLD = 0.2
"""Seconds that the first time of a query may take longer."""

WARM = 3
"""Times a query is asked warm; the median counts."""


def run(quick: bool) -> list[Figure]:
    """Measure everything on both engines."""
    circuits = generate(10 if quick else 100)
    moments = 5 if quick else 50
    with tempfile.TemporaryDirectory() as folder:
        return [*_embedded(Path(folder), circuits, moments), *_server(Path(folder), circuits, moments)]


def _embedded(folder: Path, circuits: Sequence[CircuitRows], moments: int) -> Iterator[Figure]:
    url = f"ladybug:{folder / 'bench.lbug'}"
    with connect(url) as store:
        batched = _seconds(lambda: store.write(circuits, one_transaction=True))
        yield at_most(f"embedded: {len(circuits)} circuits, one batched call", batched, "s", 15.0)
    with connect(url) as store:
        yield from _queries("embedded", store, circuits)
    yield at_most("circuit-atlas circuits, cold start", _cold_start(url), "s", 1.5)
    with connect(f"ladybug:{folder / 'singly.lbug'}") as store:
        singly = [_seconds(lambda one=one: store.write([one])) for one in circuits]  # type: ignore[misc]
        yield at_most("embedded: a circuit singly, median", statistics.median(singly), "s", 0.6)
        replaced = [_seconds(lambda one=one: store.write([one])) for one in circuits[:10]]  # type: ignore[misc]
        yield at_most("embedded: replace a circuit, median", statistics.median(replaced), "s", 0.6)
        deleted = [_seconds(lambda one=one: store.delete_circuit(one.circuit_id)) for one in circuits[:10]]  # type: ignore[misc]
        yield at_most("embedded: delete a circuit, median", statistics.median(deleted), "s", 0.6)
    kept = survived(f"ladybug:{folder / 'killed.lbug'}", moments)
    yield at_least(f"embedded: whole or absent after {moments} kills", kept, "", moments)


def _server(folder: Path, circuits: Sequence[CircuitRows], moments: int) -> Iterator[Figure]:
    with Neo4jServer(folder / "neo4j", secrets.token_urlsafe(12)) as server:
        with connect(server.url_with_password) as store:
            yield at_most(f"Neo4j: {len(circuits)} circuits", _seconds(lambda: store.write(circuits)), "s", 25.0)
            yield from _queries("Neo4j", store, circuits)
            replaced = [_seconds(lambda one=one: store.write([one])) for one in circuits[:10]]  # type: ignore[misc]
            yield at_most("Neo4j: replace a circuit, median", statistics.median(replaced), "s", 0.6)
        kept = survived(server.url_with_password, moments, server)
        yield at_least(f"Neo4j: whole or absent after {moments} kills", kept, "", moments)


def _queries(engine: str, store: Store, circuits: Sequence[CircuitRows]) -> Iterator[Figure]:
    limits = LIMITS[engine]
    for name in load_library():
        params = _params(name, circuits)
        cold = _seconds(lambda: store.query(name, **params))  # noqa: B023
        warm = statistics.median(_seconds(lambda: store.query(name, **params)) for _ in range(WARM))  # noqa: B023
        limit = {
            "overlap_all_nodes": limits.all_nodes,
            "overlap_all_edges": limits.all_edges,
            "feature_uses": limits.all_nodes,  # every feature of every circuit
        }.get(name, limits.query)
        yield at_most(f"{engine}: {name}, warm", warm, "s", limit)
        yield at_most(f"{engine}: {name}, cold", cold, "s", limit + COLD)


def _params(name: str, circuits: Sequence[CircuitRows]) -> dict[str, Any]:
    """Values for the parameters that have no default, or an empty one: circuits by name, units by key."""
    first, second = (_name(circuit) for circuit in circuits[:2])
    features = [row["id"] for row in circuits[0].nodes["Feature"]]
    unit = str(circuits[0].nodes["CircuitNode"][len(features) // 2]["id"])
    known: Mapping[str, Any] = {
        "circuit": first, "circuit_a": first, "other": second, "circuit_b": second,
        "node": unit, "unit": unit, "feature": features[0], "from_name": first, "to_name": first,
    }  # fmt: skip
    return {p.name: known[p.name] for p in load_library()[name].params if not p.default and p.name in known}


def _name(circuit: CircuitRows) -> str:
    return str(circuit.nodes["Circuit"][0]["name"])


def _cold_start(url: str) -> float:
    command = [str(Path(sys.executable).with_name("circuit-atlas")), "circuits", "--store", url]
    return statistics.median(
        _seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(WARM)
    )


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
