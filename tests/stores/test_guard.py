"""A stranger's Cypher reads and does nothing else, on each engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from circuit_atlas.cypher import Store
from circuit_atlas.cypher.guard import check_statement
from circuit_atlas.errors import QueryError

REFUSED = [
    "CREATE (:Model {id: 'x'})",
    "MATCH (n) SET n.id = 'x'",
    "MATCH (n) DETACH DELETE n",
    "MATCH (n) REMOVE n.id",
    "MERGE (n:Model {id: 'x'}) RETURN n",
    "MATCH (n) WITH collect(n) AS ns FOREACH (n IN ns | SET n.x = 1)",
    "LOAD FROM '/etc/passwd' (header=false) RETURN *",
    "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
    "MATCH (n) LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
    "COPY (MATCH (n) RETURN n.id) TO '/tmp/out.csv'",
    "EXPORT DATABASE '/tmp/out'",
    "IMPORT DATABASE '/tmp/out'",
    "INSTALL httpfs",
    "ATTACH '/tmp/other.db' AS other (dbtype lbug)",
    "CHECKPOINT",
    "BEGIN TRANSACTION",
    "SHOW USERS",
    "SHOW SETTINGS",
    "TERMINATE TRANSACTIONS 'x'",
    "DROP TABLE Circuit",
    "ALTER TABLE Circuit ADD x INT64",
    "USE system MATCH (n) RETURN n",
    "CALL dbms.listConfig() YIELD name RETURN name",
    "CALL threads=8",
    "MATCH (n) CALL { WITH n DELETE n } IN TRANSACTIONS RETURN 1",
    "EXPLAIN MATCH (n) RETURN n",
    "CYPHER runtime=slotted MATCH (n) RETURN n",
    "RETURN 1; RETURN 2",
    "RETURN 1; MATCH (n) DETACH DELETE n",
    "RETURN 1 /* ; */ ; CREATE (:Model)",
    "/* harmless */ cReAtE (:Model)",
    "RETURN 'a' // '\nMATCH (n) DELETE n",
    r"RETURN '\u0027 AS x MATCH (n) DELETE n //'",
    "MATCH (n) ſET n.x = 1",
    "RETURN 'open",
    "RETURN 1 /* open",
    "",
    "  ; ",
    "// only a comment",
]

ALLOWED = [
    "MATCH (c:Circuit) RETURN c.name AS name",
    "MATCH (c:Circuit) WHERE c.name = 'DELETE; CREATE' RETURN c.name AS `set`;",
    'MATCH (n) WHERE n.name CONTAINS "it\'s" RETURN n.id AS id',
    "UNWIND [1, 2] AS x WITH x WHERE x > 1 RETURN x // SET\n",
    "RETURN 'http://example.org' AS address",
    "RETURN 1.5e3 AS x",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_what_does_more_than_read_is_refused(statement: str) -> None:
    with pytest.raises(QueryError) as caught:
        check_statement(statement)
    assert "\n" not in str(caught.value)


def test_what_reads_runs_on_each_engine(store: Store) -> None:
    for statement in ALLOWED:
        store.cypher(statement)


def test_strings_and_comments_are_told_apart_as_the_engines_do(store: Store) -> None:
    answer = store.cypher(
        r"""RETURN 'it\'s // no comment' AS a, "/* nor \" this */" AS b /* but this */, 2 AS `c``d`"""
    )
    assert answer.iloc[0].tolist() == ["it's // no comment", '/* nor " this */', 2]


def test_a_parameter_that_is_not_given_is_named(store: Store) -> None:
    with pytest.raises(QueryError, match=r"\$wanted, which is not given"):
        store.cypher("MATCH (c:Circuit) WHERE c.name = $wanted RETURN c.id AS id", {"other": 1})


def test_no_file_is_written_or_read(store: Store, tmp_path: Path) -> None:
    secret, out = tmp_path / "secret.csv", tmp_path / "out.csv"
    secret.write_text("secret\n", encoding="utf-8")
    for statement in (
        f"LOAD FROM '{secret}' (header=false) RETURN *",
        f"COPY (MATCH (n:Meta) RETURN n.id) TO '{out}'",
        f"LOAD CSV FROM 'file://{secret}' AS line RETURN line",
    ):
        with pytest.raises(QueryError):
            store.cypher(statement)
    assert not out.exists()
