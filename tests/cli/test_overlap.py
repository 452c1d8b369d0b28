"""`overlap`, and `compare` with sizes, sites, curve and null, on the three small circuits."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest

from bench.generator import generate
from circuit_atlas.analysis import compare
from circuit_atlas.cypher import connect
from tests.cli.conftest import Command
from tests.graphs import SUBJECT, SUBJECT_EDGES, circuit


def test_the_matrix_and_the_pairs_are_shown(atlas_here: Command, store: str) -> None:
    done = atlas_here("overlap", "--store", store)
    assert (done.code, done.err) == (0, "")
    assert "pairs: 3" in done.out
    for word in ("he/object", "expected", "p_value", "q_value", "0.4"):
        assert word in done.out
    assert "p_value" not in atlas_here("overlap", "--no-null", "--store", store).out


def test_json_and_csv_have_a_row_a_pair_or_the_matrix(atlas_here: Command, store: str) -> None:
    asked = ("overlap", "--of", "edges", "--measure", "weighted_jaccard", "--draws", "20", "--store", store)
    rows = json.loads(atlas_here(*asked, "--format", "json").out)
    assert (rows[0]["circuit_a"], rows[0]["circuit_b"], rows[0]["n_shared"]) == ("he/object", "he/subject", 1)
    assert len(list(csv.DictReader(io.StringIO(atlas_here(*asked, "--format", "csv").out)))) == 3
    matrix = json.loads(atlas_here(*asked, "--matrix", "--format", "json").out)
    assert {row["circuit"] for row in matrix} == {"he/object", "he/subject", "sva"}
    assert all(row[row["circuit"]] == 1.0 for row in matrix)


def test_a_picture_is_drawn_and_the_queries_shown(atlas_here: Command, store: str, tmp_path: Path) -> None:
    picture = tmp_path / "overlap.svg"
    done = atlas_here("overlap", "--draw", str(picture), "--show-cypher", "--store", store)
    assert done.code == 0
    assert picture.read_bytes().startswith(b"<?xml")
    asked = [line.split()[3] for line in done.err.splitlines() if line.startswith("// circuit-atlas")]
    assert asked == ["comparable", "node_uses", "candidates", "candidates", "candidates"]


def test_compare_says_more_where_it_is_asked(atlas_here: Command, store: str) -> None:
    pair = ("compare", "he/subject", "he/object", "--store", store)
    plain = atlas_here(*pair).out
    for words in (
        "containment_a",
        "rank_correlation",
        "against chance",
        "exact",
        "2000 draws",
        "units shared by both: 3",
    ):
        assert words in plain
    assert "2 features of he/subject are not among those stored as active: left out" in plain
    more = atlas_here(*pair, "--by-site", "--curve", "--size", "2", "--draws", "30", "--show-cypher")
    assert "units of features, by site" in more.out
    assert "features at each size" in more.out
    assert "30 draws" in more.out
    assert "edge_uses" in more.err
    assert "against chance" not in atlas_here(*pair, "--no-null").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("overlap", "--node-threshold", "99"), "no circuit has nodes of features above node_threshold 99"),
        (("overlap", "--draw", "overlap.doc"), "end it with"),
        (("compare", "sva", "he/object", "--node-threshold", "1.2"), "leaves no node of circuit 'sva'"),
        (("compare", "sva", "he/objekt"), "did you mean 'he/object'"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    words: tuple[str, ...], said: str, atlas_here: Command, store: str
) -> None:
    done = atlas_here(*words, "--store", store)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1


@pytest.mark.slow
def test_lists_are_counted_whole_however_many_they_show(atlas_here: Command, tmp_path: Path) -> None:
    """Two circuits of more edges than a list holds unless it is asked for all: counts are those of the figures."""
    url = f"ladybug:{tmp_path / 'large.lbug'}"
    with connect(url) as place:
        place.write(generate(2, n_edges=2_000, n_examples=2), one_transaction=True)
        names = place.query("comparable")["circuit"].tolist()
        found = compare(place, *names)
    out = atlas_here("compare", *names, "--no-null", "--limit", "2", "--store", url).out
    for what, table in (("units", found.nodes), ("edges", found.edges)):
        n_a, n_b, shared = (int(table[name].sum()) for name in ("n_a", "n_b", "n_shared"))
        assert n_a > 400
        counts = {"shared by both": shared, "only in a": n_a - shared, "only in b": n_b - shared}
        for title, count in counts.items():
            assert f"{what} {title}: {count}" + (", the strongest 2" if count > 2 else "") + "\n" in out
    assert found.edges["n_a"].sum() > 1_000


def test_without_a_null_or_features_the_rest_is_said_all_the_same(atlas_here: Command, store: str) -> None:
    """A circuit stored without what was active has a curve without a null; one of errors alone has none."""
    bare = circuit("bare", SUBJECT, SUBJECT_EDGES)
    errors = circuit("errors", [("resid_1", None, 3, 0.75)], [(0, -1, 0.75)])
    with connect(store) as place:
        place.write([dataclasses.replace(bare, nodes={**bare.nodes, "Candidates": []}, relationships={
            pair: rows for pair, rows in bare.relationships.items() if "Candidates" not in (pair.source, pair.target)
        }), errors])  # fmt: skip
    done = atlas_here("compare", "bare", "he/object", "--curve", "--store", store)
    assert (done.code, done.err) == (0, "")
    curve = done.out[done.out.index("features at each size") :]
    columns = "size n_shared jaccard weighted_jaccard same_sign rank_correlation"
    assert curve.splitlines()[1].split() == columns.split()
    assert done.out.count("'bare' was stored without what was active") == 1
    assert "edges only in b" in curve
    done = atlas_here("compare", "errors", "he/object", "--curve", "--store", store)
    assert (done.code, done.err) == (0, "")
    assert "'errors' has no nodes of features" in done.out
    assert "edges only in b" in done.out
