"""Several processes share the examples: what they find is what one finds, and none outlives the run."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from circuit_atlas.errors import AttributionError, SettingsError
from circuit_atlas.ingest import DiscoveredCircuit, DiscoverSettings, discover
from circuit_atlas.ingest.processes import Processes, start
from circuit_atlas.ingest.worker import Share
from circuit_atlas.progress import Advance, Silent
from tests.cli.toy import make_dictionaries, make_examples, make_model, pair

pytestmark = [pytest.mark.slow, pytest.mark.alone]

TWO = "cpu,cpu"
WORDS = ("man", "dog", "men")


class Notes:
    """A reporter that keeps what is said, and may interrupt at the first step of a task."""

    def __init__(self, stop_in: str = "") -> None:
        self.lines: list[str] = []
        self.steps: dict[str, int] = {}
        self._stop_in = stop_in

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        """Count the steps of one task."""

        def advance(steps: int) -> None:
            self.steps[title] = self.steps.get(title, 0) + steps
            if title == self._stop_in:
                raise KeyboardInterrupt

        yield advance

    def note(self, line: str) -> None:
        """Keep one line."""
        self.lines.append(line)


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """Settings of a quick run in five batches of two lengths."""
    short = [pair(f"the {a}", f"the {b}") for a in WORDS for b in WORDS if a != b]
    long = [pair(f"the {a} near the dogs", f"the {b} near the dogs") for a, b in (("man", "men"), ("dog", "dogs"))]
    return {
        "model": str(make_model(tmp_path / "model")),
        "dictionaries": str(make_dictionaries(tmp_path / "dictionaries")),
        "examples": str(make_examples(tmp_path / "examples.jsonl", short + long)),
        "held_out_share": 0.0,
        "measure_thresholds": 0,
        "positions": "sum",
        "steps": 2,
        "batch_size": 2,
    }


def _numbers(found: DiscoveredCircuit) -> tuple[list[str], np.ndarray]:
    """Keys and numbers of all nodes and edges, in the order of the rows."""
    nodes = [row for row in found.rows.nodes["CircuitNode"] if row["kind"] != "target"]
    edges = next(rows for pair, rows in found.rows.relationships.items() if pair.type == "EDGE")
    named = [row["id"] for row in nodes] + [row["from"] + row["to"] for row in edges]
    effects = [value for row in nodes for value in (row["effect"], row["effect_se"])]
    return named, np.array(effects + [value for row in edges for value in (row["weight"], row["weight_se"])])


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [{"selection": "per-example", "node_floor": 1e-4, "outer_gradient": "ig"}, {"ablation": "mean"}],
    ids=["per example", "means over all batches"],
)
def test_two_processes_find_what_one_finds(settings: dict[str, Any], more: dict[str, Any]) -> None:
    named, numbers = _numbers(discover(DiscoverSettings(**settings, **more)))
    notes = Notes()
    shared = discover(DiscoverSettings(**settings, **more, device=TWO), reporter=notes)
    assert notes.steps["node effects, 2 processes"] == notes.steps["edge weights, 2 processes"] == 8
    assert _numbers(shared)[0] == named
    assert np.abs(_numbers(shared)[1] - numbers).max() <= 1e-6 * np.abs(numbers).max()
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_fewer_examples_than_a_batch_holds_are_shared_too(settings: dict[str, Any]) -> None:
    whole = {**settings, "batch_size": 16}
    named, numbers = _numbers(discover(DiscoverSettings(**whole)))
    shared = _numbers(discover(DiscoverSettings(**whole, device=TWO)))
    assert shared[0] == named
    assert np.abs(shared[1] - numbers).max() <= 1e-6 * np.abs(numbers).max()


IN_A_PROCESS = """
import multiprocessing, os, signal, torch
def difference(logits, batch):
    if multiprocessing.parent_process() is not None:
        {what}
    last = logits[:, -1].float()
    answers = zip((batch.patch_answer, batch.clean_answer), (1, -1))
    return sum(sign * last.gather(1, answer[:, None]).squeeze(1) for answer, sign in answers)
