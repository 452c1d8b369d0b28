"""Discover a circuit: settings and files in, one circuit as rows out; written whole where a store is given.

Examples → effects → nodes → edges → evidence → measurements → rows, each step a module of its own.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from circuit_atlas.cypher.conflicts import refuse_changed_guards, refuse_taken_names
from circuit_atlas.cypher.rows import CircuitRows
from circuit_atlas.cypher.store import Store
from circuit_atlas.errors import AttributionError
from circuit_atlas.ingest.accuracy import accuracy
from circuit_atlas.ingest.active import active_features, mean_units_active
from circuit_atlas.ingest.attribution import NodeAttribution, attribute_nodes
from circuit_atlas.ingest.batches import Batch, TokenExample
from circuit_atlas.ingest.circuit_row import Facts, circuit_row, first_places, position_roles, right_sign, target_effect
from circuit_atlas.ingest.cotangents import Units
from circuit_atlas.ingest.data import Data
from circuit_atlas.ingest.directions import gather_directions, similar_features
from circuit_atlas.ingest.edge_attribution import PairWeights, attribute_edges, example_weights
from circuit_atlas.ingest.evidence import gather_evidence
from circuit_atlas.ingest.exact_nodes import exact_nodes
from circuit_atlas.ingest.graph_rows import Findings, choose_edge_floor, to_rows
from circuit_atlas.ingest.identity import Identity, identify
from circuit_atlas.ingest.measuring.circuit import MeasuredCircuit, Members, active_of
from circuit_atlas.ingest.measuring.discovered import measure_discovered
from circuit_atlas.ingest.preparation import Loaded, Work, load, prepare
from circuit_atlas.ingest.processes import sharing
from circuit_atlas.ingest.resume import FinishedBatches
from circuit_atlas.ingest.selection import Shape, SiteNodes, choose_nodes, demand_nodes, taking_part
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.site_checks import check_sites, warnings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.states import fixed_by
from circuit_atlas.ingest.strongest_edges import exact_weights
from circuit_atlas.ingest.texts import read_texts
from circuit_atlas.ingest.tokens import unknown_words
from circuit_atlas.progress import Reporter, Silent


@dataclass(frozen=True)
class DiscoveredCircuit:
    """One circuit.

    Attributes:
        name: its name for people.
        rows: the circuit as rows of the graph.
        summary: figures: sizes, metric, accuracy, seconds.

    """

    name: str
    rows: CircuitRows
    summary: dict[str, Any]


def discover(
    settings: DiscoverSettings,
    *,
    store: Store | None = None,
    reporter: Reporter | None = None,
    loaded: Loaded | None = None,
) -> DiscoveredCircuit:
    """Find the circuit that the settings ask for, and write it where a store is given.

    Args:
        settings: what to find.
        store: where to write it, whole, in one transaction.
        reporter: where progress goes; silent by default.
        loaded: the model and dictionaries, where the caller has loaded them for several tasks.

    Raises:
        AtlasError: anything that the user can mend, in one line.

    """
    reporter = reporter or Silent()
    start = time.perf_counter()
    texts = read_texts(settings)  # first: a broken line is told at once, not after the model has loaded
    loaded = loaded or load(settings)
    work = prepare(settings, texts, loaded)
    unknown = unknown_words([*work.data.train, *work.data.held_out], loaded.model.tokenizer)
    if unknown is not None:
        reporter.note(unknown)
    identity = identify(settings, work.subject, loaded.suite.name, work.data)
    if store is not None:
        _refuse_conflicts(store, identity)
    with FinishedBatches.of_run(identity.circuit_id, reporter) as finished:
        found = _find_in_memory(settings, work, loaded.suite.name, identity, reporter, finished)
        rows = to_rows(found)
        if store is not None:
            store.write([rows])
        finished.drop()
    return DiscoveredCircuit(found.circuit["name"], rows, _summary(found, rows, time.perf_counter() - start))


def _refuse_conflicts(store: Store, identity: Identity) -> None:
    """Refuse now what the store would refuse when the work is done."""
    guards = {
        "Model": {identity.model["id"]: identity.model["weights_digest"]},
        "Sae": {identity.sae_ids[site]: digest for site, digest in identity.sae_digests.items()},
    }
    for label, given in guards.items():
        refuse_changed_guards(store.rows, label, given)
    refuse_taken_names(store.rows, [(identity.name, identity.circuit_id)])


def _find_in_memory(
    settings: DiscoverSettings,
    work: Work,
    suite: str,
    identity: Identity,
    reporter: Reporter,
    finished: FinishedBatches,
) -> Findings:
    """Find the circuit with batches as small as the device's memory asks for.

    Raises:
        AttributionError: not even one example fits.

    """
    told = False
    while True:
        try:
            return _find(settings, work, suite, identity, reporter, finished)
        except torch.OutOfMemoryError as error:
            if work.batch_size == 1:
                raise AttributionError(
                    f"{work.subject.model.device} is out of memory with one example at a time: shorten the prompts, "
                    "free memory on it, or take another device"
                ) from error
        work = work.halved()
        if not told:
            reporter.note("out of memory: going on with smaller batches; set batch_size or memory to avoid this")
            told = True


@dataclass(frozen=True)
class _Attributed:
    """Effects and weights, and the nodes chosen between them."""

    attribution: NodeAttribution
    shape: Shape
    nodes: Mapping[Site, SiteNodes]
    node_floor: float
    parts: Mapping[Site, Tensor] | None
    edges: Mapping[tuple[Site, Site | None], PairWeights]

    @property
    def units(self) -> dict[Site, Units]:
        """Chosen units of each site."""
        return {site: chosen.units for site, chosen in self.nodes.items()}


def _attribute(
    settings: DiscoverSettings, work: Work, train: Sequence[Batch], reporter: Reporter, finished: FinishedBatches
) -> _Attributed:
    """Node effects, the nodes that they choose, and the edges among these; shared by processes where there are."""
    subject, keep = work.subject, settings.positions != "sum"
    widths = {site: dictionary.d_sae for site, dictionary in subject.dictionaries.items()}
    shape, parts = _shape(train, work.data), None
    with sharing(settings, train, finished, work.halvings) as processes:
        processes.nodes(reporter)
        fixed = fixed_by(settings, subject, train)
        attribution = attribute_nodes(subject, train, settings, reporter, fixed, finished)
        effects = attribution.effects
        nodes, node_floor = choose_nodes(
            effects, widths, shape, keep=keep, floor=settings.node_floor, most=settings.max_nodes
        )
        demand_nodes(nodes, effects, widths, shape, node_floor, keep=keep)
        if settings.selection == "per-example":
            parts = taking_part(effects, nodes, widths, shape, node_floor, keep=keep)
        units = {site: chosen.units for site, chosen in nodes.items()}
        processes.edges(units, parts, reporter)
        edges = attribute_edges(subject, train, attribution.states, units, parts, settings, reporter, finished)
    return _Attributed(attribution, shape, nodes, node_floor, parts, edges)


def _find(
    settings: DiscoverSettings,
    work: Work,
    suite: str,
    identity: Identity,
    reporter: Reporter,
    finished: FinishedBatches,
) -> Findings:
    subject, data = work.subject, work.data
    dictionaries, metric = subject.dictionaries, subject.metric
    widths = {site: dictionary.d_sae for site, dictionary in dictionaries.items()}
    train = work.shared(len(settings.devices)).batches(data.train)
    found = _attribute(settings, work, train, reporter, finished)
    attribution, shape, nodes, edges, units = found.attribution, found.shape, found.nodes, found.edges, found.units
    effects = attribution.effects
    edge_floor = choose_edge_floor(edges, settings.edge_floor, settings.max_edges)
    facts = Facts(
        ablation=_ablation(settings, data),
        node_floor=found.node_floor,
        edge_floor=edge_floor,
        items=shape.items.tolist(),
        accuracy=accuracy(subject.model, train),
        right_sign=right_sign(attribution, _ablation(settings, data)),
        checks=check_sites(subject, train, attribution),
    )
    for line in warnings(facts.checks, facts.accuracy, facts.right_sign, identity.task):
        reporter.note(line)
    directions = gather_directions(dictionaries, nodes)
    pooled = mean_units_active(effects, widths, dataclasses.replace(shape, places=None), keep=True)
    return Findings(
        circuit=circuit_row(settings, identity, suite, data, metric, attribution, facts),
        model=identity.model,
        task={"id": identity.task, "kind": "contrastive" if work.is_pair else "single"},
        suite=suite,
        dictionaries=dictionaries,
        sae_digests=identity.sae_digests,
        nodes=nodes,
        exact_nodes=exact_nodes(subject, train, attribution.states, nodes, settings, reporter),
        edges=edges,
        exact=exact_weights(subject, train, attribution.states, units, edges, edge_floor, settings, reporter),
        edge_examples=example_weights(
            subject, train, attribution.states, units, found.parts, settings, edges, edge_floor, finished
        ),
        edge_floor=edge_floor,
        target_effect=target_effect(attribution, shape, facts.ablation),
        roles=position_roles(data.train, subject.model.tokenizer),
        by_role=settings.positions == "role",
        first_places=first_places(data.train),
        evidence=gather_evidence(subject.model, directions, effects, data.train),
        similar=similar_features(directions, sorted(dictionaries)),
        candidates={s: active_features(rows, widths[s], shape, keep=False) for s, rows in effects.items()},
        mean_active={site: pooled[site] - _errors_an_example(data.train) for site in pooled},
        measurements=_measured(settings, work, train, found, reporter),
    )


def _measured(
    settings: DiscoverSettings,
    work: Work,
    train: Sequence[Batch],
    found: _Attributed,
    reporter: Reporter,
) -> list[dict[str, Any]]:
    """Measure the circuit on the held-out examples, where that is asked for."""
    if not settings.measure_thresholds:
        return []
    subject, keep = work.subject, settings.positions != "sum"
    widths = {site: dictionary.d_sae for site, dictionary in subject.dictionaries.items()}
    circuit = MeasuredCircuit(
        {site: Members.of(chosen) for site, chosen in found.nodes.items()},
        active_of(found.attribution.effects, widths, found.shape, keep=keep),
        found.shape.length if keep else 1,
        found.node_floor,
    )
    return measure_discovered(work, circuit, train, settings, reporter)


def _ablation(settings: DiscoverSettings, data: Data) -> str:
    """What units are set to, `auto` resolved."""
    if settings.ablation == "auto":
        return "patch" if data.train[0].patch is not None else "zero"
    return settings.ablation


def _shape(train: Sequence[Batch], data: Data) -> Shape:
    """Examples and places of the attributed data."""
    length = max(len(e.clean) for e in data.train)
    if not data.train[0].places:
        return Shape(_items(train), length)
    places = torch.full((len(data.train), length), -1)
    for number, example in enumerate(data.train):
        places[number, : len(example.clean)] = torch.tensor(example.places)
    # Held-out examples may have roles of their own, which no node stands for.
    count = 1 + max(place for e in (*data.train, *data.held_out) for place in e.places)
    return Shape(_items(train), count, places)


def _items(train: Sequence[Batch]) -> torch.Tensor:
    """Item of each example, in the order of the data."""
    items = torch.zeros(sum(len(b.clean) for b in train), dtype=torch.long)
    for batch in train:
        items[batch.indices.cpu()] = batch.items.cpu()
    return items


def _errors_an_example(examples: Sequence[TokenExample]) -> float:
    """Mean number of error units at one site: one a position."""
    return sum(len(e.clean) for e in examples) / len(examples)


def _summary(found: Findings, rows: CircuitRows, seconds: float) -> dict[str, Any]:
    circuit = rows.nodes["Circuit"][0]
    told = (
        "n_nodes",
        "n_edges",
        "n_examples",
        "metric_clean",
        "metric_patch",
        "accuracy",
        "node_floor",
        "edge_floor",
    )
    best = [m for m in found.measurements if m["kind"] == "circuit" and m["errors"] == "default"]
    return {
        **{key: circuit[key] for key in told},
        "faithfulness": {m["n_nodes"]: m["faithfulness"] for m in best},
        "seconds": seconds,
    }


@dataclass(frozen=True)
class Plan:
    """What a discovery would cost, in lines for people."""

    lines: list[str]


def plan(settings: DiscoverSettings) -> Plan:
    """Load everything, time one batch of node effects, and say what the whole would cost; nothing is written."""
    texts = read_texts(settings)
    loaded = load(settings)
    work = prepare(settings, texts, loaded)
    data, first = work.data, _first_batch(work.data.train, settings.batch_size)
    timed = work.batches(first)
    start = time.perf_counter()
    attribute_nodes(work.subject, timed, settings, Silent())
    seconds = (time.perf_counter() - start) * len(data.train) / len(first)
    model = loaded.model
    widths = sorted({d.d_sae for d in loaded.suite.dictionaries.values()})
    return Plan(
        [
            f"model         {model.name}: {model.n_layers} layers, width {model.d_model}, vocabulary {model.d_vocab}",
            f"dictionaries  {loaded.suite.name}: {len(loaded.suite.sites)} sites, "
            f"{' or '.join(map(str, widths))} features each",
            f"examples      {len(data.train)} to attribute over, {len(data.held_out)} held out to measure on",
            f"node effects  {settings.method}, about {seconds:.0f} s (one batch of {len(first)} was timed)",
            f"stored        at most {settings.max_nodes:,} nodes and {settings.max_edges:,} edges",
            "nothing was written",
        ]
    )


def _first_batch(examples: Sequence[TokenExample], size: int) -> list[TokenExample]:
    """Return the first examples that are equally long, at most `size` of them: what one batch holds."""
    return [e for e in examples if len(e.clean) == len(examples[0].clean)][:size]
