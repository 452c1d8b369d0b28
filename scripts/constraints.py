"""Renew constraints.txt: the newest versions that pyproject.toml allows, for every Python that it allows.

Needs the network. Run the whole test suite afterwards; docs/development.md says when to do this.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# The versions that the tests pass with, one a line; `make setup` installs within them.
# Renewed by `make constraints` (docs/development.md says when and how), never by hand.
"""


def main() -> int:
    """Resolve anew and write the pins; returns the exit status."""
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "compile", "--quiet", "--upgrade", "--universal", "--python-version", "3.11"]
    command += ["--no-annotate", "--no-header", "--no-emit-index-url", "--extra", "dev", "pyproject.toml", "-"]
    resolved = subprocess.run(command, cwd=ROOT, input="uv\n", stdout=subprocess.PIPE, text=True, check=False)
    if resolved.returncode:
        return resolved.returncode
    own = re.compile(r"^(-e|\.|circuit-atlas)")
    pins = [line for line in resolved.stdout.splitlines() if line and not own.match(line)]
    (ROOT / "constraints.txt").write_text(HEADER + "\n".join(sorted(pins, key=str.lower)) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
