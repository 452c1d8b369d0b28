"""Check what this machine has before anything is downloaded: Python, free disk and, for the tests, system programs.

    python3 scripts/system_check.py setup    Python, its venv module and the free disk that set-up needs
    python3 scripts/system_check.py test     that and Java, Maven, Chromium and its driver, installed by apt if allowed

Standard library alone, and no syntax newer than Python 3.7, for it runs before anything is set up and must be able to
say that Python is too old. It says one line and exits 1 where something is short.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LEAST_PYTHON = (3, 11)
ENVIRONMENT_GB = 6.5
"""Disk of `.venv` with PyTorch's default build for Linux, measured by `du -sh .venv` (6.2 GiB = 6.5 GB with room)."""
CACHE_GB = 6.5
"""Disk of the installer's cache where it lies on another file system (on the same one, files are shared by links)."""
TEST_GB = 1.0
"""Disk of Neo4j's jars (0.13 GB), of its stores in temporary folders, and of Java, Maven and Chromium (0.8 GB)."""


class Program(NamedTuple):
    """A system program that the tests run, and the apt packages that bring it, best first."""

    name: str
    commands: tuple[str, ...]
    packages: tuple[str, ...]


PROGRAMS = (
    Program("Java 17", ("java",), ("openjdk-17-jre-headless", "openjdk-21-jre-headless")),
    Program("Maven", ("mvn",), ("maven",)),
    Program("Chromium", ("chromium", "chromium-browser", "google-chrome"), ("chromium", "chromium-browser")),
    Program("Chromium's driver", ("chromedriver",), ("chromium-driver", "chromium-chromedriver")),
)
JAVA_VERSIONS = (17, 21)
"""The Java releases that Neo4j 5.26 runs on."""


def main(arguments: Sequence[str]) -> int:
    """Run the check named on the command line; returns the exit status."""
    if list(arguments) not in (["setup"], ["test"]):
        sys.exit("usage: python3 scripts/system_check.py setup|test")
    for_tests = arguments[0] == "test"
    trouble = python_trouble() or disk_trouble(for_tests) or (programs_trouble() if for_tests else None)
    if trouble:
        print(trouble, file=sys.stderr)
        return 1
    return 0


def python_trouble() -> str | None:
    """Say what is wrong with the Python that runs this, if anything."""
    if sys.version_info < LEAST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        return (
            f"Python {found} is too old: install Python 3.11 or newer, or name one with `make PYTHON=/path/to/python3`"
        )
    for module in ("venv", "ensurepip"):
        try:
            __import__(module)
        except ImportError:
            command = f"{_root_prefix()}apt-get install -y python3-venv"
            return f"this Python has no module {module}: on Debian and Ubuntu, run `{command}`"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return (
            "this Python is the free-threaded build, which PyTorch's libraries do not support: name another by PYTHON="
        )
    return None


def disk_trouble(for_tests: bool) -> str | None:
    """Say how much disk is missing for what is still to be installed, if any."""
    if (ROOT / ".venv" / ".ready-dev").exists() or (not for_tests and (ROOT / ".venv" / ".ready-run").exists()):
        return None
    needs = {ROOT: ENVIRONMENT_GB - _size_gb(ROOT / ".venv")}
    cache = _existing(Path(os.environ.get("UV_CACHE_DIR", Path.home() / ".cache")))
    if cache.stat().st_dev != ROOT.stat().st_dev:
        needs[cache] = CACHE_GB
    if for_tests:
        needs[ROOT] += TEST_GB
    for folder, needed in needs.items():
        free = shutil.disk_usage(folder).free / 1e9
        print(f"disk: {folder} needs {needed:.1f} GB and has {free:.1f} GB free", file=sys.stderr)
        if free < needed:
            return (
                f"set-up needs {needed:.1f} GB in {folder} and {free:.1f} GB are free: free {needed - free:.1f} more "
                "there, or move the clone (and, by UV_CACHE_DIR, the cache) to a larger disk"
            )
    return None


def programs_trouble() -> str | None:
    """Install the missing system programs where that is allowed, else say the one command that does."""
    missing = [program for program in PROGRAMS if not _present(program)]
    if not missing:
        return None
    names = ", ".join(program.name for program in missing)
    if shutil.which("apt-get") is None:
        return f"the tests need {names}: install them with this system's package manager and run `make test` again"
    if not _may_install():
        return f"the tests need {names}: run `sudo {' '.join(_install_command(missing))}` and then `make test` again"
    print(f"installing {names} by apt", file=sys.stderr)
    as_root = [*_root_prefix().split(), "env", "DEBIAN_FRONTEND=noninteractive"]
    # A fresh machine has no package lists yet; where they cannot be renewed, those it has may do.
    subprocess.run([*as_root, "apt-get", "update", "-q"])
    if subprocess.run([*as_root, *_install_command(missing)]).returncode:
        return f"apt could not install {names}: see its message above, then run `make test` again"
    still = [program.name for program in missing if not _present(program)]
    return f"{', '.join(still)} cannot be found on PATH after apt installed it" if still else None


def _present(program: Program) -> bool:
    found = [command for command in program.commands if shutil.which(command)]
    if program.name != "Java 17":
        return bool(found)
    return bool(found) and _java_version() in JAVA_VERSIONS


def _java_version() -> int | None:
    shown = subprocess.run(["java", "-version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    match = re.search(r'version "(\d+)', shown.stdout.decode(errors="replace"))
    return int(match.group(1)) if match else None


def _install_command(programs: Sequence[Program]) -> list[str]:
    packages = [_available(program.packages) for program in programs]
    return ["apt-get", "install", "-y", "--no-install-recommends", *packages]


def _available(packages: Sequence[str]) -> str:
    """Return the first package that apt's lists know, else the first."""
    for package in packages:
        shown = subprocess.run(["apt-cache", "policy", package], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        candidate = re.search(r"Candidate: (\S+)", shown.stdout.decode(errors="replace"))
        if candidate and candidate.group(1) != "(none)":
            return package
    return packages[0]


def _may_install() -> bool:
    if os.geteuid() == 0:
        return True
    if shutil.which("sudo") is None:
        return False
    return subprocess.run(["sudo", "-n", "true"], stderr=subprocess.DEVNULL).returncode == 0


def _root_prefix() -> str:
    return "" if os.geteuid() == 0 else "sudo "


def _size_gb(folder: Path) -> float:
    """Return the disk that a folder takes: what an interrupted set-up left need not be downloaded again."""
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e9


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
