"""The shipped model: a whole circuit of 100 examples, and exact effects of its 1,000 strongest edges."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.figure import Figure, at_most
from circuit_atlas.errors import AtlasError
from circuit_atlas.shipped_files import dictionaries_path, model_path, tasks

TASK = "sva/nounpp"


def run(quick: bool) -> list[Figure]:
    """Time node effects with edges, then exact effects of edges, in processes of their own."""
    plain = _measured(n_examples=20 if quick else 100)
    exact = _measured(n_examples=20, exact_edges=100 if quick else 1_000, exact_examples=8)
    return [
        at_most("nodes and edges of 100 examples", plain["nodes"] + plain["edges"], "s", 5.0),
        at_most("exact effects of the 1,000 strongest edges, 8 examples", exact["exact edges"], "s", 20.0),
    ]


def _measured(**settings: Any) -> dict[str, Any]:
    (task,) = (task for task in tasks() if task.id == TASK)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").symlink_to(model_path())
        (folder / "dictionaries").symlink_to(dictionaries_path())
        given = [f"{key}={value}" for key, value in {"max_nodes": 1_000, **settings}.items()]
        command = [sys.executable, "-m", "bench.scale_run", "engine", name, str(task.train), *given]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    if ran.returncode:
        raise AtlasError(f"the measured run failed: {ran.stderr.strip().splitlines()[-1]}")
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found
