"""Leave each unit out of a circuit, one at a time: what minimality is tested on.

For every unit i of C the metric with C∖{i} left to compute is measured on every example, beside m(C), m(∅) and m(M) of
the same examples. Many node sets share a pass of the model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from circuit_atlas.cypher import keys
from circuit_atlas.cypher.store import Store
from circuit_atlas.errors import MeasureError
from circuit_atlas.ingest.measuring.discovered import items_of
from circuit_atlas.ingest.measuring.layout import Bench, baselines_of, lay_out
from circuit_atlas.ingest.measuring.measure import Measured
from circuit_atlas.ingest.measuring.node_sets import UnitSet, size, strongest, treat_errors
from circuit_atlas.ingest.measuring.rows import keyed
from circuit_atlas.ingest.measuring.runs import Run, figures, run_sets, to_rows
from circuit_atlas.ingest.measuring.settings import MeasureSettings
from circuit_atlas.ingest.preparation import Loaded, load
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.progress import Reporter, Silent


def measure_removals(
    store: Store,
    settings: MeasureSettings,
    *,
    reporter: Reporter | None = None,
    load_subject: Callable[[DiscoverSettings], Loaded] = load,
) -> Measured:
    """Measure a stored circuit at one threshold without each of its units, and write that beside it.

    Of the settings, the first treatment of errors, ablation and start layer count, and the one threshold; without one,
    a quarter of the units active on an example are kept. Where all errors are kept, or removed, none is left out by
    itself.

    Args:
        store: where the circuit is, and where the measurements go, in one transaction.
        settings: what to measure; `thresholds` has one at most.
        reporter: where progress goes; silent by default.
        load_subject: loads model and dictionaries.

    Returns:
        the circuit as a row of kind `circuit`, then a row of kind `removal` for each unit.

    Raises:
        MeasureError: there are several thresholds, or the one leaves no unit.
        AtlasError: anything else that the user can mend, in one line.

    """
    if len(settings.thresholds) > 1:
        raise MeasureError(
            f"units are left out of a circuit at one threshold, but {len(settings.thresholds)} are given: name one"
        )
    reporter = reporter or Silent()
    bench = lay_out(store, settings, load_subject)
    bench.say_left_out(reporter)
    measured = _measured(bench, settings, reporter)
    rows = keyed(bench.stored.id, bench.task, measured)
    kind = "contrastive" if bench.work.is_pair else "single"
    store.add_measurements(bench.stored.id, {"id": bench.task, "kind": kind}, rows)
    return Measured(bench.stored.name, bench.task, rows)


def _measured(bench: Bench, asked: MeasureSettings, reporter: Reporter) -> list[dict[str, Any]]:
    setting, errors = bench.settings(asked)[0], asked.errors[0]
    threshold = asked.thresholds[0] if asked.thresholds else bench.usual_threshold(setting)
    sites = bench.sites(setting.start_layer)
    named = strongest(bench.circuit, sites, bench.widths(sites), threshold)
    trio = treat_errors(named, errors)
    without = dict(_each_left_out(bench, named, trio.circuit, with_errors=errors not in ("keep", "remove")))
    if not without:
        raise MeasureError(f"no unit of {bench.stored.name!r} has an absolute effect above {threshold:g}")
    batches, baselines = baselines_of(bench, setting)
    whole = Run("circuit", threshold, errors, None, trio.circuit, trio.complement, trio.empty)
    with reporter.task(f"leaving out {len(without)} units of {bench.stored.name}", len(bench.examples)) as advance:
        ran = run_sets(bench.subject, batches, [*whole.sets, *without.values()], baselines, advance)
    common = bench.common(setting, asked.split) | {"items": items_of(batches)}
    rows = to_rows([whole], ran, common)
    for unit, rest in without.items():
        said = {"kind": "removal", "removed": unit, "node_threshold": threshold, "errors": errors, "seed": None}
        rows.append({**said, "n_nodes": size(rest), **figures(ran[rest], ran[trio.empty], ran.full), **common})
    return rows


def _each_left_out(
    bench: Bench, named: UnitSet, circuit: UnitSet, *, with_errors: bool
) -> Iterator[tuple[str, UnitSet]]:
    """Every unit of the circuit as in the key of its node, and the circuit without it."""
    places = bench.place_names()
    for site, some in circuit.items():
        for key in named[site].keys.tolist():
            place, unit = divmod(key, some.width)
            is_error = unit == some.width - 1
            if not bool((some.keys == key).any()) or (is_error and not with_errors):
                continue
            rest = dataclasses.replace(some, keys=some.keys[some.keys != key])
            yield _name(site, None if is_error else unit, places, place), {**circuit, site: rest}


def _name(site: Site, feature: int | None, places: list[str], place: int) -> str:
    return f"{keys.unit(site.name, feature)}/{places[place]}"
