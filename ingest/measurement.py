"""Measure a circuit: faithfulness and completeness at several node thresholds, beside what they must be compared with.

At each threshold stand the circuit, the circuit without errors, and random circuits with the same errors: at every site
and position as many features as the circuit has, drawn from those active on the data with probability by frequency.
Sources: Marks et al. (ICLR 2025), section 4, Eq. 6; docs/method.md says what else the figures depend on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from circuit_atlas.ingest.ablation import NodeSet, ablated_sites, run_ablated
from circuit_atlas.ingest.active import ActiveFeatures
from circuit_atlas.ingest.baselines import MeanBaselines, inputs
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.evaluation import evaluate
from circuit_atlas.ingest.selection import SiteNodes
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.subject import Subject
from circuit_atlas.progress import Advance, Reporter

SHARES = (0.25, 0.125, 0.5, 0.0625, 1.0)
"""Circuit sizes measured, as shares of the number of units active on one example, in the order they are chosen."""

_DEFINED = 1e-6
"""Least |m(M) - m(∅)|, relative to |m(M)|, at which faithfulness is defined."""


@dataclass(frozen=True)
class Circuit:
    """What is measured.

    Attributes:
        nodes: the stored nodes.
        candidates: for each site, features active on the data.
        n_active: mean number of units active on one example at each site.
        places: rows of a node set: number of positions, or 1 where they are summed.

    """

    nodes: Mapping[Site, SiteNodes]
    candidates: Mapping[Site, ActiveFeatures]
    n_active: Mapping[Site, float]
    places: int


def measure(
    subject: Subject,
    circuit: Circuit,
    train: Sequence[Batch],
    held_out: Sequence[Batch],
    settings: DiscoverSettings,
    reporter: Reporter,
) -> list[dict[str, Any]]:
    """Rows of `Measurement` (without key) on the held-out batches; means over the clean and patch inputs of `train`."""
    sites = ablated_sites(list(subject.dictionaries), settings.start_layer)
    thresholds = _thresholds(circuit, sites, settings.measure_thresholds)
    runs = _runs(subject, circuit, sites, thresholds, settings)
    with reporter.task("faithfulness", len(held_out)) as advance:
        metrics = _run_all(
            subject,
            held_out,
            [run.kept for run in runs],
            MeanBaselines(subject.model, subject.dictionaries, sites, inputs(train)),
            advance,
        )
        full = _full(subject, held_out)
    common = {
        "n_active": sum(circuit.n_active[site] for site in sites),
        "ablation": "mean",
        "means_over": "clean+patch" if train[0].patch is not None else "clean",
        "start_layer": settings.start_layer,
        "split": "held-out",
        "n_examples": len(full),
    }
    return _rows(runs, metrics, full, common)


@dataclass(frozen=True)
class _Run:
    """One node set to run, and what it is."""

    what: str
    threshold: float
    errors: str
    seed: int | None
    kept: NodeSet

    @property
    def size(self) -> int:
        return sum(int(mask.sum()) for mask in self.kept.values())


def _thresholds(circuit: Circuit, sites: Sequence[Site], count: int) -> list[float]:
    """Node thresholds that leave the wanted shares of the units active on one example, fewest nodes first."""
    sizes = [circuit.nodes[site].effect.abs() for site in sites if site in circuit.nodes]
    ranked = torch.cat(sizes).sort(descending=True).values if sizes else torch.zeros(0)
    universe = sum(circuit.n_active[site] for site in sites)
    counts = sorted({min(int(share * universe), len(ranked)) for share in SHARES[:count]} - {0})
    below = torch.cat([ranked, ranked.new_zeros(1)])
    return [float((below[n - 1] + below[n]) / 2) for n in counts]


def _runs(
    subject: Subject, circuit: Circuit, sites: Sequence[Site], thresholds: Sequence[float], settings: DiscoverSettings
) -> list[_Run]:
    empty = _node_set(subject, circuit, sites, float("inf"))
    runs = [_Run("empty", float("inf"), "default", None, empty)]
    for threshold in thresholds:
        kept = _node_set(subject, circuit, sites, threshold)
        without = _without_errors(kept)
        runs.append(_Run("circuit", threshold, "default", None, kept))
        runs.append(_Run("complement", threshold, "default", None, {site: ~mask for site, mask in kept.items()}))
        runs.append(_Run("circuit", threshold, "remove", None, without))
        rest = _without_errors({site: ~mask for site, mask in kept.items()})
        runs.append(_Run("complement", threshold, "remove", None, rest))
        for number in range(settings.random_circuits):
            seed = settings.seed + number
            runs.append(_Run("random", threshold, "default", seed, random_circuit(circuit, kept, seed)))
    return runs


def _node_set(subject: Subject, circuit: Circuit, sites: Sequence[Site], threshold: float) -> dict[Site, Tensor]:
    found = {}
    for site in sites:
        mask = torch.zeros(circuit.places, subject.dictionaries[site].d_sae + 1, dtype=torch.bool)
        nodes = circuit.nodes.get(site)
        if nodes is not None:
            strong = nodes.effect.abs() > threshold
            place = nodes.units.position if nodes.units.position is not None else torch.zeros_like(nodes.units.unit)
            mask[place[strong], nodes.units.unit[strong]] = True
        found[site] = mask.to(subject.model.device)
    return found


def _without_errors(kept: NodeSet) -> dict[Site, Tensor]:
    found = {site: mask.clone() for site, mask in kept.items()}
    for mask in found.values():
        mask[:, -1] = False
    return found


def random_circuit(circuit: Circuit, kept: NodeSet, seed: int) -> dict[Site, Tensor]:
    """Node set with the errors of `kept`, and as many features at each site and position, drawn by frequency."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for site, mask in kept.items():
        drawn = torch.zeros_like(mask)
        drawn[:, -1] = mask[:, -1]
        candidates = circuit.candidates[site]
        for place in range(len(mask)):
            here = candidates.place == place
            count = min(int(mask[place, :-1].sum()), int(here.sum()))
            if count:
                chosen = torch.multinomial(candidates.frequency[here], count, generator=generator)
                drawn[place, candidates.feature[here][chosen].to(drawn.device)] = True
        found[site] = drawn
    return found


