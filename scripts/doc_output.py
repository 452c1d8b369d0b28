"""Put the real output of commands into the docs.

A fenced block marked `console` holds commands after `$ ` and what they printed. This runs each command on a store that
`circuit-atlas demo` made and writes what it prints beneath it:

    circuit-atlas demo --store demo.lbug
    python -m scripts.doc_output --store demo.lbug README.md docs/graph.md

`$ make demo` stands for the demo itself: what it prints after set-up.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_BLOCK = re.compile(r"(?<=```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Rewrite the console blocks of the files named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", required=True, help="store that `circuit-atlas demo` made")
    parser.add_argument("files", nargs="+", type=Path)
    given = parser.parse_args()
    for file in given.files:
        text = file.read_text(encoding="utf-8")
        file.write_text(_BLOCK.sub(lambda block: renewed(block[0], given.store), text), encoding="utf-8")


def renewed(block: str, store: str) -> str:
    """Return a block with each of its commands followed by what it prints now."""
    return "\n".join(f"$ {command}\n{_output(command, store)}" for command in commands(block))


def commands(block: str) -> Iterator[str]:
    """Give the commands of a block; one with an open quote goes on in the next line."""
    command = ""
    for line in block.splitlines():
        if line.startswith("$ "):
            command = line[2:]
        elif command:
            command += "\n" + line
        if command and _is_whole(command):
            yield command
            command = ""


def _is_whole(command: str) -> bool:
    try:
        return bool(shlex.split(command))
    except ValueError:
        return False


def _output(command: str, store: str) -> str:
    run = "circuit-atlas demo" if command == "make demo" else command
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"CIRCUIT_ATLAS_STORE": store, "PATH": path}
    done = subprocess.run(["bash", "-c", run], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.strip("\n").splitlines())


if __name__ == "__main__":
    main()
