"""`structure`, `communities` and `families` on the three small circuits."""

from __future__ import annotations

import csv
import io
import json

import pytest

from circuit_atlas.analysis import combine
from circuit_atlas.analysis.structure import edge_flow
from circuit_atlas.cli.structure import Question
from circuit_atlas.cypher import connect
from tests.cli.conftest import Command

pytestmark = pytest.mark.slow


@pytest.mark.slow
@pytest.mark.parametrize("question", Question)
def test_every_question_has_a_table_and_the_same_rows_as_json_and_csv(
    question: Question, atlas_here: Command, store: str
) -> None:
    asked = ("structure", "he/subject", question.value, "--store", store)
    table = atlas_here(*asked)
    assert (table.code, table.err) == (0, "")
    as_json = json.loads(atlas_here(*asked, "--format", "json").out)
    as_csv = list(csv.DictReader(io.StringIO(atlas_here(*asked, "--format", "csv").out)))
    assert len(as_json) == len(as_csv)
    if question is Question.THREADS:
        assert "no threads above the thresholds" in table.out
    else:
        assert as_json
        assert list(as_json[0]) == list(as_csv[0])


def test_the_command_says_what_the_function_says(atlas_here: Command, store: str) -> None:
    said = json.loads(atlas_here("structure", "he/subject", "flow", "--format", "json", "--store", store).out)
    with connect(store, read_only=True) as opened:
        table = edge_flow(opened, "he/subject", limit=10, least_z=2.0)
    assert [row["positive_flow"] for row in said] == table["positive_flow"].tolist()
    assert [row["edge"] for row in said] == table["edge"].tolist()


def test_without_a_question_the_chief_ones_are_answered(atlas_here: Command, store: str) -> None:
    done = atlas_here("structure", "he/subject", "--store", store)
    assert (done.code, done.err) == (0, "")
    for words in ("bottlenecks", "crossings between roles", "chains of two edges", "groups of alike nodes"):
        assert words in done.out
    assert done.out.endswith("all paths (units of the metric): positive 0.6, negative 0.04\n")


def test_least_z_names_what_it_leaves_out(atlas_here: Command, store: str) -> None:
    done = atlas_here("structure", "he/subject", "cuts", "--least-z", "11", "--store", store)
    assert "none through 5 nodes whose effect is less than 11 standard errors from zero" in done.out


def test_a_circuit_without_standard_errors_is_not_shown_as_if_it_were_sure(atlas_here: Command, store: str) -> None:
    with connect(store) as opened:
        rows = combine(opened, "union", "he/subject", "he/object", name="either")
        opened.write([rows])
    said = "nodes however small their effect is, for its standard error is not known"
    for asked in (["structure", "either"], ["structure", "either", "paths"], ["show", "either"]):
        assert f"paths pass 6 {said}" in atlas_here(*asked, "--store", store).out
    for asked in (["structure", "either", "paths", "--least-z", "0"], ["structure", "he/subject", "paths"]):
        assert said not in atlas_here(*asked, "--store", store).out
    with connect(store) as opened:
        opened.delete_circuit(rows.circuit_id)


def test_a_pattern_finds_chains(atlas_here: Command, store: str) -> None:
    done = atlas_here("structure", "he/subject", "motifs", "--pattern", "embed mlp@verb resid", "--store", store)
    assert "embed/1@subject → mlp_0/8@verb → resid_1/3@verb" in done.out
    assert done.out.endswith("\n1 chains fit\n")


