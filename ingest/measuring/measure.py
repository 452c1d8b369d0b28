"""Measure a stored circuit: over thresholds, treatments of errors and ablations, on its own examples or on others.

Stored nodes → node sets → runs of the model → rows of `Measurement`, with the metric of every example on each.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from circuit_atlas.cypher import keys
from circuit_atlas.cypher.conflicts import refuse_changed_guards
from circuit_atlas.cypher.rows import Row
from circuit_atlas.cypher.store import Store
from circuit_atlas.errors import MeasureError
from circuit_atlas.ingest.ablation import ablated_sites
from circuit_atlas.ingest.baselines import MeanBaselines, other_input, zero_baselines
from circuit_atlas.ingest.batches import Batch, TokenExample, demand_equal_length, resample, roles_of
from circuit_atlas.ingest.measuring.circuit import MeasuredCircuit, find_active
from circuit_atlas.ingest.measuring.conditions import Setting
from circuit_atlas.ingest.measuring.discovered import items_of
from circuit_atlas.ingest.measuring.grid import MIB_SHARES, sizes_by_share, spread_sizes, thresholds_of
from circuit_atlas.ingest.measuring.rows import data_digest, keyed
from circuit_atlas.ingest.measuring.runs import BaselinesOf, Run, plan_runs, run_sets, to_rows
from circuit_atlas.ingest.measuring.settings import MeasureSettings, Place
from circuit_atlas.ingest.measuring.stored import (
    StoredCircuit,
    members,
    read_stored,
    refuse_other_template,
    settings_of_data,
    settle_level,
)
from circuit_atlas.ingest.preparation import Loaded, Work, load, prepare
from circuit_atlas.ingest.selection import Shape
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.subject import Subject
from circuit_atlas.ingest.texts import read_texts
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


class Loader:
    """Loads a model with its dictionaries; what the last circuit was measured with is not loaded again."""

    def __init__(self) -> None:
        self._last: tuple[tuple[object, ...], Loaded] | None = None

    def __call__(self, settings: DiscoverSettings) -> Loaded:
        """Load what settings name."""
        names = ("model", "dictionaries", "model_id", "suite", "device", "dtype", "memory")
        key = tuple(getattr(settings, name) for name in names)
        if self._last is None or self._last[0] != key:
            self._last = (key, load(settings))
        return self._last[1]


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
        AtlasError: anything that the user can mend, in one line.

    """
    reporter = reporter or Silent()
    bench = lay_out(store, settings, load_subject)
    measured = _grid(bench, settings, reporter)
    if settings.target_faithfulness is not None:
        _approach(bench, settings, measured, reporter)
    rows = keyed(bench.stored.id, bench.task, measured)
    found = Measured(bench.stored.name, bench.task, rows)
    kind = "contrastive" if bench.work.is_pair else "single"
    store.add_measurements(bench.stored.id, {"id": bench.task, "kind": kind}, found.rows)
    return found


@dataclass(frozen=True)
class Bench:
    """All that a measurement works with.

    Attributes:
        stored: the circuit, as the store has it.
        circuit: the same as node sets are made of.
        work: the subject, and the examples.
        task: key of the behaviour that is measured on.
        level: where nodes act.
        background: examples that means are over.
        examples: examples measured on.
        seed: of resampling.

    """

    stored: StoredCircuit
    circuit: MeasuredCircuit
    work: Work
    task: str
    level: Place
    background: Sequence[TokenExample]
    examples: Sequence[TokenExample]
    seed: int

    @property
    def subject(self) -> Subject:
        """Model, dictionaries and metric."""
        return self.work.subject

    def sites(self, start_layer: int) -> list[Site]:
        """Sites that are ablated."""
        return ablated_sites(list(self.subject.dictionaries), start_layer)

    def widths(self, sites: Iterable[Site]) -> dict[Site, int]:
        """Features of the dictionary at each site."""
        return {site: self.subject.dictionaries[site].d_sae for site in sites}

    def common(self, setting: Setting, split: str) -> dict[str, Any]:
        """What all rows of one setting hold."""
        return {
            "n_active": self.circuit.universe(self.sites(setting.start_layer)),
            "level": self.level,
            **dataclasses.asdict(setting),
            "split": split,
            "n_examples": len(self.examples),
            "data_digest": data_digest(self.background, self.examples),
        }


