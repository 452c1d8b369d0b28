"""`exactness` on a small circuit: the chief tables, each by itself, a picture, the queries, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from circuit_atlas.analysis.exactness import exactness
from circuit_atlas.cli.exactness import By
from circuit_atlas.cypher import connect
from tests.cli.conftest import Command

pytestmark = pytest.mark.slow


def test_the_chief_tables(atlas_here: Command, store: str) -> None:
    done = atlas_here("exactness", "he/subject", "--store", store)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("\nhe/subject: 5 edges measured by intervention\n")
    for words in ("a sample of the others", "by kind of the ends", "by decile", "the largest differences"):
        assert words in done.out


@pytest.mark.parametrize("by", By)
def test_each_table_as_json(by: By, atlas_here: Command, store: str) -> None:
    asked = ("exactness", "he/subject", "--of", "nodes", "--by", by.value, "--format", "json", "--store", store)
    done = atlas_here(*asked)
    rows = json.loads(done.out)
    if by is By.WORST:
        assert [row["name"] for row in rows] == [
            "resid_1/3@verb",
            "mlp_0/7@subject",
            "embed/1@subject",
            "mlp_0/8@verb",
        ]
    else:
        assert sum(row["n"] for row in rows) == 4
        with connect(store, read_only=True) as opened:
            table = exactness(opened, "he/subject", "nodes", by.value)
        assert [row["slope"] for row in rows] == table["slope"].tolist() == pytest.approx([1.25] * len(rows))


def test_picture_and_queries(atlas_here: Command, store: str, tmp_path: Path) -> None:
    picture = tmp_path / "scatter.svg"
    done = atlas_here(
        "exactness", "he/subject", "he/object", "--by", "all", "--draw", str(picture), "--show-cypher", "--store", store
    )
    assert done.code == 0
    assert picture.read_text().startswith("<?xml")
    assert all(f"{name}: Spearman" in picture.read_text() for name in ("he/subject", "he/object"))
    assert [line.split()[0] for line in done.out.splitlines()] == ["circuit", "he/subject", "he/object"]
    assert "circuit-atlas query measured_edges -p circuit=he/subject" in done.err
    assert "circuit-atlas query example_items -p circuit=he/subject" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("he/subjekt",), "did you mean 'he/subject'"),
        (("he/subject", "--format", "csv"), "needs one --by"),
        (("he/subject", "--draw", "scatter.txt"), "end it with .png"),
    ],
)
def test_what_cannot_be_answered_is_one_line(
    words: tuple[str, ...], said: str, atlas_here: Command, store: str
) -> None:
    done = atlas_here("exactness", *words, "--store", store)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
