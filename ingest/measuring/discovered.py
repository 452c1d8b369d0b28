"""What discovery measures of the circuit that it found: a few sizes, without errors, beside random circuits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from circuit_atlas.ingest.ablation import ablated_sites
from circuit_atlas.ingest.baselines import MeanBaselines, inputs
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.measuring.circuit import MeasuredCircuit
from circuit_atlas.ingest.measuring.grid import first_sizes, thresholds_of
from circuit_atlas.ingest.measuring.rows import data_digest
from circuit_atlas.ingest.measuring.runs import plan_runs, run_sets, to_rows
from circuit_atlas.ingest.preparation import Work
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.progress import Reporter


def measure_discovered(
    work: Work, circuit: MeasuredCircuit, train: Sequence[Batch], settings: DiscoverSettings, reporter: Reporter
) -> list[dict[str, Any]]:
    """Measure on held-out examples, ablating to means over the training inputs; rows of `Measurement` without key.

    At each of `settings.measure_thresholds` sizes stand the circuit with the errors it has, `random_circuits` random
    ones with the same errors, and the circuit without errors.
    """
    subject, held_out = work.subject, work.batches(work.data.held_out)
    sites = ablated_sites(list(subject.dictionaries), settings.start_layer)
    widths = {site: subject.dictionaries[site].d_sae for site in sites}
    ranked, universe = circuit.ranked(sites), circuit.universe(sites)
    sizes = first_sizes(settings.measure_thresholds, universe, len(ranked))
    thresholds = thresholds_of(ranked, sizes, circuit.floor)
    seeds = range(settings.seed, settings.seed + settings.random_circuits)
    runs = plan_runs(circuit, sites, widths, thresholds, ["default"], seeds)
    runs += plan_runs(circuit, sites, widths, thresholds, ["remove"], [])
    means = MeanBaselines(subject.model, subject.dictionaries, sites, inputs(train))
    with reporter.task("faithfulness", sum(len(batch.clean) for batch in held_out)) as advance:
        wanted = [units for run in runs for units in run.sets]
        ran = run_sets(subject, held_out, wanted, lambda batch: means.of_length(batch.clean.shape[1]), advance)
    common = {
        "n_active": universe,
        "ablation": "mean",
        "means_over": "clean+patch" if train[0].patch is not None else "clean",
        "start_layer": settings.start_layer,
        "level": settings.positions,
        "split": "held-out",
        "items": items_of(held_out),
        "n_examples": len(ran.full),
        "data_digest": data_digest(work.data.train, work.data.held_out),
    }
    return to_rows(runs, ran, common)


def items_of(batches: Sequence[Batch]) -> list[int]:
    """Number of each example's item, in the order of the data."""
    pairs = [pair for batch in batches for pair in zip(batch.indices.tolist(), batch.items.tolist(), strict=True)]
    return [item for _, item in sorted(pairs)]