def test_the_grouped_graph_becomes_a_circuit(atlas_here: Command, store: str) -> None:
    where = ("--store", store)
    done = atlas_here("structure", "he/subject", "groups", "--store-as", "in groups", *where)
    assert (done.code, done.err) == (0, "")
    assert f"wrote in groups to ladybug:{store}: 5 nodes, 7 edges" in done.out
    assert "circuit-atlas structure 'in groups' paths" in done.out
    shown = atlas_here("show", "in groups", *where)
    assert (shown.code, shown.err) == (0, "")
    for words in ("groups of toy/circuit/he%2Fsubject, directions 0.3333", "n_groups 4", "strongest groups"):
        assert words in shown.out
    assert "embed/1@subject → mlp_0/8@verb → resid_1/3@verb → target" in shown.out
    again = atlas_here("structure", "he/subject", "groups", "--store-as", "in groups", "--format", "json", *where)
    assert json.loads(again.out)
    assert again.err.endswith("5 nodes, 7 edges\n")
    assert atlas_here("check", *where).code == 0
    for command in (("compare", "he/subject", "in groups"), ("structure", "in groups", "groups")):
        refused = atlas_here(*command, *where)
        assert refused.code == 2
        assert "'in groups' is made of groups of features" in refused.err
        assert refused.err.count("\n") == 1
    whole = atlas_here("structure", "in groups", *where)
    assert (whole.code, whole.err) == (0, "")
    assert "bottlenecks" in whole.out
    assert atlas_here("delete", "in groups", "--yes", *where).code == 0


def test_show_cypher_names_each_query_once_as_a_command_that_runs(atlas_here: Command, store: str) -> None:
    done = atlas_here("structure", "he/subject", "bottlenecks", "--show-cypher", "--format", "json", "--store", store)
    assert json.loads(done.out)
    commands = [line for line in done.err.splitlines() if line.startswith("//")]
    assert [line.split()[3] for line in commands] == ["circuit", "edges", "nodes"]
    assert "-p circuit=he/subject -p node_threshold=0.0 -p edge_threshold=0.0" in commands[1]
    assert "MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)" in done.err
    words = commands[1].removeprefix("// circuit-atlas ").split()
    again = json.loads(atlas_here(*words, "--format", "json", "--store", store).out)
    assert [row["weight"] for row in again] == [2.0, -0.9, 0.75, 0.4, 0.3, 0.2, 0.1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("structure", "he/subjekt", "flow"), "did you mean 'he/subject'"),
        (("structure", "he/subject", "--format", "json"), "needs one QUESTION"),
        (("structure", "he/subject", "flow", "--pattern", "any any"), "--pattern goes with the question motifs"),
        (("structure", "he/subject", "motifs", "--pattern", "any neuron"), "'neuron' is no step of a pattern"),
        (("structure", "he/subject", "groups", "--groups", "99"), "can be cut into 4 to 4 groups"),
        (("structure", "he/subject", "threads", "--min-share", "0"), "a share above 0"),
        (("structure", "he/subject", "threads", "--min-cosine", "0.1"), "from 0.3, below which none are stored"),
        (("structure", "he/subject", "flow", "--store-as", "groups"), "--store-as goes with the question groups"),
        (("structure", "he/subject", "groups", "--store-as", "sva"), "another circuit is already named 'sva'"),
        (("communities", "--resolution", "0"), "both above 0"),
        (("communities", "--null", "9"), "a null of links by likeness"),
    ],
)
def test_what_cannot_be_answered_is_one_line(
    words: tuple[str, ...], said: str, atlas_here: Command, store: str
) -> None:
    done = atlas_here(*words, "--store", store)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1


def test_communities_and_families(atlas_here: Command, store: str) -> None:
    found = atlas_here("communities", "--store", store)
    assert (found.code, found.err) == (0, "")
    assert "links: 0 of 3 pairs share more features than their activity makes them share" in found.out
    alike = atlas_here("communities", "--links", "likeness", "--null", "3", "--store", store).out
    for words in ("links: likeness", "modularity", "dealt anew, 3 times"):
        assert words in alike
    mixtures = json.loads(atlas_here("communities", "--mixtures", "--format", "json", "--store", store).out)
    assert {row["circuit"] for row in mixtures} == {"he/object", "he/subject", "sva"}
    families = json.loads(atlas_here("families", "--format", "json", "--show-cypher", "--store", store).out)
    assert [(row["n_circuits"], row["names"]) for row in families] == [(3, ["mlp_0/7"]), (2, ["embed/1"])]
    assert "mlp_0/7" in atlas_here("families", "--store", store).out
