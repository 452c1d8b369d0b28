"""Discover a circuit: settings and files in, one circuit as rows out; written whole where a store is given.

Examples → effects → nodes → edges → evidence → measurements → rows, each step a module of its own.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from circuit_atlas._version import __version__
from circuit_atlas.cypher import keys
from circuit_atlas.cypher.rows import CircuitRows
from circuit_atlas.cypher.store import Store
from circuit_atlas.ingest.accuracy import accuracy
from circuit_atlas.ingest.active import active_features, mean_units_active
from circuit_atlas.ingest.attribution import (
    Fixed,
    NodeAttribution,
    Subject,
    attribute_edges,
    attribute_nodes,
    by_input,
)
from circuit_atlas.ingest.baselines import MeanBaselines, inputs, zero_baselines
from circuit_atlas.ingest.batches import Batch, TokenExample, batches
from circuit_atlas.ingest.data import Data, to_tokens
from circuit_atlas.ingest.dictionary_files import Suite, load_suite
from circuit_atlas.ingest.digests import digest_json
from circuit_atlas.ingest.evidence import gather_evidence, token_text
from circuit_atlas.ingest.graph_rows import Findings, choose_edge_floor, to_rows
from circuit_atlas.ingest.language_model import LanguageModel, load_model
from circuit_atlas.ingest.measurement import Circuit, measure
from circuit_atlas.ingest.metrics import LogitDifference, Metric, NegativeLogit
from circuit_atlas.ingest.selection import Shape, choose_nodes, taking_part
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.site_checks import SiteCheck, check_sites, warnings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.strongest_edges import exact_weights
from circuit_atlas.ingest.texts import read_texts
from circuit_atlas.progress import Reporter, Silent

_NOT_IN_DIGEST = ("model", "dictionaries", "examples", "held_out", "batch_size", "device", "name")
"""Settings that do not change what is found: places, whose content is digested instead, and the way of running."""


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


@dataclass(frozen=True)
class Loaded:
    """A model with its dictionaries, to be used for several tasks."""

    model: LanguageModel
    suite: Suite


def load(settings: DiscoverSettings) -> Loaded:
    """Load the model and the dictionaries that the settings name.

    Raises:
        ModelError: one is missing, broken, or does not fit the other.

    """
    model = load_model(settings.model, name=settings.model_id, device=settings.device, dtype=settings.dtype)
    return Loaded(model, load_suite(settings.dictionaries, model, name=settings.suite))


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
    data = to_tokens(settings, texts, loaded.model.tokenizer)
    found = _find(settings, loaded, data, reporter)
    rows = to_rows(found)
    if store is not None:
        store.write([rows])
    return DiscoveredCircuit(found.circuit["name"], rows, _summary(found, rows, time.perf_counter() - start))


def _find(settings: DiscoverSettings, loaded: Loaded, data: Data, reporter: Reporter) -> Findings:
    dictionaries, keep = loaded.suite.dictionaries, settings.positions == "keep"
    widths = {site: dictionary.d_sae for site, dictionary in dictionaries.items()}
    metric: Metric = LogitDifference() if data.train[0].patch_answer is not None else NegativeLogit()
    subject = Subject(loaded.model, dictionaries, metric)
    train = batches(data.train, settings.batch_size, loaded.model.device)
    attribution = attribute_nodes(subject, train, settings, reporter, _fixed(settings, subject, train))
    shape = Shape(_items(train), max(len(e.clean) for e in data.train))
    nodes, node_floor = choose_nodes(
        attribution.effects, widths, shape, keep=keep, floor=settings.node_floor, most=settings.max_nodes
    )
    parts = None
    if settings.selection == "per-example":
        parts = taking_part(attribution.effects, nodes, widths, shape, node_floor, keep=keep)
    checks = check_sites(subject, train, attribution)
    units = {site: chosen.units for site, chosen in nodes.items()}
    edges = attribute_edges(subject, train, attribution.states, units, parts, settings, reporter)
    edge_floor = choose_edge_floor(edges, settings.edge_floor, settings.max_edges)
    exact = exact_weights(subject, train, attribution.states, units, edges, edge_floor, settings, reporter)
    circuit = Circuit(
        nodes,
        {site: active_features(rows, widths[site], shape, keep=keep) for site, rows in attribution.effects.items()},
        mean_units_active(attribution.effects, widths, shape, keep=keep),
        shape.length if keep else 1,
    )
    measured = []
    if settings.measure_thresholds:
        held = batches(data.held_out, settings.batch_size, loaded.model.device)
        measured = measure(subject, circuit, train, held, settings, reporter)
    digests = {site: dictionary.weights_digest() for site, dictionary in dictionaries.items()}
    model = {"id": keys.model_id(loaded.model.name), **loaded.model.describe()}
    facts = _Facts(
        node_floor=node_floor,
        edge_floor=edge_floor,
        model=model,
        sae_digests=[digests[site] for site in sorted(digests)],
        n_items=len(set(shape.items.tolist())),
        accuracy=accuracy(loaded.model, train),
        checks=checks,
    )
    right_sign = _right_sign(attribution)
    for line in warnings(checks, facts.accuracy, right_sign, _task(settings)):
        reporter.note(line)
    pooled = mean_units_active(attribution.effects, widths, shape, keep=True)
    return Findings(
        circuit=_circuit(settings, loaded, data, subject, attribution, facts),
        model=model,
        task={"id": _task(settings), "kind": "contrastive" if data.train[0].patch_answer is not None else "single"},
        suite=loaded.suite.name,
        dictionaries=dictionaries,
        sae_digests=digests,
        nodes=nodes,
        edges=edges,
        exact=exact,
        edge_floor=edge_floor,
        target_effect=_target_effect(attribution, shape, _ablation(settings, data)),
        roles=_roles(data.train, loaded.model.tokenizer),
        evidence=gather_evidence(loaded.model, dictionaries, attribution.effects, nodes, data.train),
        candidates={s: active_features(rows, widths[s], shape, keep=False) for s, rows in attribution.effects.items()},
        mean_active={site: pooled[site] - _errors_an_example(data.train) for site in pooled},
        measurements=measured,
    )


@dataclass(frozen=True)
class _Facts:
    """What the circuit's properties need beside settings and data."""

    node_floor: float
    edge_floor: float
    model: dict[str, Any]
    sae_digests: list[str]
    n_items: int
    accuracy: float
    checks: Mapping[Site, SiteCheck]