"""


def _failing(settings: dict[str, Any], folder: Path, what: str) -> DiscoverSettings:
    """Settings whose metric does something in the processes alone."""
    file = folder / "metric.py"
    file.write_text(IN_A_PROCESS.format(what=what))
    return DiscoverSettings(**settings, device=TWO, metric=f"{file}:difference")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "the process on cpu was killed (SIGKILL) before it was done"),
        ("return logits", "the metric"),
    ],
    ids=["is killed", "refuses"],
)
def test_a_process_that_fails_is_one_line(settings: dict[str, Any], tmp_path: Path, what: str, said: str) -> None:
    with pytest.raises(AttributionError) as error:
        discover(_failing(settings, tmp_path, what))
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)
    assert not multiprocessing.active_children()


def test_a_process_that_fails_otherwise_names_the_error_and_keeps_its_traceback() -> None:
    worker = start("cpu", cast(Share, "no share"))
    with pytest.raises(AttributionError) as error:
        Processes([worker], 1).nodes(Silent())
    worker.process.join()
    assert str(error.value).startswith("the process on cpu failed: AttributeError: 'str' object has no attribute")
    assert "worker.py" in str(error.value.__cause__)


@pytest.mark.slow
def test_a_process_without_memory_makes_batches_smaller(settings: dict[str, Any], tmp_path: Path) -> None:
    notes = Notes()
    what = "\n        ".join(["if len(logits) > 4:", "    raise torch.OutOfMemoryError('out of memory')"])
    found = discover(_failing({**settings, "batch_size": 4, "steps": 3}, tmp_path, what), reporter=notes)
    assert len([line for line in notes.lines if "going on with smaller batches" in line]) == 1
    assert found.summary["n_examples"] == 8


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["node effects, 2 processes", "edge weights, 2 processes"])
def test_an_interrupted_run_ends_its_processes_and_goes_on_later(settings: dict[str, Any], stage: str) -> None:
    whole = _numbers(discover(DiscoverSettings(**settings)))
    wanted = DiscoverSettings(**settings, device=TWO)
    with pytest.raises(KeyboardInterrupt):
        discover(wanted, reporter=Notes(stage))
    assert not multiprocessing.active_children()
    notes = Notes()
    again = _numbers(discover(wanted, reporter=notes))
    assert notes.lines[0].startswith("going on from an interrupted run")
    assert again[0] == whole[0]
    assert np.abs(again[1] - whole[1]).max() <= 1e-6 * np.abs(whole[1]).max()


def test_without_a_place_for_batches_one_process_does_it_all_and_says_so(settings: dict[str, Any]) -> None:
    place = Path(os.environ["CIRCUIT_ATLAS_CACHE"])
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("no folder", encoding="utf-8")
    notes = Notes()
    try:
        found = discover(DiscoverSettings(**settings, device=TWO), reporter=notes)
    finally:
        place.unlink()
    assert any("all of it runs on cpu" in line for line in notes.lines)
    assert not any("2 processes" in title for title in notes.steps)
    assert found.summary["n_examples"] > 0


@pytest.mark.slow
def test_an_interrupt_from_the_keyboard_ends_them_all(settings: dict[str, Any], tmp_path: Path) -> None:
    lines = [json.dumps({**json.loads(pair("the man", "the men")), "item": str(number)}) for number in range(2_000)]
    make_examples(Path(settings["examples"]), lines)
    options = [f"--{key.replace('_', '-')}={value}" for key, value in settings.items()]
    options += ["--n-examples=0", "--steps=400", f"--device={TWO}", f"--store={tmp_path / 'atlas.lbug'}"]
    command = [sys.executable, "-m", "circuit_atlas", "discover", *options]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    place, end = Path(os.environ["CIRCUIT_ATLAS_CACHE"]), time.monotonic() + 100
    while not any(place.rglob("*.pt")) and time.monotonic() < end:
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to all of the group
    said = running.communicate(timeout=60)[1]
    assert running.returncode == 2
    assert "Traceback" not in said
    assert "interrupted; every circuit already written stays" in said
    assert _left(running.pid) == []


def _left(group: int) -> list[str]:
    """Command lines of the processes of a group that live on for more than a few seconds."""
    end = time.monotonic() + 10
    while True:
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                state, _, member = (place / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(member) == group and state != "Z":  # a zombie is only not collected yet
                    found.append((place / "cmdline").read_text())
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.1)


def test_a_device_without_a_name_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="name one, or several with a comma between each two"):
        DiscoverSettings(**settings, device="cpu,,cpu")
