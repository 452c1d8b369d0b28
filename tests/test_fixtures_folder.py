"""Tests skipped for want of fixtures are counted, and fail a run of continuous integration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.source_tree import ROOT

SUITE = """
from tests.fixtures_folder import fixtures, needs_fixtures

def test_without():
    pass

@needs_fixtures("models/here")
def test_that_has_its_fixture():
    assert (fixtures() / "models/here").is_dir()

@needs_fixtures("models/here", "golden/elsewhere")
def test_that_wants_one():
    raise AssertionError("it must not run")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
def test_a_missing_fixture_is_counted_and_fails_continuous_integration(ci: str, status: int, tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "fixtures" / "models" / "here").mkdir(parents=True)
    environment = {"CIRCUIT_ATLAS_FIXTURES": str(tmp_path / "fixtures"), "CI": ci, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.fixtures_folder", "-c", os.devnull, str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == status, ran.stdout + ran.stderr
    assert "skipped for want of fixtures: 1\n" in ran.stdout
    assert "2 passed, 1 skipped" in ran.stdout
