"""Runs that are cut short: what was finished is not done again, and too little memory makes batches smaller."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from circuit_atlas.cypher import connect
from circuit_atlas.errors import AttributionError
from circuit_atlas.ingest import DiscoverSettings, discover
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.resume import KEPT_DAYS, FinishedBatches
from circuit_atlas.progress import Advance
from tests.cli.toy import make_dictionaries, make_examples, make_model, pair
from tests.source_tree import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.alone]


class Notes:
    """A reporter that keeps what is said, and may interrupt at a batch of a task."""

    def __init__(self, stop_in: str = "", after: int = 0) -> None:
        self.lines: list[str] = []
        self.steps: dict[str, int] = {}
        self._stop_in, self._after = stop_in, after

    @contextlib.contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        """Count the steps of one task."""

        def advance(steps: int) -> None:
            self.steps[title] = self.steps.get(title, 0) + steps
            if title == self._stop_in and self.steps[title] > self._after:
                raise KeyboardInterrupt

        yield advance

    def note(self, line: str) -> None:
        """Keep one line."""
        self.lines.append(line)


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """Settings of a quick run in four batches."""
    return {
        "model": str(make_model(tmp_path / "model")),
        "dictionaries": str(make_dictionaries(tmp_path / "dictionaries")),
        "examples": str(make_examples(tmp_path / "examples.jsonl")),
        "held_out_share": 0.0,
        "measure_thresholds": 0,
        "steps": 2,
        "batch_size": 1,
    }


def _numbers(found: Any) -> list[tuple[str, float]]:
    rows = [(row["id"], row["effect"]) for row in found.rows.nodes["CircuitNode"]]
    edges = next(rows for pair, rows in found.rows.relationships.items() if pair.type == "EDGE")
    return sorted(rows) + sorted((edge["from"] + edge["to"], edge["weight"]) for edge in edges)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["node effects", "edge weights"])
@pytest.mark.parametrize("outer", ["clean", "ig"])
def test_an_interrupted_run_goes_on_where_it_stopped(settings: dict[str, Any], stage: str, outer: str) -> None:
    wanted = DiscoverSettings(**{**settings, "outer_gradient": outer})
    whole = discover(wanted)
    with pytest.raises(KeyboardInterrupt):
        discover(wanted, reporter=Notes(stage, after=1))
    notes = Notes()
    again = discover(wanted, reporter=notes)
    finished = 2 if stage == "node effects" else whole.summary["n_examples"] + 2
    assert notes.lines[0] == f"going on from an interrupted run: {finished} of its batches are finished"
    assert _numbers(again) == _numbers(whole)
    fresh = Notes()
    discover(wanted, reporter=fresh)
    assert not any("interrupted" in line for line in fresh.lines)  # nothing is left when a run has ended


def test_other_settings_do_not_go_on_from_it(settings: dict[str, Any]) -> None:
    with pytest.raises(KeyboardInterrupt):
        discover(DiscoverSettings(**settings), reporter=Notes("node effects", after=1))
    notes = Notes()
    discover(DiscoverSettings(**{**settings, "steps": 3}), reporter=notes)
    assert not any("interrupted" in line for line in notes.lines)


def test_a_file_that_was_cut_short_is_done_again(settings: dict[str, Any], unfinished: Path) -> None:
    wanted = DiscoverSettings(**settings)
    whole = _numbers(discover(wanted))
    with pytest.raises(KeyboardInterrupt):
        discover(wanted, reporter=Notes("node effects", after=1))
    for file in unfinished.rglob("*.pt"):
        file.write_bytes(file.read_bytes()[:100])
    assert _numbers(discover(wanted)) == whole


def _interrupt(settings: dict[str, Any]) -> None:
    with pytest.raises(KeyboardInterrupt):
        discover(DiscoverSettings(**settings), reporter=Notes("edge weights", after=1))


@pytest.mark.parametrize("what", ["nodes", "edges"])
def test_what_is_of_another_batch_is_done_again(settings: dict[str, Any], unfinished: Path, what: str) -> None:
    """Files of one batch under the names of the others, as they would lie if names did not tell batches apart."""
    whole = _numbers(discover(DiscoverSettings(**settings)))
    _interrupt(settings)
    first, *others = sorted(unfinished.rglob(f"{what}-*.pt"))
    assert others
    for file in others:
        file.write_bytes(first.read_bytes())
    assert _numbers(discover(DiscoverSettings(**settings))) == whole


def test_edges_among_other_nodes_are_not_taken(unfinished: Path) -> None:
    """The units that edges are between are part of what a file is of; so are the tokens."""
    rows = torch.tensor([0, 1])
    batch = Batch(torch.tensor([[1, 2], [3, 4]]), rows, None, None, rows, rows)
    finished = FinishedBatches.of_run("model/circuit/1", Notes())
    finished.keep("edges", batch, {"weights": torch.ones(2)}, {"resid_0 unit": torch.tensor([5, 7])})
    kept = finished.find("edges", batch, {"resid_0 unit": torch.tensor([5, 7])})
    assert kept is not None
    assert kept["weights"].tolist() == [1.0, 1.0]
    assert finished.find("edges", batch, {"resid_0 unit": torch.tensor([5, 8])}) is None
    assert finished.find("edges", batch, {"resid_1 unit": torch.tensor([5, 7])}) is None
    other = dataclasses.replace(batch, clean=batch.clean + 1)
    assert finished.find("edges", other, {"resid_0 unit": torch.tensor([5, 7])}) is None


def test_a_run_beside_another_of_the_same_circuit_keeps_nothing() -> None:
    first, second, third = Notes(), Notes(), Notes()
    with FinishedBatches.of_run("model/circuit/1", first):
        FinishedBatches.of_run("model/circuit/1", second)
        FinishedBatches.of_run("model/circuit/2", third)
    assert (len(first.lines), len(third.lines)) == (0, 0)
    assert second.lines == ["another run is finding this circuit: this one keeps no batches, and would start over"]
    again = Notes()
    with FinishedBatches.of_run("model/circuit/1", again) as finished:
        finished.drop()
    assert again.lines == []


def test_a_run_beside_another_finds_the_same(settings: dict[str, Any]) -> None:
    found: list[Any] = []

    class Beside(Notes):
        @contextlib.contextmanager
        def task(self, title: str, total: int) -> Iterator[Advance]:
            if not found:
                found.append(None)
                found[0] = discover(DiscoverSettings(**settings), reporter=inner)
            yield lambda steps: None

    inner = Notes()
    outer = discover(DiscoverSettings(**settings), reporter=Beside())
    assert any("another run is finding this circuit" in line for line in inner.lines)
    assert _numbers(found[0]) == _numbers(outer)


def test_what_was_left_long_ago_is_removed(settings: dict[str, Any], unfinished: Path) -> None:
    _interrupt(settings)
    (left,) = (unfinished / "unfinished").iterdir()
    recent = FinishedBatches.of_run("model/circuit/2", Notes())
    recent.__exit__(None, None, None)
    assert left.exists()
    long_ago = time.time() - (KEPT_DAYS + 1) * 86_400
    os.utime(left, (long_ago, long_ago))
    with FinishedBatches.of_run("model/circuit/3", Notes()):
        assert not left.exists()


@pytest.mark.slow
def test_a_change_of_the_program_starts_over(tmp_path: Path) -> None:
    """The same package with one line more in one file keeps its batches in another folder."""
    keep = (
        "from circuit_atlas.ingest.resume import FinishedBatches\n"
        "from circuit_atlas.progress import Silent\n"
        "FinishedBatches.of_run('model/circuit/1', Silent())"
    )
    package = tmp_path / "circuit_atlas"
    for name, source in (("", "circuit_atlas"), ("ingest", "ingest"), ("cypher", "cypher")):
        shutil.copytree(ROOT / source, package / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("shipped"))
    places: list[str] = []
    for _ in range(3):
        place = tmp_path / f"cache{len(places)}"
        environment = os.environ | {"CIRCUIT_ATLAS_CACHE": str(place)}
        command = [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {[str(tmp_path), *sys.path]!r}\n{keep}"]
        subprocess.run(command, check=True, env=environment)
        (folder,) = (place / "unfinished").iterdir()
        places.append(folder.name)
        if len(places) == 2:
            (package / "ingest" / "moments.py").open("a").write("\n# another line\n")
    assert places[0] == places[1] != places[2]


def test_a_place_that_cannot_be_written_is_told_once(settings: dict[str, Any], unfinished: Path) -> None:
    unfinished.write_text("a file where a folder should be")
    notes = Notes()
    discover(DiscoverSettings(**settings), reporter=notes)
    assert len([line for line in notes.lines if "an interruption would start over" in line]) == 1


LIMITED = """
import torch
def limited(logits, batch):
    if len(logits) > {most}:
        raise torch.OutOfMemoryError("out of memory")
    return logits[:, -1].float().gather(1, batch.patch_answer[:, None]).squeeze(1)
