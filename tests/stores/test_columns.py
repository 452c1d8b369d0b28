"""Columns of few and of many rows are those of the rows, on both engines."""

from __future__ import annotations

import pytest

from circuit_atlas.cypher import Store

NUMBERS = """
UNWIND range(1, {n}) AS i
RETURN i AS whole, 0.5 * i AS half, 'token ' AS text, i % 2 = 0 AS even, CASE WHEN i % 3 = 0 THEN i END AS third,
       CASE WHEN i % 3 = 0 THEN 'x' END AS word
ORDER BY whole
"""


@pytest.mark.parametrize("n", [0, 3, 3000])
def test_columns_are_those_of_the_rows(n: int, store: Store) -> None:
    cypher = NUMBERS.format(n=n)
    rows, columns = store.rows(cypher), store.columns(cypher)
    assert list(columns) == ["whole", "half", "text", "even", "third", "word"]
    for name, values in columns.items():
        assert list(values) == [row[name] for row in rows]


def test_lists_and_nodes_come_as_they_do_in_rows(store: Store) -> None:
    cypher = "UNWIND range(1, 2500) AS i RETURN i AS i, [i, i] AS pair ORDER BY i"
    assert list(store.columns(cypher)["pair"]) == [row["pair"] for row in store.rows(cypher)]
    meta = "MATCH (m:Meta) RETURN m AS m"
    assert list(store.columns(meta)["m"]) == [row["m"] for row in store.rows(meta)]
