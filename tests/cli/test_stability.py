"""`stability` on the small circuits: the chief rows, each table, writing, and what is refused."""

from __future__ import annotations

import json

import pytest

from circuit_atlas.cypher import connect
from tests.cli.conftest import Command

pytestmark = pytest.mark.slow


def test_the_chief_rows(atlas_here: Command, store: str) -> None:
    done = atlas_here("stability", "he/subject", "--store", store)
    assert (done.code, done.err) == (0, "")
    # Two examples with 0.5 and 1.5 times the mean: the weakest node has 0.125 where the first is drawn twice.
    for words in ("circuit     node_threshold", "nodes\nstanding    n\ncore        5", "core\nnode "):
        assert words in done.out


@pytest.mark.parametrize(("table", "count"), [("nodes", 5), ("edges", 7), ("views", 2)])
def test_each_table_as_json(table: str, count: int, atlas_here: Command, store: str) -> None:
    asked = ("stability", "he/subject", "--size", "2", "--size", "5", "--table", table, "--format", "json")
    rows = json.loads(atlas_here(*asked, "--store", store).out)
    assert len(rows) == count


def test_write_makes_properties_to_query_by(atlas_here: Command, store: str) -> None:
    done = atlas_here("stability", "he/subject", "--write", "--show-cypher", "--store", store)
    assert done.code == 0
    assert "wrote stability and standing of 1 circuits" in done.err
    for query in ("circuit", "example_items", "node_values", "edge_values"):
        assert f"circuit-atlas query {query} -p circuit=he/subject" in done.err
    with connect(store, read_only=True) as opened:
        rows = opened.rows("MATCH (n:CircuitNode) WHERE n.standing = 'core' AND n.stability > 0.99 RETURN n.id AS id")
    assert len(rows) == 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("he/subjekt",), "did you mean 'he/subject'"),
        (("he/subject", "he/object"), "differ in task"),
        (("he/subject", "--threshold", "0.01"), "below 0.1, the floor"),
        (("he/subject", "--threshold", "0.2", "--size", "2"), "give one of them"),
        (("he/subject", "--stable-share", "2"), "at most 1"),
        (("he/subject", "--format", "csv"), "needs one --table"),
    ],
)
def test_what_cannot_be_answered_is_one_line(
    words: tuple[str, ...], said: str, atlas_here: Command, store: str
) -> None:
    done = atlas_here("stability", *words, "--store", store)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
