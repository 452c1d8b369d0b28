"""Put the real output of commands into the docs.

A fenced block marked `console` holds commands after `$ ` and what they printed. This runs each command, in the order of
the page, and writes what it prints beneath it:

    python -m scripts.doc_output docs/findings.md README.md

Every page has a store of its own: a copy of what `circuit-atlas demo` makes, made once in a temporary folder, or of the
store given by `--store`, which stays as it is. So a page does not depend on other pages, nor on what its own later
blocks write, and a second run gives the same page.

`$ make demo` stands for the demo itself: what it prints after set-up.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

_BLOCK = re.compile(r"(?<=```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> None:
    """Rewrite the console blocks of the files named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, help="store that `circuit-atlas demo` made; without it: made now")
    parser.add_argument("files", nargs="+", type=Path)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        store = given.store or Path(folder) / "made" / "atlas.lbug"
        if given.store is None:
            store.parent.mkdir()
            _output("circuit-atlas demo", str(store))
        for number, file in enumerate(given.files):
            own = _copied(store, Path(folder) / str(number))
            text = file.read_text(encoding="utf-8")
            file.write_text(_page(text, str(own)), encoding="utf-8")


def _copied(store: Path, folder: Path) -> Path:
    """Copy an embedded store, with the files that the engine keeps beside it."""
    folder.mkdir()
    for file in store.parent.glob(f"{store.name}*"):
        shutil.copy(file, folder)
    return folder / store.name


def _page(text: str, store: str) -> str:
    return _BLOCK.sub(lambda block: renewed(block[0], store), text)


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
    text = done.stdout.strip("\n").replace(
        f"{Path(store).parent}{os.sep}", ""
    )  # a reader's store lies in his own folder
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


if __name__ == "__main__":
    main()
