"""One measured discovery in a process of its own, so that its memory is its own: prints a JSON object.

`python -m bench.scale_run engine FOLDER EXAMPLES [SETTING=VALUE ...]` goes through the public `discover`;
`python -m bench.scale_run literal FOLDER EXAMPLES` through `bench.literal`: the published algorithm, parameters frozen,
examples batched, dictionaries and states computed once, one backward pass for each downstream node and pair of sites.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sae_lens  # noqa: F401  # what is imported before counts as imports, not as the work's memory
import torch
import transformer_lens.model_bridge  # noqa: F401

import circuit_atlas.ingest.discovery
from bench import literal
from circuit_atlas.ingest import DiscoverSettings, discover
from circuit_atlas.ingest.preparation import load, prepare
from circuit_atlas.ingest.settings import FIELDS
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.texts import read_texts
from circuit_atlas.progress import Advance

NODES, STEPS = 500, 10


class Stopwatch:
    """A reporter that keeps how long each task took (s; by the clock, of the processor), and the peak by then (GB)."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.processor: dict[str, float] = {}
        self.peak: dict[str, float] = {}

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        """Time one task."""
        start, processor = time.perf_counter(), time.process_time()
        yield lambda steps: None
        self.seconds[title] = time.perf_counter() - start
        self.processor[title] = time.process_time() - processor
        self.peak[title] = _resident("VmHWM")

    def note(self, line: str) -> None:
        """Random weights deserve every warning: say none."""


def settings_for(folder: Path, examples: str, **more: Any) -> DiscoverSettings:
    """Integrated gradients at ten points, 500 nodes, nothing measured."""
    common: dict[str, Any] = {"max_nodes": NODES, "steps": STEPS, "held_out_share": 0.0, "measure_thresholds": 0}
    return DiscoverSettings(
        model=str(folder / "model"),
        dictionaries=str(folder / "dictionaries"),
        examples=examples,
        task="bench",
        **{**common, "n_examples": 0, **more},
    )


def engine(folder: Path, examples: str, **more: Any) -> dict[str, Any]:
    """Discover, and tell seconds, peak memory above that after the imports (GB) and the matrix rate (GFLOP/s)."""
    before, watch = _resident("VmRSS"), Stopwatch()
    start = time.perf_counter()
    found = discover(settings_for(folder, examples, **more), reporter=watch)
    seconds = time.perf_counter() - start
    peak = _resident("VmHWM") - before
    active = [float(row["mean_active"]) for row in found.rows.nodes["Candidates"]]
    return {
        "nodes": watch.seconds["node effects"],
        "edges": watch.seconds["edge weights"],
        "processor": {"nodes": watch.processor["node effects"], "edges": watch.processor["edge weights"]},
        "exact edges": watch.seconds.get("exact effects of edges"),
        "total": seconds,
        "memory": peak,
        "memory at nodes": watch.peak["node effects"] - before,
        "weights": sum(file.stat().st_size for file in (folder / "model").glob("*.safetensors")) / 1e9,
        "imports": before,
        "n_nodes": found.summary["n_nodes"],
        "n_edges": found.summary["n_edges"],
        "active": sum(active) / len(active),
        "matrix": matrix_rate(),
    }


def literally(folder: Path, examples: str) -> dict[str, Any]:
    """Do the same by the definitions."""
    settings = settings_for(folder, examples, memory=64.0)
    work = prepare(settings, read_texts(settings), load(settings))
    (batch,), subject = work.batches(work.data.train), work.subject
    alphas = [k / STEPS for k in range(STEPS)]
    start = time.perf_counter()
    ends = literal.both_states(subject, batch)
    effects = {site: literal.node_effects(subject, batch, site, alphas, ends) for site in subject.dictionaries}
    nodes = time.perf_counter() - start
    mean = {site: effect.mean(0) for site, effect in effects.items()}
    floor = torch.cat([m.abs().flatten() for m in mean.values()]).topk(NODES + 1).values[-1]
    start = time.perf_counter()
    backward = 0
    for up, down in _direct(list(subject.dictionaries)):
        place, unit = torch.nonzero(mean[down].abs() > floor, as_tuple=True)
        wanted = list(zip(unit.tolist(), place.tolist(), strict=True))
        outer = literal.mean_gradients(subject, batch, down, [0.0], ends)
        backward += sum(1 for _ in literal.edges_into(subject, batch, up, down, wanted, outer, ends))
    return {"nodes": nodes, "edges": time.perf_counter() - start, "backward passes": backward}


def _direct(sites: list[Site]) -> list[tuple[Site, Site]]:
    """Pairs of sites that are connected directly in a parallel block: the fewest that the definition needs."""
    residual = {s.layer: s for s in sites if s.component in ("resid", "embed")}
    pairs = []
    for site in sites:
        if site.component != "embed":
            pairs.append((residual[site.layer - 1], site))
        if site.component == "resid":
            pairs += [(other, site) for other in sites if other.layer == site.layer and other < site]
    return pairs


def matrix_rate(size: int = 2_048, seconds: float = 1.0) -> float:
    """GFLOP/s of float32 matrix products of this machine, the best of as many as fit in about `seconds`."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def _resident(name: str) -> float:
    """Resident memory of this process (GB): `VmRSS` now, `VmHWM` at its peak; off Linux both are the peak."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
    (line,) = (line for line in status.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024 / 1e9


def _value(text: str, name: str) -> Any:
    kind = str(FIELDS[name].type)
    return int(text) if kind == "int" else float(text) if kind == "float" else text


def main(arguments: list[str]) -> None:
    """Measure what the command line asks for."""
    assert circuit_atlas.ingest.discovery
    what, folder, examples, *more = arguments
    if what == "literal":
        found = literally(Path(folder), examples)
    else:
        pairs = (setting.split("=", 1) for setting in more)
        found = engine(Path(folder), examples, **{name: _value(text, name) for name, text in pairs})
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
