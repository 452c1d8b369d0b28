"""The demo on this machine: time after set-up, and what its circuits explain.

A circuit counts with at most a quarter as many nodes as are active on one example, on held-out examples.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figure import Figure, at_least, at_most
from circuit_atlas.analysis import faithfulness_table
from circuit_atlas.cli.headline import headline
from circuit_atlas.cli.output import records
from circuit_atlas.cypher import Store, connect
from circuit_atlas.errors import AtlasError


def run(quick: bool) -> list[Figure]:
    """Run the demo as a user does, then ask its store; there is nothing quicker that would say as much."""
    with tempfile.TemporaryDirectory(prefix="circuit-atlas-bench-") as folder:
        url = f"ladybug:{Path(folder) / 'demo.lbug'}"
        begun = time.perf_counter()
        command = [str(Path(sys.executable).with_name("circuit-atlas")), "demo", "--store", url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begun
        if done.returncode:
            raise AtlasError(f"the demo failed: {done.stderr.strip().splitlines()[-1]}")
        with connect(url) as store:
            return [at_most("demo after set-up", seconds, "s", 180.0), *_explained(store)]


def _explained(store: Store) -> list[Figure]:
    names = store.query("circuits")["name"].tolist()
    told = [headline(records(faithfulness_table(store, name, own=True))) for name in names]
    faithful = [t for t in told if 0.8 <= t["faithfulness"] <= 1.2 and t["low"] >= 0.7]
    above = [t for t in faithful if t["faithfulness"] > t["random_95"]]
    bare = [t for t in told if t["without_errors"] >= 0.5]
    return [
        at_least("tasks", len(names), "", 6),
        at_least("tasks with faithfulness 0.8 to 1.2, lower bound 0.7, above random", len(above), "", 6),
        at_least("tasks with faithfulness 0.5 without errors", len(bare), "", 4),
    ]
