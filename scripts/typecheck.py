"""Type-check everything by mypy, strictly, under the names that users import.

The top-level folders `ingest`, `cypher`, `analysis` and `dashboard` are installed as `circuit_atlas.ingest` and so on,
which mypy cannot know from the layout. So it runs over a tree of links, `build/types`, that has the installed layout;
paths in its messages are turned back into those of the checkout.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "build" / "types"
MAPPED = ("ingest", "cypher", "analysis", "dashboard")
BESIDE = ("bench", "scripts", "tests")


def main() -> int:
    """Lay out the tree, run mypy on it and return its exit status."""
    _lay_out()
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml")]
    command += ["--cache-dir", str(ROOT / ".mypy_cache"), "circuit_atlas"]
    command += [name for name in BESIDE if any((ROOT / name).rglob("*.py"))]
    checked = subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=False)
    sys.stdout.write(re.sub(rf"^circuit_atlas/(?=(?:{'|'.join(MAPPED)})/)", "", checked.stdout, flags=re.MULTILINE))
    sys.stderr.write(checked.stderr)
    return checked.returncode


def _lay_out() -> None:
    shutil.rmtree(TREE, ignore_errors=True)
    package = TREE / "circuit_atlas"
    package.mkdir(parents=True)
    for entry in (ROOT / "circuit_atlas").iterdir():
        if entry.name != "__pycache__":
            (package / entry.name).symlink_to(entry)
    for name in MAPPED:
        (package / name).symlink_to(ROOT / name)
    for name in BESIDE:
        (TREE / name).symlink_to(ROOT / name)


if __name__ == "__main__":
    sys.exit(main())
