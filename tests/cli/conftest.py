"""Run the command line as users do: in a process of its own, or (where torch would load) through the same function."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from circuit_atlas.cli.run import run
from circuit_atlas.cypher import connect
from tests.graphs import small_circuits


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def atlas(tmp_path: Path) -> Command:
    """Run `circuit-atlas` in a process and an empty folder of its own."""

    def command(*arguments: str, **environment: str) -> Outcome:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("CIRCUIT_ATLAS_", "NEO4J_"))}
        done = subprocess.run(
            [sys.executable, "-m", "circuit_atlas", *arguments],
            cwd=tmp_path,
            env=clean | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return command


@pytest.fixture
def atlas_here(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Command]:
    """Run `circuit-atlas` in this process and an empty folder: what it imports is loaded once for all tests."""
    disabled = logging.root.manager.disable

    def command(*arguments: str) -> Outcome:
        capfd.readouterr()
        code = run(arguments)
        return Outcome(code, *capfd.readouterr())

    with warnings.catch_warnings(), contextlib.chdir(tmp_path):
        yield command
    logging.disable(disabled)


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedded store with the three small circuits, written once."""
    path = tmp_path_factory.mktemp("seeded") / "small.lbug"
    with connect(str(path)) as place:
        place.write(small_circuits())
    return path


@pytest.fixture
def store(tmp_path: Path, seeded: Path) -> str:
    """A copy of that store for one test."""
    for file in seeded.parent.glob("small.lbug*"):
        shutil.copy(file, tmp_path)
    return str(tmp_path / "small.lbug")
