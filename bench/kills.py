"""Kill a writing process, or the server under it, at random moments, and look at what is left."""

from __future__ import annotations

import random
import time

from circuit_atlas.cypher import connect
from circuit_atlas.cypher.neo4j_server import Neo4jServer
from tests.stores.processes import drain, said, worker
from tests.stores.versions import look

LONGEST = 0.6
"""Seconds after its first word that a worker lives at most; some two writes of the embedded store."""


def survived(url: str, moments: int, server: Neo4jServer | None = None) -> int:
    """At how many of the moments the store opened, held whole circuits only, and all that had returned.

    With a server, every fifth moment kills the server itself (SIGKILL) and starts it again; the others kill the client.
    """
    chance = random.Random(0)
    return sum(_moment(url, number, chance, server) for number in range(moments))


def _moment(url: str, number: int, chance: random.Random, server: Neo4jServer | None) -> bool:
    role = ("write", "delete")[number % 2]
    first = 10 * number + 1
    with worker(role, url, first) as killed:
        begun = said(killed)
        time.sleep(chance.uniform(0.0, LONGEST))
        if server is not None and number % 5 == 0:
            server.kill()
        killed.kill()
        lines = [begun, *(line for line in drain(killed) if line.split()[0] in BEFORE)]
    if server is not None and number % 5 == 0:
        server.start()
    try:
        with connect(url) as store:
            return whole_or_absent(lines, look(store)) and store.check() == []
    except AssertionError:
        return False


BEFORE = ("writing", "wrote", "deleting", "deleted")


def whole_or_absent(lines: list[str], seen: int | None) -> bool:
    """Whether what had returned is there, and what had begun is there whole or not at all."""
    if len(lines) == 1:
        return True  # before the first write returned, what the last moment left may still be there
    step, number = lines[-1].split()
    allowed: dict[str, set[int | None]] = {
        "writing": {None, int(number) - 1, int(number)},
        "wrote": {int(number)},
        "deleting": {int(number), None},
        "deleted": {None},
    }
    return seen in allowed[step]