def lay_out(
    store: Store, settings: MeasureSettings, load_subject: Callable[[DiscoverSettings], Loaded] = load
) -> Bench:
    """Read the circuit, load the model, and make nodes and examples fit each other.

    Raises:
        AtlasError: they do not; the line says why.

    """
    stored = read_stored(store, settings.circuit)
    given, task = settings_of_data(store, stored, settings)
    level = settle_level(stored, settings, own=not settings.on and not settings.examples)
    given = dataclasses.replace(given, positions=level)
    texts = read_texts(given)  # first: a broken line is told at once, not after the model has loaded
    work = prepare(given, texts, load_subject(given))
    _refuse_other_weights(store, stored, work.subject)
    train, held = work.data.train, work.data.held_out
    every = {"held-out": held, "train": train, "all": [*train, *held]}[settings.split]
    if level == "keep":
        demand_equal_length(train + held)
        refuse_other_template(stored, train)
    roles = roles_of(train + held) if level == "role" else []
    widths = {site: dictionary.d_sae for site, dictionary in work.subject.dictionaries.items()}
    places = {"keep": len(train[0].clean), "role": len(roles), "sum": 1}[level]
    batches = work.batches(train)
    active = find_active(work.subject, batches, _shape(train, places), keep=level != "sum")
    circuit = MeasuredCircuit(members(stored.nodes, level, roles, widths), active, places)
    return Bench(stored, circuit, work, task, level, train, every, settings.seed)


def _refuse_other_weights(store: Store, stored: StoredCircuit, subject: Subject) -> None:
    model = keys.model_id(stored.settings.model_id)
    refuse_changed_guards(store.rows, "Model", {model: subject.model.describe()["weights_digest"]})
    saes = {keys.sae_id(model, stored.settings.suite, s.name): d for s, d in subject.dictionaries.items()}
    refuse_changed_guards(store.rows, "Sae", {key: d.weights_digest for key, d in saes.items()})


def _shape(examples: Sequence[TokenExample], places: int) -> Shape:
    """Examples and places; items do not matter to what is active."""
    items = torch.arange(len(examples))
    if not examples[0].places:
        return Shape(items, places)
    found = torch.full((len(examples), max(len(e.clean) for e in examples)), -1)
    for number, example in enumerate(examples):
        found[number, : len(example.clean)] = torch.tensor(example.places)
    return Shape(items, places, found)


def _grid(bench: Bench, asked: MeasureSettings, reporter: Reporter) -> list[dict[str, Any]]:
    settings = list(conditions_asked(bench, asked))
    thresholds = list(asked.thresholds) or _thresholds(bench, asked, settings[0])
    plans = [(setting, _plan(bench, asked, setting, thresholds)) for setting in settings]
    with reporter.task(f"measuring {bench.stored.name}", len(bench.examples) * len(plans)) as advance:
        rows = []
        for setting, runs in plans:
            batches, baselines = setup(bench, setting)
            ran = run_sets(bench.subject, batches, [units for run in runs for units in run.sets], baselines, advance)
            common = bench.common(setting, asked.split) | {"items": items_of(batches)}
            rows += to_rows(runs, ran, common)
    return rows


def _approach(bench: Bench, asked: MeasureSettings, rows: list[dict[str, Any]], reporter: Reporter) -> None:
    """Halve the gap between the smallest size that is faithful enough and the next smaller one, until it is closed.

    Under the first setting and treatment of errors; what is measured on the way is added to `rows`. Faithfulness need
    not grow with size, so this is the smallest of its neighbourhood on the grid, not of all subsets.

    Raises:
        MeasureError: no measured size is faithful enough.

    """
    first, target = rows[0], asked.target_faithfulness
    assert target is not None
    alike = ("ablation", "means_over", "start_layer", "errors")
    ranked = bench.circuit.ranked(bench.sites(first["start_layer"]))

    def points() -> list[tuple[int, float]]:
        here = [r for r in rows if r["kind"] == "circuit" and all(r[name] == first[name] for name in alike)]
        return sorted((int((ranked > r["node_threshold"]).sum()), r["faithfulness"] or 0.0) for r in here)

    if max(found for _, found in points()) < target:
        best = max(points(), key=lambda point: point[1])
        raise MeasureError(
            f"no measured size of {bench.stored.name!r} reaches faithfulness {target:g}; "
            f"the most is {best[1]:.3f}, with {best[0]} nodes"
        )
    while True:
        enough = next(i for i, (_, found) in enumerate(points()) if found >= target)
        below = points()[enough - 1][0] if enough else 0
        middle = (below + points()[enough][0]) // 2
        if middle in (below, points()[enough][0]):
            return
        thresholds = tuple(thresholds_of(ranked, [middle]))
        narrowed = dataclasses.replace(
            asked, thresholds=thresholds, errors=asked.errors[:1], start_layers=(first["start_layer"],),
            ablations=(first["ablation"],), means_over=(first["means_over"],), target_faithfulness=None,
        )  # fmt: skip
        more = _grid(bench, narrowed, reporter)
        if int((ranked > more[0]["node_threshold"]).sum()) != middle:
            return  # nodes of equal effect come or go together
        rows += more


