"""The command line: each command parses, calls the library and converts errors; nothing here computes."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `circuit-atlas` with the arguments of this process and leave with its exit code."""
    try:
        from circuit_atlas.cli.run import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while still importing
        print("circuit-atlas: interrupted", file=sys.stderr)
        code = 2
    sys.exit(code)