def _run_all(
    subject: Subject, batches: Sequence[Batch], sets: Sequence[NodeSet], baselines: MeanBaselines, advance: Advance
) -> Tensor:
    found = torch.zeros(len(sets), sum(len(b.clean) for b in batches))
    for batch in batches:
        means = baselines.of_length(batch.clean.shape[1])
        found[:, batch.indices.cpu()] = run_ablated(subject, batch, sets, means).float().cpu()
        advance(1)
    return found


def _full(subject: Subject, batches: Sequence[Batch]) -> Tensor:
    found = torch.zeros(sum(len(b.clean) for b in batches))
    with torch.no_grad():
        for batch in batches:
            found[batch.indices.cpu()] = evaluate(subject.model, subject.metric, batch).float().cpu()
    return found


def _rows(runs: Sequence[_Run], metrics: Tensor, full: Tensor, common: Mapping[str, Any]) -> list[dict[str, Any]]:
    empty = metrics[0]
    complements = {(r.threshold, r.errors): metrics[i] for i, r in enumerate(runs) if r.what == "complement"}
    rows = []
    for run, values in zip(runs, metrics, strict=True):
        if run.what not in ("circuit", "random"):
            continue
        complement = complements.get((run.threshold, run.errors)) if run.what == "circuit" else None
        row = {
            **common,
            "kind": run.what,
            "node_threshold": run.threshold,
            "n_nodes": run.size,
            "errors": run.errors,
            "seed": run.seed,
            "m_full": float(full.mean()),
            "m_empty": float(empty.mean()),
            "m_circuit": float(values.mean()),
            "m_complement": None if complement is None else float(complement.mean()),
            "faithfulness": ratio(values, empty, full),
            "completeness": None if complement is None else ratio(complement, empty, full),
            "full": full.tolist(),
            "empty": empty.tolist(),
            "circuit": values.tolist(),
            "complement": None if complement is None else complement.tolist(),
        }
        rows.append(row)
    return rows


def ratio(values: Tensor, empty: Tensor, full: Tensor) -> float | None:
    """(m - m(∅)) / (m(M) - m(∅)) of the means; None where the two ends are the same and it is undefined."""
    span = float(full.mean() - empty.mean())
    if abs(span) <= _DEFINED * max(1.0, abs(float(full.mean()))):
        return None
    return float(values.mean() - empty.mean()) / span
