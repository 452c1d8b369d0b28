"""Node effects and edges of a model of Pythia-70M's shape: seconds, memory, arithmetic, and against the definitions.

Four pairs of seven tokens, 19 dictionaries of width 32,768 with about 75 active features, 500 nodes, through the public
`discover`, in a process of its own. Useful work is what the definition needs and no more:

- two runs for the ends, one run and backward pass at clean: all blocks;
- `ig`: at each of N points and each site, a forward and backward pass of the blocks after that site (in a parallel
  block attention and MLP are followed by the blocks after theirs);
- two encodings of each site, once;
- no gradients of parameters; of the logits, those that the metric reads, which is nothing beside the rest.

Of this the engine itself saves two parts: at α = 0 the gradient of every site is that of the one pass at clean, and
the last block's MLP reads the last position alone where the metric does. The share is told for both: for the work of
the definition, by which times are to be compared, and for what is left of it.

A block costs 2·(4·d² + 2·d·d_mlp) operations a token for its matrices and 4·S·d for S positions of attention; a
backward pass to the activations costs as much for the matrices and twice as much for attention.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.figure import Figure, at_least, at_most, between
from bench.workload import LAYERS, WIDTH, Workload, make
from circuit_atlas.errors import AtlasError

EXAMPLES, LENGTH, STEPS = 4, 7, 10


def run(quick: bool) -> list[Figure]:
    """Measure the engine and the definitions, one after the other.

    Quick: dictionaries of width 2,048, and no figures that compare: at that size all is overhead.
    """
    with tempfile.TemporaryDirectory() as name:
        made = make(Path(name), features=2_048, vocabulary=2_000, active=40) if quick else make(Path(name))
        examples = str(made.examples(EXAMPLES, LENGTH))
        ours = measured("engine", made, examples)
        literal = {} if quick else measured("literal", made, examples)
    found = [
        between("features active on a token", ours["active"] / LENGTH, "", 30 if quick else 60, 60 if quick else 90),
        at_most("nodes", ours["nodes"], "s", 6.0),
        at_most("edges", ours["edges"], "s", 0.6),
        at_most("peak memory above the imports", ours["memory"], "GB", 0.7),
    ]
    if quick:
        return found
    rate = useful_work(made.features) / ours["nodes"] / 1e9
    left = useful_work(made.features) - saved_work()
    return [
        *found,
        at_least("nodes, times faster than the definitions", literal["nodes"] / ours["nodes"], "", 4.0),
        at_least("edges, times faster than the definitions", literal["edges"] / ours["edges"], "", 100.0),
        at_least("useful work of nodes, share of the matrix rate", rate / ours["matrix"], "", 0.35),
        at_least("the same of the work that is left", left / ours["nodes"] / 1e9 / ours["matrix"], "", 0.25),
    ]


def measured(what: str, made: Workload, examples: str, *, threads: int = 0, **more: Any) -> dict[str, Any]:
    """Run `bench.scale_run` in a process of its own (with so many threads; 0: as it likes); returns what it prints."""
    settings = [f"{key}={value}" for key, value in more.items()]
    command = [sys.executable, "-m", "bench.scale_run", what, str(made.folder), examples, *settings]
    # Finished batches lie beside the workload: what an interrupted measurement left must not make this one fast.
    environment = os.environ | {"CIRCUIT_ATLAS_CACHE": str(made.folder / "unfinished")}
    environment |= {"OMP_NUM_THREADS": str(threads)} if threads else {}
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1], env=environment
    )
    if ran.returncode:
        raise AtlasError(f"the measured run failed: {ran.stderr.strip().splitlines()[-1]}")
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def useful_work(features: int, examples: int = EXAMPLES, length: int = LENGTH, steps: int = STEPS) -> float:
    """Floating-point operations that node effects by `ig` need on this workload."""
    tokens = examples * length
    matrices, attention = 2 * (4 * WIDTH**2 + 2 * WIDTH * 4 * WIDTH), 4 * length * WIDTH
    forward, both = matrices + attention, 2 * matrices + 3 * attention
    after = LAYERS + 3 * sum(range(LAYERS))  # the embedding; attention, MLP and stream of each layer
    encodings = 2 * (1 + 3 * LAYERS) * 2 * WIDTH * features
    return float(tokens * (steps * after * both + 2 * LAYERS * forward + LAYERS * both + encodings))


def saved_work(examples: int = EXAMPLES, length: int = LENGTH, steps: int = STEPS) -> float:
    """Floating-point operations of these that the engine does without."""
    matrices, attention, mlp = 2 * (4 * WIDTH**2 + 2 * WIDTH * 4 * WIDTH), 4 * length * WIDTH, 2 * 2 * WIDTH * 4 * WIDTH
    after, through_last = LAYERS + 3 * sum(range(LAYERS)), 1 + 3 * (LAYERS - 1)
    first = examples * length * after * (2 * matrices + 3 * attention)
    last = examples * (length - 1) * (steps - 1) * through_last * 2 * mlp
    return float(first + last)
