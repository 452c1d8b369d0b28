"""Prompts of 1,024 tokens: peak memory of node effects and edges beside the model's weights, against the budget.

A model of Pythia-70M's shape with 19 dictionaries of width 32,768 and the default budget, through the public
`discover`, each in a process of its own: a pair, and a single prompt whose units are set to zero. One step of `ig`
holds what ten hold, for one sequence runs at a time. Peaks are resident memory above that after the imports, so that
Python's own objects, the tokenizer and freed memory that the heap keeps count too.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from bench.figure import Figure, at_most
from bench.scale import measured
from bench.workload import Workload, make
from circuit_atlas.ingest.budget import DEFAULT

MOST = 1.2
"""The budget is kept to within a fifth."""
NODES = 200


def run(quick: bool) -> list[Figure]:
    """Measure attribution patching and integrated gradients on a pair, and a single prompt (quick: narrow, shorter)."""
    length = 512 if quick else 1_024
    with tempfile.TemporaryDirectory() as name:
        made = make(Path(name), features=2_048, vocabulary=2_000, active=40) if quick else make(Path(name))
        pair = made.examples(1, length)
        single = _without_patch(made, pair)
        return [
            *_figures("pair, ig", made, pair, method="ig", steps=1),
            *_figures("pair, atp", made, pair, method="atp"),
            *_figures("single prompt, ig", made, single, method="ig", steps=1),
        ]


def _figures(name: str, made: Workload, examples: Path, **settings: Any) -> list[Figure]:
    found = measured("engine", made, str(examples), max_nodes=NODES, **settings)
    nodes, both = (found[key] - found["weights"] for key in ("memory at nodes", "memory"))
    return [
        at_most(f"{name}: peak of nodes over the budget", nodes / DEFAULT, "", MOST),
        at_most(f"{name}: peak of nodes and edges over the budget", both / DEFAULT, "", MOST),
        at_most(f"{name}: peak in all, imports and model too", found["imports"] + found["memory"], "GB", 8.0),
    ]


def _without_patch(made: Workload, pairs: Path) -> Path:
    """The clean prompts of a file of pairs."""
    rows = [json.loads(line) for line in pairs.read_text(encoding="utf-8").splitlines()]
    kept = [{key: value for key, value in row.items() if key.startswith("clean")} for row in rows]
    file = made.folder / f"single-{pairs.name}"
    file.write_text("\n".join(map(json.dumps, kept)) + "\n", encoding="utf-8")
    return file
