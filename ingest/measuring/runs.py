"""Run node sets on examples and put what comes out into rows: m(C), m(∅), m(M∖C), faithfulness, completeness.

Sources: Marks et al. (ICLR 2025), section 4, Eq. 6; docs/method.md says what else the figures depend on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from circuit_atlas.cypher.defined import least_span
from circuit_atlas.ingest.ablation import run_ablated, sets_at_once
from circuit_atlas.ingest.baselines import Values
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.evaluation import evaluate
from circuit_atlas.ingest.measuring.circuit import MeasuredCircuit
from circuit_atlas.ingest.measuring.conditions import Errors
from circuit_atlas.ingest.measuring.node_sets import (
    UnitSet,
    digest,
    masks,
    random_circuit,
    size,
    strongest,
    treat_errors,
)
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.subject import Subject
from circuit_atlas.progress import Advance

BaselinesOf = Callable[[Batch], Mapping[Site, Values]]
"""What ablated units are set to on a batch."""


@dataclass(frozen=True)
class Run:
    """One node set to run, and what it is measured as.

    Attributes:
        kind: circuit, or random.
        threshold: nodes of larger absolute effect are in it (units of the metric).
        errors: what was done with error units.
        seed: of a random circuit.
        kept: the units that compute.
        complement: all others, where completeness is wanted.
        empty: the units that compute in m(∅).

    """

    kind: str
    threshold: float
    errors: Errors
    seed: int | None
    kept: UnitSet
    complement: UnitSet | None
    empty: UnitSet

    @property
    def sets(self) -> list[UnitSet]:
        """Everything that is run for it."""
        return [self.kept, self.empty] if self.complement is None else [self.kept, self.empty, self.complement]


def plan_runs(
    circuit: MeasuredCircuit,
    sites: Sequence[Site],
    widths: Mapping[Site, int],
    thresholds: Sequence[float],
    errors: Sequence[Errors],
    random_seeds: Sequence[int],
    *,
    ablate_random: bool = False,
) -> list[Run]:
    """At each threshold and under each treatment of errors the circuit, and random ones with the same errors.

    `ablate_random` says whether the random ones are ablated too, under the same treatment of errors.
    """
    runs = []
    for threshold in thresholds:
        named = strongest(circuit, sites, widths, threshold)
        for mode in errors:
            trio = treat_errors(named, mode)
            runs.append(Run("circuit", threshold, mode, None, trio.circuit, trio.complement, trio.empty))
            for seed in random_seeds:
                drawn = treat_errors(random_circuit(circuit, trio.circuit, seed), mode)
                rest = drawn.complement if ablate_random else None
                runs.append(Run("random", threshold, mode, seed, drawn.circuit, rest, trio.empty))
    return runs


@dataclass(frozen=True)
class Ran:
    """Metric on every example, by what was run.

    Attributes:
        full: of the whole model.
        of: of each node set, by its digest.

    """

    full: Float[Tensor, " example"]
    of: Mapping[str, Float[Tensor, " example"]]

    def __getitem__(self, units: UnitSet) -> Float[Tensor, " example"]:
        """Return the metric with some units left to compute."""
        return self.of[digest(units)]


def run_sets(
    subject: Subject, batches: Sequence[Batch], sets: Sequence[UnitSet], baselines: BaselinesOf, advance: Advance
) -> Ran:
    """Run every node set on every example, each only once; several sets share a pass.

    `advance` is called with the number of examples a batch held.
    """
    distinct = {digest(units): units for units in sets}
    names, count = list(distinct), sum(len(batch.clean) for batch in batches)
    found, full = torch.zeros(len(names), count), torch.zeros(count)
    with torch.no_grad():
        for batch in batches:
            at, values = batch.indices.cpu(), baselines(batch)
            full[at] = evaluate(subject.model, subject.metric, batch).float().cpu()
            together = sets_at_once(batch)
            for start in range(0, len(names), together):
                whole = [masks(distinct[name], subject.model.device) for name in names[start : start + together]]
                rows = torch.arange(start, start + len(whole))
                found[rows[:, None], at] = run_ablated(subject, batch, whole, values).float().cpu()
            advance(len(batch.clean))
    return Ran(full, dict(zip(names, found, strict=True)))


def to_rows(runs: Sequence[Run], ran: Ran, common: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of `Measurement` without key, one a run; `common` is what they all hold."""
    return [_row(run, ran) | dict(common) for run in runs]


def _row(run: Run, ran: Ran) -> dict[str, Any]:
    values, empty = ran[run.kept], ran[run.empty]
    complement = None if run.complement is None else ran[run.complement]
    return {
        "kind": run.kind,
        "node_threshold": run.threshold,
        "n_nodes": size(run.kept),
        "errors": run.errors,
        "seed": run.seed,
        **figures(values, empty, ran.full, complement),
    }


def figures(
    values: Tensor, empty: Tensor, full: Tensor, complement: Tensor | None = None
) -> dict[str, float | list[float] | None]:
    """Means, quotients and the metric of every example, as a measurement holds them."""
    return {
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


def ratio(values: Tensor, empty: Tensor, full: Tensor) -> float | None:
    """(m - m(∅)) / (m(M) - m(∅)) of the means; None where the two ends are the same and it is undefined."""
    span = float(full.mean() - empty.mean())
    if abs(span) <= least_span(float(full.abs().mean())):
        return None
    return float(values.mean() - empty.mean()) / span
