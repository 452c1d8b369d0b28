"""What is checked before set-up: it refuses in one line that says what to do."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from scripts.system_check import (
    ENVIRONMENT_GB,
    PROGRAMS,
    disk_trouble,
    how_to_install,
    missing_programs,
    python_trouble,
)
from tests.source_tree import ROOT

pytestmark = pytest.mark.slow


def test_an_old_python_is_refused() -> None:
    said = python_trouble((3, 10, 13))
    assert said is not None
    assert said.startswith("Python 3.10.13 is too old")
    assert "make PYTHON=" in said


def test_the_python_of_the_tests_will_do() -> None:
    assert python_trouble(sys.version_info[:3]) is None


def test_a_full_disk_is_refused_with_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = disk_trouble({tmp_path: 1e9})
    assert said is not None
    assert str(tmp_path) in said
    assert "\n" not in said
    assert f"needs 1000000000.0 GB in {tmp_path}" in capsys.readouterr().err


def test_enough_disk_is_no_trouble(tmp_path: Path) -> None:
    assert disk_trouble({tmp_path: 0.0}) is None


def test_the_stated_need_covers_the_environment_that_runs_the_tests() -> None:
    packages = Path(sysconfig.get_path("purelib"))
    size = sum(file.lstat().st_size for file in packages.rglob("*")) / 1e9
    assert size <= ENVIRONMENT_GB


def test_where_nothing_is_installed_everything_is_missing(tmp_path: Path) -> None:
    assert missing_programs(str(tmp_path)) == list(PROGRAMS)


def test_programs_of_the_tests_are_here() -> None:
    assert missing_programs() == []


def test_the_way_out_is_one_command() -> None:
    said = how_to_install(PROGRAMS)
    assert "\n" not in said
    command = said.split("`")[1].split()
    assert command[:4] == ["sudo", "apt-get", "install", "-y"]
    assert len(command) == 5 + len(PROGRAMS)


def test_an_unknown_request_says_how_to_call_it() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "system_check.py"), "everything"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.startswith("usage:")
