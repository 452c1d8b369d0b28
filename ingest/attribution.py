"""Attribution over a data set: every batch through the node effects, then through the edges among chosen nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from circuit_atlas.errors import AttributionError
from circuit_atlas.ingest.baselines import Baseline
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.changes import Ends, UnitChanges, run_ends, unit_changes
from circuit_atlas.ingest.cotangents import ActiveAt, ActiveRows, Units
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.edge_weights import cut_graph, edge_weights
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.metrics import Metric, evaluate
from circuit_atlas.ingest.moments import ItemMoments
from circuit_atlas.ingest.node_effects import (
    UnitEffects,
    clean_gradients,
    exact_effects,
    path_gradients,
    path_points,
    unit_effects,
)
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.progress import Reporter

_ROWS = 256
"""Most sequences that integrated gradients and exact effects run at once."""


@dataclass(frozen=True)
class Subject:
    """What is attributed: a model with its dictionaries, on a metric."""

    model: LanguageModel
    dictionaries: Mapping[Site, SparseDictionary]
    metric: Metric


@dataclass(frozen=True)
class BatchState:
    """What the node effects of one batch leave for its edges.

    Attributes:
        ends: activations at both ends.
        changes: how the units of each site change between them.
        outer: gradient [batch, pos, d] at every site that edges start their product from.

    """

    ends: Ends
    changes: Mapping[Site, UnitChanges]
    outer: Mapping[Site, Tensor]


Fixed = Callable[[int], Mapping[Site, Baseline] | None]
"""What units are set to on inputs of some length; None: what they are on the patch input (without one, zero)."""


def by_input(length: int) -> None:
    """Set units to what they are on the patch input, whatever the length."""


@dataclass(frozen=True)
class NodeAttribution:
    """Effects of all units over a data set.

    Attributes:
        effects: for each site, the effects of its units on every example.
        states: for each batch, what its edges need.
        metric_clean: metric of each example on its clean input.
        metric_patch: metric of each example on its patch input; None where there is none.

    """

    effects: Mapping[Site, UnitEffects]
    states: Sequence[BatchState]
    metric_clean: Float[Tensor, " example"]
    metric_patch: Float[Tensor, " example"] | None


def attribute_nodes(
    subject: Subject,
    batches: Sequence[Batch],
    settings: DiscoverSettings,
    reporter: Reporter,
    fixed: Fixed = by_input,
) -> NodeAttribution:
    """Compute node effects of every batch; `fixed` says what units are set to where that is no input's value.

    Raises:
        AttributionError: an effect is not finite, or all effects are zero.

    """
    parts: dict[Site, list[UnitEffects]] = {site: [] for site in subject.dictionaries}
    states: list[BatchState] = []
    clean, patch = _Scatter(batches), _Scatter(batches)
    with reporter.task("node effects", sum(len(b.clean) for b in batches)) as advance:
        for batch in batches:
            ends = run_ends(subject.model, subject.dictionaries, batch, fixed(batch.clean.shape[1]))
            changes = {site: unit_changes(d, ends) for site, d in subject.dictionaries.items()}
            effects, outer = _batch_effects(subject, batch, ends, changes, settings)
            for site, rows in effects.items():
                parts[site].append(rows)
            states.append(BatchState(ends, changes, outer))
            with torch.no_grad():
                clean.put(batch, evaluate(subject.model, subject.metric, batch))
                if batch.patch is not None:
                    patch.put(batch, evaluate(subject.model, subject.metric, batch, tokens=batch.patch))
            advance(len(batch.clean))
    found = {site: UnitEffects.join(rows) for site, rows in parts.items()}
    if not any(bool((rows.effect != 0).any()) for rows in found.values()):
        raise AttributionError("every effect is zero: the metric does not depend on any site that has a dictionary")
    return NodeAttribution(found, states, clean.values, patch.values if batches[0].patch is not None else None)


def _batch_effects(
    subject: Subject,
    batch: Batch,
    ends: Ends,
    changes: Mapping[Site, UnitChanges],
    settings: DiscoverSettings,
) -> tuple[dict[Site, UnitEffects], dict[Site, Tensor]]:
    """Effects of each site's units, and the outer gradients of the edges."""
    model, metric = subject.model, subject.metric
    at_clean: dict[Site, Tensor] = {}
    on_path: dict[Site, Tensor] = {}
    if settings.method == "atp" or settings.outer_gradient == "clean":
        at_clean = clean_gradients(model, metric, batch, ends)
    if settings.method == "ig" or settings.outer_gradient == "ig":
        on_path = path_gradients(model, metric, batch, ends, settings.steps, _ROWS, settings.rule)
    if settings.method == "exact":
        effects = {s: exact_effects(model, metric, batch, ends, c, _ROWS) for s, c in changes.items()}
    else:
        gradients = on_path if settings.method == "ig" else at_clean
        effects = {site: unit_effects(c, batch, gradients[site]) for site, c in changes.items()}
    return effects, (at_clean if settings.outer_gradient == "clean" else on_path)


