"""Attribution over a data set: every batch through the node effects, then through the edges among chosen nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from circuit_atlas.errors import AttributionError
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.edge_weights import Units, cut_graph, edge_weights
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.metrics import Metric
from circuit_atlas.ingest.moments import ItemMoments
from circuit_atlas.ingest.node_effects import (
    Ends,
    UnitEffects,
    clean_gradients,
    path_gradients,
    run_ends,
    unit_effects,
)
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.progress import Reporter

_PATH_ROWS = 256
"""Most sequences that integrated gradients run at once."""


@dataclass(frozen=True)
class Subject:
    """What is attributed: a model with its dictionaries, on a metric."""

    model: LanguageModel
    dictionaries: Mapping[Site, SparseDictionary]
    metric: Metric


@dataclass(frozen=True)
class NodeAttribution:
    """Effects of all units over a data set.

    Attributes:
        effects: for each site, the effects of its units on every example.
        outer: for each batch, the gradient [batch, pos, d] at every site that edges start their product from.
        metric_clean: metric of each example on its clean input.
        metric_patch: metric of each example on its patch input; None under zero ablation.

    """

    effects: Mapping[Site, UnitEffects]
    outer: Sequence[Mapping[Site, Tensor]]
    metric_clean: Float[Tensor, " example"]
    metric_patch: Float[Tensor, " example"] | None


def attribute_nodes(
    subject: Subject, batches: Sequence[Batch], settings: DiscoverSettings, reporter: Reporter
) -> NodeAttribution:
    """Compute node effects of every batch.

    Raises:
        AttributionError: an effect is not finite, or all effects are zero.

    """
    parts: dict[Site, list[UnitEffects]] = {site: [] for site in subject.dictionaries}
    outers: list[Mapping[Site, Tensor]] = []
    clean, patch = _Scatter(batches), _Scatter(batches)
    with reporter.task("node effects", sum(len(b.clean) for b in batches)) as advance:
        for batch in batches:
            ends = run_ends(subject.model, subject.dictionaries, batch)
            effects, outer = _batch_effects(subject, batch, ends, settings)
            for site, rows in effects.items():
                parts[site].append(rows)
            outers.append(outer)
            with torch.no_grad():
                clean.put(batch, subject.metric(subject.model.run(batch.clean), batch))
                if batch.patch is not None:
                    patch.put(batch, subject.metric(subject.model.run(batch.patch), batch))
            advance(len(batch.clean))
    found = {site: UnitEffects.join(rows) for site, rows in parts.items()}
    if not any(bool((rows.effect != 0).any()) for rows in found.values()):
        raise AttributionError("every effect is zero: the metric does not depend on any site that has a dictionary")
    return NodeAttribution(found, outers, clean.values, patch.values if batches[0].patch is not None else None)


def _batch_effects(
    subject: Subject, batch: Batch, ends: Ends, settings: DiscoverSettings
) -> tuple[dict[Site, UnitEffects], dict[Site, Tensor]]:
    at_clean = clean_gradients(subject.model, subject.metric, batch, ends)
    gradients = at_clean
    if settings.method == "ig":
        gradients = path_gradients(subject.model, subject.metric, batch, ends, settings.steps, _PATH_ROWS)
    effects = {
        site: unit_effects(
            dictionary, batch, ends.clean[site], ends.patch[site], gradients[site], zero_patch=batch.patch is None
        )
        for site, dictionary in subject.dictionaries.items()
    }
    return effects, (at_clean if settings.outer_gradient == "clean" else gradients)


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
    outer: Sequence[Mapping[Site, Tensor]],
    units: Mapping[Site, Units],
    takes_part: Mapping[Site, Tensor] | None,
    reporter: Reporter,
) -> dict[tuple[Site, Site | None], PairWeights]:
    """Weights of all direct edges among the units, and to the target (None), averaged over examples.

    `takes_part` (selection per example) says at which examples and positions, [example, pos, unit], a unit counts as a
    downstream end.
    """
    moments: dict[tuple[Site, Site | None], ItemMoments] = {}
    with reporter.task("edge weights", sum(len(b.clean) for b in batches)) as advance:
        for batch, gradient in zip(batches, outer, strict=True):
            ends = run_ends(subject.model, subject.dictionaries, batch)
            graph = cut_graph(subject.model, subject.metric, batch, ends)
            downstream = units if takes_part is None else _parts(units, takes_part, batch)
            found = edge_weights(
                graph, subject.dictionaries, ends, gradient, downstream, units, zero_patch=batch.patch is None
            )
            for up, down, weights in found:
                moments.setdefault((up, down), ItemMoments()).add(weights, batch.items)
            advance(len(batch.clean))
    return {pair: PairWeights(gathered.mean(), gathered.standard_error()) for pair, gathered in moments.items()}


def _parts(units: Mapping[Site, Units], takes_part: Mapping[Site, Tensor], batch: Batch) -> dict[Site, Units]:
    length = batch.clean.shape[1]
    return {
        site: Units(some.unit, some.position, takes_part[site][batch.indices, :length]) for site, some in units.items()
    }
