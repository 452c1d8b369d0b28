"""The wheel holds all that the product reads, and works in a folder whose own packages have our folders' names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.cli.toy import make_dictionaries, make_examples, make_model
from tests.source_tree import MAPPED, ROOT, tracked

pytestmark = pytest.mark.slow

NOT_DATA = {".md"}
"""Suffixes of files beside the code that the product does not read."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the tracked files alone: a build in place would take in what an earlier one left."""
    source = tmp_path_factory.mktemp("source")
    for path in tracked():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, source / path)
    target = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(source)], target)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel in an environment of its own, whose other packages are those of the one that runs the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    python = folder / "bin" / "python"
    _run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel)],
        folder,
    )
    # A line of a .pth file adds a folder without reading its own .pth files: the checkout itself is not on the path.
    inside = _run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip()
    (Path(inside) / "other_packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


@pytest.fixture
def notebooks(tmp_path: Path) -> Path:
    """Return a folder whose own packages are named as our folders are, and fail when they are imported."""
    for name in MAPPED:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise ImportError('this is the {name} of the notebooks')\n")
    return tmp_path


def test_it_holds_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    folders = {"circuit_atlas": "circuit_atlas", **{name: f"circuit_atlas/{name}" for name in MAPPED}}
    for path in tracked():
        top, _, rest = path.partition("/")
        if top in folders and Path(path).suffix not in NOT_DATA:
            assert f"{folders[top]}/{rest}" in inside, f"{path} is not in the wheel: name it in pyproject.toml"


def test_it_holds_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        top_level = {name.partition("/")[0] for name in archive.namelist()}
    assert {name for name in top_level if not name.endswith(".dist-info")} == {"circuit_atlas"}


def test_folders_of_the_same_names_do_not_shadow_ours(environment: Path, notebooks: Path) -> None:
    modules = ", ".join(f"circuit_atlas.{name}" for name in MAPPED)
    code = f"import {modules}; print(*(module.__file__ for module in ({modules})), sep='\\n')"
    printed = _run([str(environment / "bin" / "python"), "-c", code], notebooks)
    assert all(Path(line).is_relative_to(environment) for line in printed.splitlines())


def test_a_circuit_is_found_and_asked_for_among_folders_of_the_same_names(environment: Path, notebooks: Path) -> None:
    model, dictionaries = make_model(notebooks / "model"), make_dictionaries(notebooks / "dictionaries")
    examples = make_examples(notebooks / "pairs.jsonl")
    # `python -m` puts the folder itself before everything else on the path, as a notebook does.
    atlas = [str(environment / "bin" / "python"), "-m", "circuit_atlas"]
    settings = ["--model", str(model), "--dictionaries", str(dictionaries), "--examples", str(examples)]
    _run([*atlas, "discover", *settings, "--steps", "2", "--random-circuits", "1"], notebooks)
    (circuit,) = json.loads(_run([*atlas, "query", "circuits", "--format", "json"], notebooks))
    assert circuit["task"] == "pairs"
    assert (notebooks / "atlas.lbug").exists()


def test_the_demo_runs_among_folders_of_the_same_names(environment: Path, notebooks: Path) -> None:
    atlas = [str(environment / "bin" / "python"), "-m", "circuit_atlas"]
    _run([*atlas, "demo"], notebooks)
    circuits = json.loads(_run([*atlas, "query", "circuits", "--format", "json"], notebooks))
    assert len({circuit["task"] for circuit in circuits}) >= 6


def _run(command: list[str], folder: Path) -> str:
    """Run a command in a folder and return what it prints; where it fails, say what it said."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("CIRCUIT_ATLAS_", "PYTHON"))}
    ran = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