def _ablation(settings: DiscoverSettings, data: Data) -> str:
    """What units are set to, `auto` resolved."""
    if settings.ablation == "auto":
        return "patch" if data.train[0].patch is not None else "zero"
    return settings.ablation


def _fixed(settings: DiscoverSettings, subject: Subject, train: Sequence[Batch]) -> Fixed:
    """What units are set to where that is no input's value."""
    if settings.ablation == "zero":
        zeros = zero_baselines(subject.dictionaries, list(subject.dictionaries))
        return lambda length: zeros
    if settings.ablation == "mean":
        sites = list(subject.dictionaries)
        return MeanBaselines(subject.model, subject.dictionaries, sites, inputs(train)).of_length
    return by_input


def _items(train: Sequence[Batch]) -> torch.Tensor:
    """Item of each example, in the order of the data."""
    items = torch.zeros(sum(len(b.clean) for b in train), dtype=torch.long)
    for batch in train:
        items[batch.indices.cpu()] = batch.items.cpu()
    return items


def _errors_an_example(examples: Sequence[TokenExample]) -> float:
    """Mean number of error units at one site: one a position."""
    return sum(len(e.clean) for e in examples) / len(examples)


def _target_effect(attribution: NodeAttribution, shape: Shape, ablation: str) -> float:
    """Total effect; where no input gives the other end, the effects of the last site together."""
    if attribution.metric_patch is not None and ablation in ("patch", "resample"):
        return float((attribution.metric_patch - attribution.metric_clean).mean())
    last = max(attribution.effects)
    return float(attribution.effects[last].effect.sum()) / shape.examples


