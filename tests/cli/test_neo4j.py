"""The command line against a real Neo4j: what works, and what users get wrong."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import textwrap
from urllib.parse import urlsplit, urlunsplit

import pytest

from circuit_atlas.cypher.neo4j_server import Neo4jServer
from tests.cli.conftest import Command, Outcome
from tests.cli.test_bad_input import assert_refused

pytestmark = pytest.mark.slow  # a server is started and asked through new processes


@pytest.fixture
def nobody() -> str:
    """URL of a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"bolt://neo4j:secret-word@127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.slow
def test_circuits_go_to_neo4j_and_back(atlas_here: Command, store: str, neo4j_url: str, tmp_path: object) -> None:
    back = f"{tmp_path}/back.lbug"
    assert atlas_here("copy", store, neo4j_url).code == 0
    assert atlas_here("copy", neo4j_url, back).code == 0
    for command in (
        ["circuits", "--format", "json"],
        ["show", "he/subject"],
        ["compare", "he/subject", "he/object"],
        ["query", "overlap_all_edges"],
    ):
        asked = [atlas_here(*command, "--store", url) for url in (store, neo4j_url, back)]
        assert {done.code for done in asked} == {0}
        # What to type next names the store.
        said = [done.out.partition("\nnext:")[0] for done in asked]
        assert said[0] == said[1] == said[2]
    assert atlas_here("check", "--store", neo4j_url).code == 0


def test_neo4j_down(atlas: Command, nobody: str) -> None:
    for address in (nobody, nobody.replace("bolt://", "neo4j://")):
        done = atlas("circuits", "--store", address)
        assert_refused(done, "127.0.0.1", "make neo4j")
        assert "secret-word" not in done.err


def test_wrong_password(atlas: Command, neo4j_server: Neo4jServer) -> None:
    address = urlsplit(neo4j_server.url)
    wrong = urlunsplit(address._replace(netloc=f"neo4j:not-it@{address.hostname}:{address.port}"))
    done = atlas("circuits", "--store", wrong)
    assert_refused(done, "password")
    assert "not-it" not in done.err


def test_no_password(atlas: Command, neo4j_server: Neo4jServer) -> None:
    assert_refused(atlas("circuits", "--store", neo4j_server.url), "NEO4J_PASSWORD")


def test_unknown_database(atlas: Command, neo4j_url: str) -> None:
    assert_refused(atlas("circuits", "--store", neo4j_url, "--database", "nowhere"), "nowhere")


def test_cypher_syntax_error(atlas_here: Command, store: str, neo4j_url: str) -> None:
    assert atlas_here("copy", store, neo4j_url).code == 0
    assert_refused(atlas_here("query", "MATCH (c:Circuit RETURN c.name", "--store", neo4j_url), "Invalid input")


STATEMENTS = {
    "DELETE": "MATCH (c:Circuit) DELETE c",
    "SHOW": "SHOW USERS",
    "LOAD": "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
}


@pytest.mark.parametrize(("culprit", "statement"), STATEMENTS.items(), ids=STATEMENTS.keys())
def test_more_than_reading_is_refused(
    culprit: str, statement: str, atlas_here: Command, store: str, neo4j_url: str
) -> None:
    assert atlas_here("copy", store, neo4j_url).code == 0
    assert_refused(atlas_here("query", statement, "--store", neo4j_url), culprit)
    listed = atlas_here("circuits", "--store", neo4j_url, "--format", "json")
    assert len(json.loads(listed.out)) == 3


def test_the_drivers_notifications_stay_off_the_terminal(atlas: Command, store: str, neo4j_url: str) -> None:
    assert atlas("copy", store, neo4j_url).err == ""
    assert atlas("query", "hubs", "--store", neo4j_url).err == ""


DRIVER = """
    import sys
    from neo4j import GraphDatabase
    with GraphDatabase.driver(sys.argv[1], auth=("neo4j", sys.argv[2])) as driver:
        records, _, _ = driver.execute_query("MATCH (c:Circuit) RETURN c.name AS name ORDER BY name")
        print(*[record["name"] for record in records])
"""
PY2NEO = """
    import sys
    from py2neo import Graph
    graph = Graph(sys.argv[1], auth=("neo4j", sys.argv[2]))
    print(*[record["name"] for record in graph.run("MATCH (c:Circuit) RETURN c.name AS name ORDER BY name")])
"""


@pytest.mark.parametrize("script", [DRIVER, PY2NEO], ids=["official driver", "py2neo"])
def test_other_clients_open_the_same_graph(
    script: str, atlas_here: Command, store: str, neo4j_url: str, neo4j_server: Neo4jServer
) -> None:
    assert atlas_here("copy", store, neo4j_url).code == 0
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script), neo4j_server.url, neo4j_server.password],
        capture_output=True,
        text=True,
        check=False,
    )
    assert Outcome(done.returncode, done.stdout, done.stderr) == (0, "he/object he/subject sva\n", "")
