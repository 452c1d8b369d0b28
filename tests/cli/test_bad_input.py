"""What users get wrong with commands, settings, queries and embedded stores: one line, code 2, the culprit named."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from circuit_atlas.cypher import connect
from tests.cli.conftest import Command, Outcome
from tests.graphs import small_circuits

CIRCUITS = "MATCH (c:Circuit) RETURN c.name AS name ORDER BY name"


def assert_refused(done: Outcome, *culprits: str) -> None:
    """Demand one line on standard error that names the culprits, exit code 2 and no traceback."""
    assert "Traceback" not in done.err
    assert len(done.err.splitlines()) == 1, done.err
    assert done.err.startswith("circuit-atlas: ")
    for culprit in culprits:
        assert culprit in done.err
    assert done.code == 2


COMMAND_LINES: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "unknown command": (["circuts"], ("circuts", "circuits")),
    "unknown option": (["circuits", "--stroe", "x"], ("--stroe", "circuit-atlas circuits --help")),
    "missing argument": (["show"], ("CIRCUIT",)),
    "unknown format": (["circuits", "--format", "xml"], ("--format", "table")),
    "unknown query": (["query", "nodse"], ("nodse", "nodes")),
    "missing parameter": (["query", "nodes"], ("'circuit'",)),
    "unknown parameter": (["query", "nodes", "-p", "circiut=sva"], ("circiut", "circuit")),
    "ill-typed parameter": (
        ["query", "nodes", "-p", "circuit=sva", "-p", "node_threshold=high"],
        ("node_threshold", "high", "float"),
    ),
    "parameter without value": (["query", "nodes", "-p", "circuit"], ("'circuit'", "NAME=VALUE")),
    "missing query file": (["query", "missing.cypher"], ("missing.cypher",)),
    "explain of typed Cypher": (["query", CIRCUITS, "--explain"], ("--explain",)),
    "parquet without file": (["circuits", "--format", "parquet"], ("--output",)),
    "unknown circuit": (["show", "he/subjct"], ("he/subjct", "he/subject")),
    "ambiguous circuit": (["show", "he/"], ("he/object", "he/subject")),
    "compare with unknown circuit": (["compare", "sva", "sav"], ("sav", "sva")),
    "Cypher syntax error": (["query", "MATCH (c:Circuit RETURN c"], ("Parser exception",)),
    "unknown label": (["query", "MATCH (c:Circus) RETURN c.name"], ("Circus",)),
    "unbound parameter": (["query", "MATCH (c:Circuit) WHERE c.name = $who RETURN c.name"], ("who",)),
    "write through query": (["query", "MATCH (c:Circuit) DELETE c"], ("DELETE",)),
    "file read through query": (["query", "LOAD FROM '/etc/passwd' RETURN *"], ("LOAD",)),
    "delete unasked": (["delete", "sva"], ("--yes",)),
    "delete of unknown circuit": (["delete", "svaa", "--yes"], ("svaa", "sva")),
    "output into a missing folder": (["circuits", "--output", "no/such/folder/c.csv"], ("no/such/folder/c.csv",)),
    "unknown kind of store": (["circuits", "--store", "mysql://localhost"], ("mysql",)),
    "no store there": (["circuits", "--store", "nowhere.lbug"], ("nowhere.lbug",)),
    "dashboard of no store": (["dashboard", "--store", "nowhere.lbug"], ("nowhere.lbug",)),
    "dashboard on an impossible port": (["dashboard", "--port", "99999"], ("--port", "65535")),
    "store is a folder": (["circuits", "--store", "."], (".",)),
    "copy with --store": (["copy", "a.lbug", "b.lbug"], ("FROM", "TO")),
    "settings file missing": (["discover", "--settings", "none.toml"], ("none.toml",)),
    "no model named": (["discover", "--examples", "e.jsonl", "--dictionaries", "d"], ("model",)),
    "setting out of range": (
        ["discover", "--model", "m", "--dictionaries", "d", "--examples", "e", "--steps", "0"],
        ("steps", "0"),
    ),
    "ill-typed setting": (["discover", "--steps", "ten"], ("--steps",)),
    "unknown choice": (["discover", "--method", "magic"], ("--method", "atp")),
    "means over nothing": (
        ["measure", "sva", "--means-over", "none"],
        ("means_over", "'none'", "clean+patch, clean, patch"),
    ),
    "no node above a threshold": (
        ["structure", "sva", "bottlenecks", "--node-threshold", "1e9"],
        ("1e+09 leaves no node of circuit 'sva'", "an effect of 1:"),
    ),
    "no edge above a threshold": (
        ["structure", "sva", "flow", "--edge-threshold", "1e308"],
        ("1e+308 leaves no edge of circuit 'sva'", "a weight of 0.5:"),
    ),
    "no feature of families": (["families", "--node-threshold", "1e9"], ("1e+09", "leaves no feature")),
    "a circuit with itself": (["combine", "sva", "sva"], ("'sva'", "name two different circuits")),
    "what a circuit shares with itself": (["sharing", "sva", "sva"], ("'sva'", "name two different circuits")),
    "two ways to say the sizes": (
        ["measure", "sva", "--threshold", "0.1", "--sizes", "8"],
        ("--threshold and --sizes", "give one"),
    ),
    "two margins": (
        ["hypotheses", "sva", "--margin", "1", "--margin-share", "0.1"],
        ("--margin and --margin-share", "give one"),
    ),
    "a target that is no number": (["curve", "sva", "--target", "nan"], ("--target", "nan", "finite")),
    "a margin that is no number": (["hypotheses", "sva", "--margin", "nan"], ("--margin", "nan", "finite")),
    "an infinite threshold": (["structure", "sva", "--edge-threshold", "inf"], ("--edge-threshold", "inf", "finite")),
    "one of several is infinite": (
        ["stability", "sva", "--threshold", "0", "--threshold", "inf"],
        ("--threshold", "inf", "finite"),
    ),
    "a target of measuring that is no number": (
        ["measure", "sva", "--target-faithfulness", "nan"],
        ("target_faithfulness", "finite"),
    ),
    "not measured by that ablation": (
        ["curve", "sva", "--ablation", "zero"],
        ("with ablation zero: run `circuit-atlas measure sva --ablation zero` first",),
    ),
    "not measured on that task": (
        ["curve", "sva", "--task", "he/object"],
        ("task he/object: run `circuit-atlas measure sva --on he/object` first",),
    ),
    "not measured on its own task by that ablation": (
        ["curve", "sva", "--task", "sva", "--ablation", "patch"],
        ("run `circuit-atlas measure sva --ablation patch` first",),
    ),
    "not measured with these errors": (
        ["curve", "sva", "--errors", "keep"],
        ("run `circuit-atlas measure sva --errors keep` first",),
    ),
    "edges not measured by that ablation": (
        ["curve", "sva", "--edges", "--ablation", "zero"],
        ("with ablation zero: run `circuit-atlas measure sva --ablation zero --edges 8` first",),
    ),
    "no choice, but near one": (
        ["structure", "sva", "flo"],
        ("'[QUESTION]': 'flo' is not one of 'flow', 'cuts'", "did you mean 'flow'?"),
    ),
    "no choice of an option": (["exactness", "sva", "--by", "foo"], ("'--by': 'foo' is not one of 'all'",)),
    "a circuit in other case": (["show", "HE/Subject"], ("'HE/Subject'", "did you mean 'he/subject'?")),
    "a circuit like none": (["show", "nosuch"], ("no circuit 'nosuch'; list them with: circuit-atlas circuits",)),
    "picture in no folder": (["curve", "sva", "--draw", "no/folder/c.png"], ("there is no folder no/folder",)),
    "picture of no form": (["curve", "sva", "--draw", "curve.doc"], ("curve.doc", ".png")),
    "matrix of no form": (["overlap", "--draw", "overlap"], ("overlap is no picture", ".svg")),
}


@pytest.mark.parametrize(("arguments", "culprits"), COMMAND_LINES.values(), ids=COMMAND_LINES.keys())
def test_is_one_line_and_exit_code_2(
    arguments: list[str],
    culprits: tuple[str, ...],
    atlas_here: Command,
    store: str,
    tmp_path: Path,
) -> None:
    before = [] if "--store" in arguments else ["--store", store]
    with contextlib.chdir(tmp_path):
        assert_refused(atlas_here(*before, *arguments), *culprits)
    with connect(store, read_only=True) as place:
        assert len(place.rows(CIRCUITS)) == 3


SETTINGS_FILES = {
    "not TOML": ("model = \n", ("settings.toml", "line 1")),
    "unknown setting": ("modle = 'm'\n", ("modle", "model")),
    "ill-typed": ("steps = 'ten'\n", ("steps", "ten", "int")),
    "unknown choice": ("model='m'\ndictionaries='d'\nexamples='e'\nmethod = 'magic'\n", ("method", "magic", "atp")),
}


@pytest.mark.parametrize(("text", "culprits"), SETTINGS_FILES.values(), ids=SETTINGS_FILES.keys())
def test_broken_settings_file(text: str, culprits: tuple[str, ...], atlas_here: Command, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(text)
    assert_refused(atlas_here("discover", "--settings", str(tmp_path / "settings.toml")), *culprits)


@pytest.mark.parametrize("case", ["unknown query", "unknown circuit", "Cypher syntax error", "no store there"])
def test_the_same_in_a_process_of_its_own(case: str, atlas: Command, store: str) -> None:
    arguments, culprits = COMMAND_LINES[case]
    before = [] if "--store" in arguments else ["--store", store]
    assert_refused(atlas(*before, *arguments), *culprits)


@pytest.mark.slow
def test_a_runaway_query_is_stopped(atlas_here: Command, store: str) -> None:
    runaway = "UNWIND range(1, 100000000) AS a UNWIND range(1, 100000) AS b RETURN sum(a * b) AS total"
    assert_refused(atlas_here("query", runaway, "--time-limit", "0.5", "--store", store), "time limit")


def test_a_store_that_is_not_one(atlas_here: Command, tmp_path: Path) -> None:
    (tmp_path / "notes.lbug").write_text("bread, milk")
    assert_refused(
        atlas_here("circuits", "--store", str(tmp_path / "notes.lbug")),
        "notes.lbug is no store of circuits (not a LadybugDB file, or a broken one): name another file",
    )


def test_a_store_of_a_newer_schema(atlas_here: Command, store: str) -> None:
    import ladybug

    database = ladybug.Database(store)
    ladybug.Connection(database).execute("MATCH (m:Meta) SET m.schema_version = 99")
    database.close()
    assert_refused(atlas_here("circuits", "--store", store), "99")


def test_another_model_under_a_known_name(atlas_here: Command, store: str, tmp_path: Path) -> None:
    other = str(tmp_path / "other.lbug")
    changed = small_circuits()[2]
    model = dict(changed.nodes["Model"][0], weights_digest="another")
    with connect(other) as place:
        place.write([replace(changed, nodes={**changed.nodes, "Model": [model]})])
    assert_refused(atlas_here("copy", other, store), "toy", "--model-id")


def test_a_locked_store(atlas: Command, store: str) -> None:
    holding = (
        "import sys, time, ladybug; d = ladybug.Database(sys.argv[1]); c = ladybug.Connection(d); "
        "print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", holding, store], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            holder.stdout.readline()
            done = atlas("delete", "sva", "--yes", "--store", store, CIRCUIT_ATLAS_WAIT="1")
            assert_refused(done, "small.lbug")
        finally:
            holder.kill()


def test_a_path_that_cannot_be_written(atlas_here: Command, store: str) -> None:
    assert_refused(atlas_here("copy", store, "/proc/atlas.lbug"), "/proc/atlas.lbug")


def _in_a_process(arguments: list[str], before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "circuit_atlas", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


def test_a_full_disk(store: str, tmp_path: Path) -> None:
    def allow_little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    process = _in_a_process(["copy", store, str(tmp_path / "other.lbug")], allow_little)
    out, err = process.communicate(timeout=60)
    assert_refused(Outcome(process.returncode, out, err), "other.lbug")


@pytest.mark.slow
@pytest.mark.alone
def test_ctrl_c_in_the_middle(store: str) -> None:
    runaway = "UNWIND range(1, 100000000) AS a UNWIND range(1, 100000) AS b RETURN sum(a * b) AS total"
    process = _in_a_process(["query", runaway, "--time-limit", "12", "--store", store])
    time.sleep(5)  # it has begun by then, on a busy machine too
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert_refused(Outcome(process.returncode, out, err), "interrupted")
    with connect(store, read_only=True) as place:
        assert len(place.rows(CIRCUITS)) == 3


def test_a_closed_pipe_is_quiet(store: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "circuit_atlas", "query"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert done.stderr == ""


def test_copy_of_an_unknown_circuit_makes_no_store(atlas_here: Command, store: str, tmp_path: Path) -> None:
    other = tmp_path / "other.lbug"
    assert_refused(atlas_here("copy", store, str(other), "--circuit", "svaa"), "svaa", "sva")
    assert not other.exists()


def test_a_defect_of_ours_is_one_line_with_the_way_to_the_traceback(atlas: Command, store: str, tmp_path: Path) -> None:
    """A broken installation stands for a defect: the engine's module fails while it is imported."""
    (tmp_path / "ladybug.py").write_text("raise ZeroDivisionError('broken')")
    done = atlas("circuits", "--store", store)
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
    assert "ZeroDivisionError" in done.err
    assert "CIRCUIT_ATLAS_DEBUG=1" in done.err
    traced = atlas("circuits", "--store", store, CIRCUIT_ATLAS_DEBUG="1")
    assert "Traceback" in traced.err
    assert 'ladybug.py", line 1' in traced.err
