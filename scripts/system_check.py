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
ENVIRONMENT_GB = 7.0
"""Disk of `.venv` with PyTorch's default build for Linux: 6.6 GB by `du -s --block-size=1 .venv`, and some room."""
CACHE_GB = 7.0
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
JAVA_RELEASES = (17, 21)
"""The Java releases that Neo4j 5.26 runs on."""


def main(arguments: Sequence[str]) -> int:
    """Run the check named on the command line; returns the exit status."""
    if list(arguments) not in (["setup"], ["test"]):
        sys.exit("usage: python3 scripts/system_check.py setup|test")
    for_tests = arguments[0] == "test"
    trouble = python_trouble(sys.version_info[:3]) or disk_trouble(disk_needs(for_tests))
    if for_tests and not trouble:
        trouble = programs_trouble(missing_programs())
    if trouble:
        print(trouble, file=sys.stderr)
        return 1
    return 0


def python_trouble(version: tuple[int, ...]) -> str | None:
    """Say what is wrong with the Python that runs this, whose version is given, if anything."""
    if version < LEAST_PYTHON:
        found = ".".join(map(str, version))
        return (
            f"Python {found} is too old: install Python 3.11 or newer, or name one with `make PYTHON=/path/to/python3`"
        )
    for module in ("venv", "ensurepip"):
        try:
            __import__(module)
        except ImportError:
            command = "sudo apt-get install -y python3-venv"
            return f"this Python has no module {module}: on Debian and Ubuntu, run `{command}`"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "this Python is the free-threaded build, which PyTorch does not support: name another by PYTHON="
    return None


def disk_needs(for_tests: bool) -> dict[Path, float]:
    """Return the folders that set-up will write to, with the disk (GB) that it needs in each; none where all is there.

    What an interrupted set-up left need not be downloaded again, and is taken off.
    """
    environment = ROOT / ".venv"
    if (environment / ".ready-dev").exists() or (not for_tests and (environment / ".ready-run").exists()):
        return {}
    needs = {ROOT: max(0.0, ENVIRONMENT_GB - _size_gb(environment)) + (TEST_GB if for_tests else 0.0)}
    cache = _existing(Path(os.environ.get("UV_CACHE_DIR", Path.home() / ".cache")))
    if cache.stat().st_dev != ROOT.stat().st_dev:
        needs[cache] = CACHE_GB
    return needs


def disk_trouble(needs: dict[Path, float]) -> str | None:
    """Say what is needed in each folder, and return what is missing, if anything."""
    for folder, needed in needs.items():
        free = shutil.disk_usage(folder).free / 1e9
        print(f"disk: set-up needs {needed:.1f} GB in {folder}, where {free:.1f} GB are free", file=sys.stderr)
        if free < needed:
            return (
                f"too little disk in {folder}: free {needed - free:.1f} GB more there, or move the clone (and, by "
                "UV_CACHE_DIR, the installer's cache) to a larger one"
            )
    return None


def missing_programs(path: str | None = None) -> list[Program]:
    """Return the programs that are not found on `path` (by default, PATH), or are of a release that will not do."""
    return [program for program in PROGRAMS if not _present(program, path)]


def programs_trouble(missing: Sequence[Program]) -> str | None:
    """Install programs by apt where that is allowed, else return what the user is to do."""
    if not missing:
        return None
    names = ", ".join(program.name for program in missing)
    if shutil.which("apt-get") is None:
        return f"the tests need {names}: install them with this system's package manager and run `make test` again"
    if not _may_install():
        return how_to_install(missing)
    print(f"installing {names} by apt", file=sys.stderr)
    as_root = [*_as_root(), "env", "DEBIAN_FRONTEND=noninteractive"]
    # A fresh machine has no package lists yet; where they cannot be renewed, those it has may do.
    subprocess.run([*as_root, "apt-get", "update", "-q"])
    if subprocess.run([*as_root, *_install_command(missing)]).returncode:
        return f"apt could not install {names}: see its message above, then run `make test` again"
    still = ", ".join(program.name for program in missing if not _present(program))
    return (
        f"apt installed {still}, but PATH does not lead there: mend PATH and run `make test` again" if still else None
    )


def how_to_install(missing: Sequence[Program]) -> str:
    """Return one line with the one command that installs programs."""
    names = ", ".join(program.name for program in missing)
    return f"the tests need {names}: run `sudo {' '.join(_install_command(missing))}` and then `make test` again"


def _present(program: Program, path: str | None = None) -> bool:
    found = [command for command in (shutil.which(command, path=path) for command in program.commands) if command]
    if not found or program.name != "Java 17":
        return bool(found)
    shown = subprocess.run([found[0], "-version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    release = re.search(r'version "(\d+)', shown.stdout.decode(errors="replace"))
    return release is not None and int(release.group(1)) in JAVA_RELEASES


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
    return (
        shutil.which("sudo") is not None
        and subprocess.run(["sudo", "-n", "true"], stderr=subprocess.DEVNULL).returncode == 0
    )


def _as_root() -> list[str]:
    """Return what goes before a command that root must run; `-n` asks for no password."""
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


def _size_gb(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e9


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
