"""Measure a stored circuit: over thresholds, treatments of errors and ablations, on its own examples or on others.

Stored nodes → node sets → runs of the model → rows of `Measurement`, with the metric of every example on each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from circuit_atlas.cypher.rows import Row
from circuit_atlas.cypher.store import Store
from circuit_atlas.errors import MeasureError
from circuit_atlas.ingest.measuring.conditions import Setting
from circuit_atlas.ingest.measuring.discovered import items_of
from circuit_atlas.ingest.measuring.edges import measure_edges, refuse_idle_active_sets
from circuit_atlas.ingest.measuring.grid import MIB_SHARES, sizes_by_share, spread_sizes, thresholds_of
from circuit_atlas.ingest.measuring.layout import Bench, baselines_of, lay_out
from circuit_atlas.ingest.measuring.rows import keyed
from circuit_atlas.ingest.measuring.runs import Run, plan_runs, run_sets, to_rows
from circuit_atlas.ingest.measuring.search import approach
from circuit_atlas.ingest.measuring.settings import MeasureSettings
from circuit_atlas.ingest.preparation import Loaded, load
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.progress import Reporter, Silent


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        circuit: name of the circuit.
        task: key of the behaviour it was measured on.
        rows: rows of `Measurement`, with their keys.

    """

    circuit: str
    task: str
    rows: list[Row]


def measure(
    store: Store,
    settings: MeasureSettings,
    *,
    reporter: Reporter | None = None,
    load_subject: Callable[[DiscoverSettings], Loaded] = load,
) -> Measured:
    """Measure a stored circuit, and write what was measured beside it.

    Args:
        store: where the circuit is, and where the measurements go, in one transaction.
        settings: what to measure.
        reporter: where progress goes; silent by default.
        load_subject: loads model and dictionaries; a `Loader` keeps them for the next circuit.

    Raises:
        MeasureError: no size is as faithful as asked for; what was measured is written all the same.
        AtlasError: anything that the user can mend, in one line.

    """
    reporter = reporter or Silent()
    bench = lay_out(store, settings, load_subject)
    bench.say_left_out(reporter)
    if not settings.random_circuits:
        reporter.note("no random circuits are measured beside these: whether a figure is more than theirs stays unsaid")
    if settings.of_edges:
        refuse_idle_active_sets(bench, settings)
    measured = _grid(bench, settings, reporter)
    missed = None
    if settings.target_faithfulness is not None:
        missed = approach(bench, settings, measured, lambda narrowed: _grid(bench, narrowed, reporter))
    if settings.of_edges:
        measured += measure_edges(store, bench, settings, reporter)
    rows = keyed(bench.stored.id, bench.task, measured)
    found = Measured(bench.stored.name, bench.task, rows)
    kind = "contrastive" if bench.work.is_pair else "single"
    store.add_measurements(bench.stored.id, {"id": bench.task, "kind": kind}, found.rows)
    if missed is not None:
        raise missed
    return found


def _grid(bench: Bench, asked: MeasureSettings, reporter: Reporter) -> list[dict[str, Any]]:
    settings = bench.settings(asked)
    thresholds = list(asked.thresholds) or _thresholds(bench, asked, settings[0])
    plans = [(setting, _plan(bench, asked, setting, thresholds)) for setting in settings]
    with reporter.task(f"measuring {bench.stored.name}", len(bench.examples) * len(plans)) as advance:
        rows = []
        for setting, runs in plans:
            batches, baselines = baselines_of(bench, setting)
            ran = run_sets(bench.subject, batches, [units for run in runs for units in run.sets], baselines, advance)
            common = bench.common(setting, asked.split) | {"items": items_of(batches)}
            rows += to_rows(runs, ran, common)
    return rows


def _thresholds(bench: Bench, asked: MeasureSettings, setting: Setting) -> list[float]:
    sites = bench.sites(setting.start_layer)
    ranked = bench.circuit.ranked(sites)
    if not len(ranked):
        raise MeasureError(f"{bench.stored.name!r} has no node at a site that is ablated, so there is nothing to keep")
    if asked.sizes == "mib":
        sizes = sizes_by_share(MIB_SHARES, bench.circuit.universe(sites), len(ranked))
    else:
        sizes = spread_sizes(asked.sizes, len(ranked))
    return thresholds_of(ranked, sizes, bench.circuit.floor)


def _plan(bench: Bench, asked: MeasureSettings, setting: Setting, thresholds: Sequence[float]) -> list[Run]:
    sites = bench.sites(setting.start_layer)
    largest = float(bench.circuit.ranked(sites)[:1].sum())
    for threshold in thresholds:
        if not largest > threshold:
            raise MeasureError(
                f"no node of {bench.stored.name!r} has an absolute effect above {threshold:g}; "
                f"the largest is {largest:.4g}"
            )
    seeds = range(asked.seed, asked.seed + asked.random_circuits)
    return plan_runs(
        bench.circuit,
        sites,
        bench.widths(sites),
        thresholds,
        asked.treatments,
        seeds,
        ablate_random=asked.ablate_random,
    )
