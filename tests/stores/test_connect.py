"""Opening a store: what each URL means, and one line for everything that can be wrong, never with a password."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from neo4j import GraphDatabase
from py2neo import Graph, NodeMatcher

from circuit_atlas.cypher import connect
from circuit_atlas.cypher.neo4j_server import Neo4jServer, free_port
from circuit_atlas.errors import StoreError
from tests.graphs import small_circuits
from tests.stores.processes import ROOT
from tests.stores.versions import look, version

SECRET = "s3cret-word"


def refusal(url: str | None, **options: object) -> str:
    """The one line with which a store refuses to open."""
    with pytest.raises(StoreError) as caught:
        connect(url, **options)  # type: ignore[arg-type]
    line = str(caught.value)
    assert "\n" not in line
    assert SECRET not in line
    return line


def test_a_bare_path_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(str(tmp_path / "deep" / "bare.lbug")) as store:
        store.write(small_circuits()[:1])
    monkeypatch.setenv("CIRCUIT_ATLAS_STORE", f"ladybug:{tmp_path / 'deep' / 'bare.lbug'}")
    with connect() as store:
        assert store.rows("MATCH (c:Circuit) RETURN c.name AS name") == [{"name": "he/subject"}]


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    assert "is a folder" in refusal(str(tmp_path))
    assert "there is no store" in refusal(str(tmp_path / "none.lbug"), create=False)
    (tmp_path / "text").write_text("not a database\n" * 1000, encoding="utf-8")
    assert str(tmp_path / "text") in refusal(str(tmp_path / "text"))
    assert "cannot make the folder" in refusal(str(tmp_path / "text" / "atlas.lbug"))
    assert "/proc" in refusal("/proc/atlas.lbug")


def test_an_empty_file_becomes_a_store_only_where_one_is_made(tmp_path: Path) -> None:
    path = tmp_path / "empty.lbug"
    path.touch()
    for options in ({"create": False}, {"read_only": True}):
        assert f"{path} holds no store yet" in refusal(str(path), **options)
    assert path.read_bytes() == b""
    with connect(str(path)) as store:
        store.write(small_circuits()[:1])
        assert store.rows("MATCH (c:Circuit) RETURN c.name AS name") == [{"name": "he/subject"}]


def test_a_url_that_means_nothing() -> None:
    assert "no kind of store 'mysql'" in refusal(f"mysql://user:{SECRET}@host/db")
    assert "names no host" in refusal("neo4j://")
    assert "malformed" in refusal(f"bolt://user:{SECRET}@host:port")
    assert "only a Neo4j server has databases" in refusal("atlas.lbug", database="other")


def test_no_server_answers() -> None:
    line = refusal(f"bolt://neo4j:{SECRET}@127.0.0.1:{free_port()}")
    assert "no Neo4j answers at bolt://127.0.0.1" in line
    assert "make neo4j" in line


@pytest.mark.slow
def test_a_server_that_refuses(neo4j_server: Neo4jServer, neo4j_url: str) -> None:
    host = neo4j_url.partition("@")[2]
    assert "wrong user or password" in refusal(f"bolt://neo4j:{SECRET}@{host}")
    assert "no database 'missing'" in refusal(neo4j_url, database="missing")
    assert "no database 'missing'" in refusal(f"{neo4j_url}?database=missing")
    assert "there are no circuits" in refusal(neo4j_url, create=False)


@pytest.mark.slow
def test_user_and_password_from_the_environment(
    neo4j_server: Neo4jServer, neo4j_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEO4J_USERNAME", "neo4j")
    monkeypatch.setenv("NEO4J_PASSWORD", neo4j_server.password)
    for url in (neo4j_server.url, neo4j_server.url.replace("bolt", "neo4j")):
        with connect(url, database="neo4j") as store:
            assert store.check() == []
            assert neo4j_server.password not in store.url


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_changes_nothing(tmp_path: Path) -> None:
    url = f"ladybug:{tmp_path / 'atlas.lbug'}"
    with connect(url) as store:
        store.write([version(0)])
    size = (tmp_path / "atlas.lbug").stat().st_size
    code = (
        "from circuit_atlas.cypher import connect\nfrom circuit_atlas.errors import StoreError\n"
        "from tests.stores.versions import version\n"
        f"store = connect({url!r})\n"
        "try:\n    [store.write([version(2 * n + 1, f'circuit {n}')]) for n in range(200)]\n"
        "except StoreError as error:\n    print(error)\n"
    )

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 300_000, size + 300_000))

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=small_disk
    )
    assert done.stdout.count("\n") == 1, done.stdout + done.stderr
    assert "atlas.lbug" in done.stdout
    with connect(url) as store:
        assert look(store) == 0
        assert store.check() == []


@pytest.mark.slow
def test_other_tools_open_the_same_graph(neo4j_server: Neo4jServer, neo4j_url: str) -> None:
    with connect(neo4j_url) as store:
        store.write(small_circuits())
    with GraphDatabase.driver(neo4j_server.url, auth=("neo4j", neo4j_server.password)) as driver:
        records = driver.execute_query("MATCH (c:Circuit) RETURN c.name AS name ORDER BY name").records
    graph = Graph(neo4j_server.url, auth=("neo4j", neo4j_server.password))
    assert [record["name"] for record in records] == ["he/object", "he/subject", "sva"]
    assert graph.run("MATCH (:CircuitNode)-[e:EDGE]->() RETURN count(e)").evaluate() == 16
    assert NodeMatcher(graph).match("Circuit", name="sva").first()["n_nodes"] == 3
