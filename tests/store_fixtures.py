"""Fixtures that several suites share: a real Neo4j, and one store on each engine."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from neo4j import GraphDatabase

from circuit_atlas.cypher import CircuitRows, Store, connect
from circuit_atlas.cypher.neo4j_server import Neo4jServer

ENGINES = ("ladybug", pytest.param("neo4j", marks=pytest.mark.slow))
"""Both engines, as parameters; a server takes seconds to start, and each of its commits syncs a disk."""

Connect = Callable[[], Store]
"""Opens the same store once more, as another process would."""


@pytest.fixture(scope="session")
def neo4j_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neo4jServer]:
    """A real server in a temporary folder on a free port; it stops with the session."""
    with Neo4jServer(tmp_path_factory.mktemp("neo4j"), secrets.token_urlsafe(12)) as server:
        yield server


def empty(server: Neo4jServer) -> None:
    """Take everything out of a server, constraints too."""
    with GraphDatabase.driver(server.url, auth=("neo4j", server.password)) as driver:
        driver.execute_query("MATCH (n) DETACH DELETE n")
        for record in driver.execute_query("SHOW CONSTRAINTS YIELD name").records:
            driver.execute_query(f"DROP CONSTRAINT {record['name']}")


@pytest.fixture
def ladybug_url(tmp_path: Path) -> str:
    """URL of an embedded store that does not exist yet."""
    return f"ladybug:{tmp_path / 'atlas.lbug'}"


@pytest.fixture
def neo4j_url(neo4j_server: Neo4jServer) -> str:
    """URL, password included, of an empty server."""
    empty(neo4j_server)
    return neo4j_server.url_with_password


class Filled(Mapping[str, Store]):
    """One store on each engine with the same circuits, opened and written when it is first asked for."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path, circuits: Sequence[CircuitRows]) -> None:
        self._request, self._folder, self._circuits = request, folder, circuits
        self._open: dict[str, Store] = {}

    def __getitem__(self, engine: str) -> Store:
        if engine not in self._open:
            store = self._open[engine] = connect(self._url(engine))
            store.write(self._circuits)
        return self._open[engine]

    def _url(self, engine: str) -> str:
        if engine == "ladybug":
            return f"ladybug:{self._folder / 'atlas.lbug'}"
        server: Neo4jServer = self._request.getfixturevalue("neo4j_server")
        empty(server)
        return server.url_with_password

    def __iter__(self) -> Iterator[str]:
        return iter(("ladybug", "neo4j"))

    def __len__(self) -> int:
        return 2

    def close(self) -> None:
        for store in self._open.values():
            store.close()


@pytest.fixture(params=ENGINES)
def store_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty store, once for each engine."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store, once for each engine."""
    with connect(store_url) as opened:
        yield opened


@pytest.fixture
def both_stores(ladybug_url: str, neo4j_url: str) -> Iterator[tuple[Store, Store]]:
    """An empty store on each engine, side by side."""
    with connect(ladybug_url) as embedded, connect(neo4j_url) as server:
        yield embedded, server