def _roles(examples: Sequence[TokenExample], tokenizer: Any) -> list[str | None]:
    """Name of each position: its role where all examples agree, else its token where all agree, else None."""
    length = max(len(e.clean) for e in examples)
    found: list[str | None] = []
    for place in range(length):
        named = {e.example.roles[place] if place < len(e.example.roles) else None for e in examples}
        tokens = {t[place] if place < len(t) else None for e in examples for t in (e.clean, e.patch or e.clean)}
        role = next(iter(named)) if len(named) == 1 else None
        token = next(iter(tokens)) if len(tokens) == 1 else None
        found.append(role or (None if token is None else token_text(tokenizer, token).strip() or None))
    return found


def _right_sign(attribution: NodeAttribution) -> float | None:
    """Share of examples on which the patch input moves the metric as expected."""
    if attribution.metric_patch is None:
        return None
    return float((attribution.metric_patch > attribution.metric_clean).float().mean())


def _whole(values: Iterable[float | None]) -> list[float] | None:
    """Return the values, or None where one is undefined: a list in the graph holds no nulls."""
    found = list(values)
    return None if None in found else [float(value) for value in found if value is not None]


def _task(settings: DiscoverSettings) -> str:
    return settings.task or Path(settings.examples).stem


def _circuit(
    settings: DiscoverSettings,
    loaded: Loaded,
    data: Data,
    subject: Subject,
    attribution: NodeAttribution,
    facts: _Facts,
) -> dict[str, Any]:
    decisive = {k: v for k, v in dataclasses.asdict(settings).items() if k not in _NOT_IN_DIGEST}
    digest = digest_json([decisive, facts.model["weights_digest"], facts.sae_digests, data.digest()])[:16]
    clean, patch = attribution.metric_clean, attribution.metric_patch
    return {
        "id": keys.circuit_id(facts.model["id"], digest),
        "name": settings.name or f"{_task(settings)}~{digest[:4]}",
        "model_id": facts.model["id"],
        "suite": loaded.suite.name,
        "task_id": _task(settings),
        "metric": subject.metric.name,
        "metric_sign": subject.metric.sign,
        "method": settings.method,
        "steps": settings.steps if settings.method == "ig" else None,
        "rule": settings.rule if settings.method == "ig" else None,
        "ablation": _ablation(settings, data),
        "selection": settings.selection,
        "positions": settings.positions,
        "outer_gradient": settings.outer_gradient,
        "jacobian": settings.jacobian,
        "first_token": "kept: its units are nodes like any other, marked is_first_token",
        "node_floor": facts.node_floor,
        "edge_floor": facts.edge_floor,
        "n_examples": len(data.train),
        "n_items": facts.n_items,
        "split": "train" if settings.held_out else f"all but {settings.held_out_share:g} of the items",
        "seed": settings.seed,
        "metric_clean": float(clean.mean()),
        "metric_patch": None if patch is None else float(patch.mean()),
        "accuracy": facts.accuracy,
        "right_sign": _right_sign(attribution),
        "after_selection": True,
        "sites": [site.name for site in facts.checks],
        "site_survival": _whole(check.survival for check in facts.checks.values()),
        "site_total": [check.total for check in facts.checks.values()],
        "site_patched": [check.patched for check in facts.checks.values()],
        "site_inactive": [check.inactive for check in facts.checks.values()],
        "settings": json.dumps(dataclasses.asdict(settings), sort_keys=True),
        "data_digest": data.digest(),
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "code_version": __version__,
    }


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
    data = to_tokens(settings, texts, loaded.model.tokenizer)
    metric: Metric = LogitDifference() if data.train[0].patch_answer is not None else NegativeLogit()
    first = _first_batch(data.train, settings.batch_size)
    timed = batches(first, settings.batch_size, loaded.model.device)
    start = time.perf_counter()
    attribute_nodes(Subject(loaded.model, loaded.suite.dictionaries, metric), timed, settings, Silent())
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