"""


def test_too_little_memory_makes_batches_smaller(settings: dict[str, Any], tmp_path: Path) -> None:
    """The allocator's own error, raised where a batch is too large, as a GPU does."""
    for most in (100, 2):
        (tmp_path / f"most{most}.py").write_text(LIMITED.format(most=most))
    plain = {**settings, "batch_size": 4, "method": "atp"}
    whole = discover(DiscoverSettings(**plain, metric=f"{tmp_path / 'most100.py'}:limited"))
    notes = Notes()
    small = discover(DiscoverSettings(**plain, metric=f"{tmp_path / 'most2.py'}:limited"), reporter=notes)
    assert len([line for line in notes.lines if "going on with smaller batches" in line]) == 1
    effects = [sorted(row["effect"] for row in found.rows.nodes["CircuitNode"]) for found in (whole, small)]
    assert effects[1] == pytest.approx(effects[0], abs=1e-6)


def test_not_even_one_example_fits(settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "none.py").write_text(LIMITED.format(most=0))
    with pytest.raises(AttributionError, match="out of memory with one example at a time"):
        discover(DiscoverSettings(**settings, metric=f"{tmp_path / 'none.py'}:limited"))


@pytest.mark.slow
def test_a_killed_command_goes_on_when_it_is_given_again(settings: dict[str, Any], tmp_path: Path) -> None:
    words = ("man", "dog", "men")
    lines = [pair(f"the {a}", f"the {b}") for a in words for b in words if a != b] * 20
    named = [json.dumps({**json.loads(line), "item": str(number)}) for number, line in enumerate(lines)]
    examples = make_examples(tmp_path / "many.jsonl", named)
    settings |= {"examples": str(examples), "steps": 40, "n_examples": 0}
    options = [f"--{key.replace('_', '-')}={value}" for key, value in settings.items()]
    store = tmp_path / "atlas.lbug"
    command = [sys.executable, "-m", "circuit_atlas", "discover", *options, "--store", str(store)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    place = Path(os.environ["CIRCUIT_ATLAS_CACHE"])
    end = time.monotonic() + 60
    while not any(place.rglob("*.pt")) and time.monotonic() < end:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "going on from an interrupted run" in ran.stderr
    with connect(str(store)) as opened:
        assert len(opened.query("circuits")) == 1