class _Scatter:
    """Values of batches, put back into the order of the data."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.values = torch.zeros(sum(len(b.clean) for b in batches))

    def put(self, batch: Batch, values: Tensor) -> None:
        self.values[batch.indices.cpu()] = values.detach().float().cpu()


@dataclass(frozen=True)
class PairWeights:
    """Mean weights between two sites, and their standard errors over items, both [down, up] (units of the metric)."""

    weight: Float[Tensor, "down up"]
    standard_error: Float[Tensor, "down up"]


def attribute_edges(
    subject: Subject,
    batches: Sequence[Batch],
    states: Sequence[BatchState],
    units: Mapping[Site, Units],
    takes_part: Mapping[Site, Tensor] | None,
    settings: DiscoverSettings,
    reporter: Reporter,
) -> dict[tuple[Site, Site | None], PairWeights]:
    """Weights of all direct edges among the units, and to the target (None), averaged over examples.

    `takes_part` (selection per example) says at which examples and positions, [example, pos, unit], a unit counts as a
    downstream end.

    Raises:
        AttributionError: a weight is not finite.

    """
    moments: dict[tuple[Site, Site | None], ItemMoments] = {}
    points, shares = _jacobian_points(settings)
    with reporter.task("edge weights", sum(len(b.clean) for b in batches)) as advance:
        for batch, state in zip(batches, states, strict=True):
            downstream = units if takes_part is None else _parts(units, takes_part, batch)
            total: dict[tuple[Site, Site | None], Tensor] = {}
            for point, share in zip(points, shares, strict=True):
                for up, down, weights in _weights_at(subject, batch, state, point, downstream, units):
                    total[up, down] = total.get((up, down), 0.0) + share * weights
            for pair, weights in total.items():
                moments.setdefault(pair, ItemMoments()).add(weights, batch.items)
            advance(len(batch.clean))
    return {pair: PairWeights(gathered.mean(), gathered.standard_error()) for pair, gathered in moments.items()}


def _jacobian_points(settings: DiscoverSettings) -> tuple[list[float], list[float]]:
    """Where between clean (0) and patch (1) the direct dependence is taken, and the weight of each point."""
    if settings.jacobian == "path":
        return path_points("midpoint", settings.steps)
    return [1.0 if settings.jacobian == "patch" else 0.0], [1.0]


def _weights_at(
    subject: Subject,
    batch: Batch,
    state: BatchState,
    point: float,
    downstream: Mapping[Site, Units],
    upstream: Mapping[Site, Units],
) -> Iterator[tuple[Site, Site | None, Tensor]]:
    """Edge weights with the Jacobian at one point of the straight line between the ends."""
    ends, changes = state.ends, state.changes
    values = ends.clean
    active: ActiveAt = {site: ActiveRows.on_clean(c) for site, c in changes.items()}
    if point:
        values = {site: (1 - point) * x + point * ends.patch[site] for site, x in ends.clean.items()}
        active = {site: ActiveRows.at(subject.dictionaries[site], x) for site, x in values.items()}
    graph = cut_graph(subject.model, subject.metric, batch, values)
    yield from edge_weights(graph, active, changes, state.outer, downstream, upstream)


def _parts(units: Mapping[Site, Units], takes_part: Mapping[Site, Tensor], batch: Batch) -> dict[Site, Units]:
    length = batch.clean.shape[1]
    return {
        site: Units(some.unit, some.position, takes_part[site][batch.indices, :length]) for site, some in units.items()
    }
