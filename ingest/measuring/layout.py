"""What a measurement works with: a stored circuit, its model and the examples, made to fit each other."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from circuit_atlas.cypher import keys
from circuit_atlas.cypher.conflicts import refuse_changed_guards
from circuit_atlas.cypher.store import Store
from circuit_atlas.errors import MeasureError
from circuit_atlas.ingest.ablation import ablated_sites
from circuit_atlas.ingest.baselines import MeanBaselines, other_input, zero_baselines
from circuit_atlas.ingest.batches import Batch, TokenExample, demand_equal_length, resample, roles_of
from circuit_atlas.ingest.measuring.circuit import MeasuredCircuit, find_active
from circuit_atlas.ingest.measuring.conditions import Setting
from circuit_atlas.ingest.measuring.grid import sizes_by_share, thresholds_of
from circuit_atlas.ingest.measuring.rows import data_digest
from circuit_atlas.ingest.measuring.runs import BaselinesOf
from circuit_atlas.ingest.measuring.settings import MeasureSettings, Place
from circuit_atlas.ingest.measuring.stored import (
    StoredCircuit,
    StoredNode,
    first_layers,
    members,
    outside,
    read_stored,
    refuse_above_all,
    refuse_below_floor,
    refuse_late_start,
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
from circuit_atlas.progress import Reporter


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
        roles: names of the places, where nodes act at roles.
        left_out: nodes of the circuit that have no place there.

    """

    stored: StoredCircuit
    circuit: MeasuredCircuit
    work: Work
    task: str
    level: Place
    background: Sequence[TokenExample]
    examples: Sequence[TokenExample]
    seed: int
    roles: Sequence[str] = ()
    left_out: Sequence[StoredNode] = ()

    @property
    def subject(self) -> Subject:
        """Model, dictionaries and metric."""
        return self.work.subject

    def sites(self, start_layer: int) -> list[Site]:
        """Sites that are ablated."""
        return ablated_sites(list(self.subject.dictionaries), start_layer)

    def say_left_out(self, reporter: Reporter) -> None:
        """Say which nodes have no place on the data, where there are such."""
        if self.left_out:
            roles = ", ".join(sorted({node.role or "(none)" for node in self.left_out}))
            reporter.note(
                f"{len(self.left_out)} of {len(self.stored.nodes)} nodes of {self.stored.name!r} are left out: "
                f"they stand at roles that these examples do not have: {roles}"
            )

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
            "data_digest": data_digest(
                self.background, self.examples, self.seed if setting.ablation == "resample" else None
            ),
        }

    def settings(self, asked: MeasureSettings) -> list[Setting]:
        """Every combination of ablation, inputs of means and start layer that is asked for.

        Raises:
            MeasureError: there is no patch input to ablate to.

        """
        pair = self.work.is_pair
        over = asked.means_over or (("clean+patch",) if pair else ("clean",))
        if not pair and ("patch" in asked.ablations or set(over) - {"clean"}):
            raise MeasureError(f"{self.task!r} has single prompts, so there is no patch input: choose another ablation")
        layers = first_layers(asked.start_layers, self.stored.n_layers)
        found = []
        for ablation, layer in itertools.product(asked.ablations, layers):
            for means in over if ablation == "mean" else ("none",):
                found.append(Setting(ablation, means, layer))
        return found

    def place_names(self) -> list[str]:
        """Each place as the keys of circuit nodes have it."""
        if self.level == "sum":
            return ["*"]
        if self.level == "role":
            return [keys.encode(role) for role in self.roles]
        return [str(place) for place in range(self.circuit.places)]

    def usual_threshold(self, setting: Setting) -> float:
        """Node threshold of a circuit that counts as small: a quarter of the units active on one example.

        Raises:
            MeasureError: the circuit has no node there.

        """
        sites = self.sites(setting.start_layer)
        ranked = self.circuit.ranked(sites)
        if not len(ranked):
            raise MeasureError(
                f"no node of {self.stored.name!r} stands where units are ablated: choose another start layer"
            )
        sizes = sizes_by_share((0.25,), self.circuit.universe(sites), len(ranked)) or [1]
        return thresholds_of(ranked, sizes, self.circuit.floor)[0]


def lay_out(
    store: Store, settings: MeasureSettings, load_subject: Callable[[DiscoverSettings], Loaded] = load
) -> Bench:
    """Read the circuit, load the model, and make nodes and examples fit each other.

    Raises:
        AtlasError: they do not; the line says why.

    """
    stored = read_stored(store, settings.circuit)
    refuse_late_start(stored, settings.start_layers)
    given, task = settings_of_data(store, stored, settings)
    level = settle_level(stored, settings, own=not settings.on and not settings.examples)
    if level == stored.positions:
        refuse_below_floor(stored, settings)
    refuse_above_all(stored, level, settings.thresholds)
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
    left_out = outside(stored, roles) if level == "role" else ()
    widths = {site: dictionary.d_sae for site, dictionary in work.subject.dictionaries.items()}
    places = {"keep": len(train[0].clean), "role": len(roles), "sum": 1}[level]
    batches = work.batches(train)
    active = find_active(work.subject, batches, _shape(train, places), keep=level != "sum")
    circuit = MeasuredCircuit(
        members(stored.nodes, level, roles, widths),
        active,
        places,
        stored.node_floor,
        bool(settings.on or settings.examples),
    )
    return Bench(stored, circuit, work, task, level, train, every, settings.seed, roles, left_out)


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


def baselines_of(bench: Bench, setting: Setting) -> tuple[list[Batch], BaselinesOf]:
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
