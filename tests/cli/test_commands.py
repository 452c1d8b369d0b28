"""Every command on a store of three small circuits, in a process of its own."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from circuit_atlas.analysis.algebra import combine
from circuit_atlas.cypher import connect
from tests.cli.conftest import Command
from tests.graphs import small_circuits

pytestmark = pytest.mark.slow


def test_circuits_lists_names_sizes_and_faithfulness(atlas: Command, store: str) -> None:
    done = atlas("circuits", "--store", store)
    assert done.code == 0
    assert done.err == ""
    lines = done.out.splitlines()
    assert lines[0].split()[:2] == ["name", "task"]
    assert [line.split()[0] for line in lines[1:]] == ["he/object", "he/subject", "sva"]
    assert all(line.split()[-1] == "0.75" for line in lines[1:])


def test_the_store_may_stand_before_the_command_after_it_or_in_the_environment(atlas: Command, store: str) -> None:
    after = atlas("circuits", "--store", store)
    assert after.code == 0
    assert atlas("--store", store, "circuits") == after
    assert atlas("circuits", CIRCUIT_ATLAS_STORE=store) == after


def test_every_format_gives_the_same_rows(atlas: Command, store: str, tmp_path: Path) -> None:
    asked = ("query", "nodes", "-p", "circuit=he/subject", "--store", store)
    as_json = json.loads(atlas(*asked, "--format", "json").out)
    as_csv = list(csv.DictReader(io.StringIO(atlas(*asked, "--format", "csv").out)))
    assert atlas(*asked, "--output", "nodes.parquet").code == 0
    as_parquet = pq.read_table(tmp_path / "nodes.parquet").to_pylist()
    assert as_parquet == as_json
    assert [row["id"] for row in as_csv] == [row["id"] for row in as_json]
    assert [json.loads(row["top_tokens"] or "null") for row in as_csv] == [row["top_tokens"] for row in as_json]
    assert [float(row["effect"]) for row in as_csv] == [2.0, -1.0, 0.75, 0.5, 0.25, 0.0]


def test_cypher_as_it_is_typed_and_from_a_file(atlas: Command, store: str, tmp_path: Path) -> None:
    text = "MATCH (n:CircuitNode) WHERE n.effect > $least RETURN n.id AS id, n.effect AS effect ORDER BY id"
    typed = atlas("query", text, "-p", "least=0.9", "--format", "json", "--store", store)
    assert [row["effect"] for row in json.loads(typed.out)] == [1.5, 1.0, 2.0, 1.0]
    (tmp_path / "strong.cypher").write_text(text)
    assert atlas("query", "strong.cypher", "-p", "least=0.9", "--format", "json", "--store", store) == typed


def test_a_cut_answer_says_so(atlas: Command, store: str) -> None:
    done = atlas("query", "MATCH (n:CircuitNode) RETURN n.id AS id ORDER BY id", "--row-limit", "3", "--store", store)
    assert len(done.out.splitlines()) == 1 + 3
    assert done.err == "only the first 3 rows; more with --row-limit\n"


def test_query_lists_the_library_and_explains_without_a_store(atlas: Command) -> None:
    listed = atlas("query")
    assert listed.code == 0
    assert "strongest_features(circuit, " in listed.out
    explained = atlas("query", "nodes", "--explain")
    assert "node_threshold: float, default 0.0" in explained.out
    assert "MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)" in explained.out


def test_show_has_settings_faithfulness_features_and_paths(atlas: Command, store: str) -> None:
    done = atlas("show", "he/subject", "--store", store)
    assert done.err == ""
    assert done.code == 0
    assert "metric_sign:" in done.out
    assert "mlp_0/7" in done.out
    assert "mlp_0-token-7" in done.out
    assert "0.36  embed/1@subject → mlp_0/7@subject → resid_1/3@verb → target" in done.out


def test_what_to_type_next_names_the_store_that_was_given(atlas: Command, store: str) -> None:
    given = atlas("show", "sva", "--store", store).out
    assert given.endswith(f"circuit-atlas dashboard --store ladybug:{store}\n")
    assert atlas("show", "sva", CIRCUIT_ATLAS_STORE=store).out.endswith("circuit-atlas dashboard\n")


def test_compare_says_what_is_shared_and_what_each_has_alone(atlas: Command, store: str) -> None:
    done = atlas("compare", "he/subject", "he/object", "--store", store)
    assert (done.code, done.err) == (0, "")
    for unit in ("embed/1", "mlp_0/7", "mlp_0/8", "resid_1/3", "resid_1/4"):
        assert unit in done.out


@pytest.mark.slow
def test_copy_delete_and_check(atlas: Command, store: str) -> None:
    assert atlas("copy", store, "other.lbug", "--circuit", "sva", "--circuit", "he/subject").code == 0
    assert _names(atlas, "other.lbug") == ["he/subject", "sva"]
    assert atlas("copy", store, "other.lbug").code == 0
    assert _names(atlas, "other.lbug") == ["he/object", "he/subject", "sva"]
    assert atlas("delete", "sva", "--yes", "--store", "other.lbug").out == "deleted sva\n"
    assert _names(atlas, "other.lbug") == ["he/object", "he/subject"]
    assert atlas("check", "--store", "other.lbug").code == 0


def _names(atlas: Command, store: str) -> list[str]:
    return [row["name"] for row in json.loads(atlas("circuits", "--store", store, "--format", "json").out)]


def test_show_says_where_a_circuit_was_measured_instead(atlas_here: Command, store: str) -> None:
    with connect(store) as place:
        rows = combine(place, "union", "he/subject", "he/object", name="either")
        place.write([rows])
    assert "\n  not measured\n" in atlas_here("show", "either", "--store", store).out
    with connect(store) as place:
        (circuit,) = [c for c in small_circuits() if c.nodes["Circuit"][0]["name"] == "he/object"]
        measured = {**circuit.nodes["Measurement"][0], "id": "elsewhere"}
        place.add_measurements(rows.circuit_id, circuit.nodes["Task"][0], [measured])
    said = "not measured on its own task; measured on he/object: circuit-atlas curve either --ablation all"
    assert said in atlas_here("show", "either", "--store", store).out
