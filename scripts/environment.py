"""Make `.venv`, or leave it alone where it is up to date.

    python3 scripts/environment.py run    what the product needs at run time
    python3 scripts/environment.py dev    that and the tools of development

Versions come from constraints.txt. The installer is uv, put into `.venv` by pip; where uv cannot be installed or finds
no packages (it does not read pip's configuration), pip does it all. A mark in `.venv`, written last, holds a digest of
what was asked for: an interrupted set-up has none, so the next one starts where it stopped.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
CONSTRAINTS = ROOT / "constraints.txt"
WANTED = {"run": ".", "dev": ".[dev]"}


def main(arguments: list[str]) -> int:
    """Set up for what is named on the command line; returns the exit status."""
    if len(arguments) != 1 or arguments[0] not in WANTED:
        sys.exit("usage: python3 scripts/environment.py run|dev")
    wanted = arguments[0]
    if _ready(wanted):
        return 0
    for mark in ENVIRONMENT.glob(".ready-*"):
        mark.unlink()
    start = time.monotonic()
    _make_environment()
    installed = _install_by_uv(WANTED[wanted]) or _install_by_pip(WANTED[wanted])
    if not installed:
        print(
            "set-up failed: mend what the installer says above and run the same command again; it goes on from here",
            file=sys.stderr,
        )
        return 1
    _mark(wanted).write_text(_digest())
    print(f"set up in {time.monotonic() - start:.0f} s", file=sys.stderr)
    return 0


def _mark(wanted: str) -> Path:
    return ENVIRONMENT / f".ready-{wanted}"


def _digest() -> str:
    """Digest of all that decides what is installed, and of where: a moved clone is set up again."""
    parts = [(ROOT / "pyproject.toml").read_bytes(), CONSTRAINTS.read_bytes(), os.fsencode(ROOT)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _ready(wanted: str) -> bool:
    """Say whether `.venv` holds what is wanted; one made for development serves to run as well."""
    marks = (_mark("dev"), _mark(wanted))
    return any(mark.exists() and mark.read_text() == _digest() for mark in marks) and PYTHON.exists()


def _make_environment() -> None:
    """Create `.venv` unless there is one whose Python and pip run and are of this version."""
    asked = "import sys, pip; print(sys.version_info[:2] == eval(sys.argv[1]))"
    if PYTHON.exists():
        answer = subprocess.run(
            [PYTHON, "-c", asked, repr(tuple(sys.version_info[:2]))], capture_output=True, text=True, check=False
        )
        if answer.stdout.strip() == "True":
            return
    if ENVIRONMENT.exists():
        print("the .venv here is incomplete or of another Python: making it anew", file=sys.stderr)
        shutil.rmtree(ENVIRONMENT)
    venv.EnvBuilder(with_pip=True, symlinks=True).create(ENVIRONMENT)


def _install_by_uv(wanted: str) -> bool:
    uv = ENVIRONMENT / "bin" / "uv"
    if not uv.exists() and not _run([PYTHON, "-m", "pip", "install", "-q", "-c", CONSTRAINTS, "uv"]):
        print("uv cannot be installed: pip takes its place, which is slower", file=sys.stderr)
        return False
    # A machine's own certificates count for pip through its configuration; uv must be told.
    environment = {"UV_SYSTEM_CERTS": "1", **os.environ}
    return _run([uv, "pip", "install", "--python", PYTHON, "-c", CONSTRAINTS, "-e", wanted], environment)


def _install_by_pip(wanted: str) -> bool:
    return _run([PYTHON, "-m", "pip", "install", "-c", CONSTRAINTS, "-e", wanted])


def _run(command: Sequence[str | Path], environment: dict[str, str] | None = None) -> bool:
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
