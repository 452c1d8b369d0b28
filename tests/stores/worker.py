"""Another process: `python -m tests.stores.worker ROLE URL [NUMBER]`; it says each step on its output.

Roles: write (versions NUMBER, NUMBER + 1, … for ever), delete (writes and deletes in turn), read (looks for ever), hold
(holds the embedded file for writing until its input ends).
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from circuit_atlas.cypher import connect
from circuit_atlas.cypher.ladybug.lock import FileLock
from tests.stores.versions import look, version


def main(role: str, url: str, first: int) -> None:
    """Do what the role says."""
    if role == "hold":
        with FileLock(Path(url.partition(":")[2]), wait=5).exclusive():
            say("holding")
            sys.stdin.read()
        return
    with connect(url) as store:
        for number in itertools.count(first):
            if role == "read":
                say(f"saw {look(store)}")
                continue
            say(f"writing {number}")
            store.write([version(number)])
            say(f"wrote {number}")
            if role == "delete":
                say(f"deleting {number}")
                store.delete_circuit(version(number).circuit_id)
                say(f"deleted {number}")


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0)