def conditions_asked(bench: Bench, asked: MeasureSettings) -> Iterable[Setting]:
    """Every ablation, with every mean and start layer that is asked for.

    Raises:
        MeasureError: the examples have no patch inputs, or the model has no such layer.

    """
    pair = bench.work.is_pair
    over = asked.means_over or (("clean+patch",) if pair else ("clean",))
    if not pair and ("patch" in asked.ablations or set(over) - {"clean"}):
        raise MeasureError(f"{bench.task!r} has single prompts, so there is no patch input: choose another ablation")
    third = -(-bench.subject.model.n_layers // 3)
    layers = [third if layer < 0 else layer for layer in asked.start_layers]
    if max(layers) >= bench.subject.model.n_layers:
        raise MeasureError(f"start layer {max(layers)} leaves no layer of {bench.subject.model.n_layers} to ablate")
    for ablation, layer in itertools.product(asked.ablations, layers):
        for means in over if ablation == "mean" else ("none",):
            yield Setting(ablation, means, layer)


def _thresholds(bench: Bench, asked: MeasureSettings, setting: Setting) -> list[float]:
    sites = bench.sites(setting.start_layer)
    ranked = bench.circuit.ranked(sites)
    if not len(ranked):
        raise MeasureError(f"{bench.stored.name!r} has no node at a site that is ablated, so there is nothing to keep")
    if asked.sizes == "mib":
        sizes = sizes_by_share(MIB_SHARES, bench.circuit.universe(sites), len(ranked))
    else:
        sizes = spread_sizes(asked.sizes, len(ranked))
    return thresholds_of(ranked, sizes)


def _plan(bench: Bench, asked: MeasureSettings, setting: Setting, thresholds: Sequence[float]) -> list[Run]:
    sites = bench.sites(setting.start_layer)
    seeds = range(asked.seed, asked.seed + asked.random_circuits)
    runs = plan_runs(bench.circuit, sites, bench.widths(sites), thresholds, asked.errors, seeds)
    for run in runs:
        if not any(len(units) for units in run.kept.values()) and run.errors == "default":
            largest = float(bench.circuit.ranked(sites)[:1].sum())
            raise MeasureError(
                f"no node of {bench.stored.name!r} has an absolute effect above {run.threshold:g}; "
                f"the largest is {largest:.4g}"
            )
    return runs


def setup(bench: Bench, setting: Setting) -> tuple[list[Batch], BaselinesOf]:
    """Batches to measure on, and what ablated units are set to on each."""
    subject, sites = bench.subject, bench.sites(setting.start_layer)
    examples = list(bench.examples)
    if setting.ablation == "resample":
        examples = resample(examples, bench.seed)
    batches = bench.work.batches(examples)
    if setting.ablation == "zero":
        zeros = zero_baselines(subject.dictionaries, sites)
        return batches, lambda batch: zeros
    if setting.ablation == "mean":
        over = [
            tokens
            for batch in bench.work.batches(bench.background)
            for name, tokens in (("clean", batch.clean), ("patch", batch.patch))
            if tokens is not None and name in setting.means_over
        ]
        means = MeanBaselines(subject.model, subject.dictionaries, sites, over)
        return batches, lambda batch: means.of_length(batch.clean.shape[1])

    def other(batch: Batch) -> dict[Site, Any]:
        assert batch.patch is not None
        return dict(other_input(subject.model, subject.dictionaries, sites, batch.patch))

    return batches, other
