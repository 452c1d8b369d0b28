"""Attribution over a data set: every batch through the node effects; what its edges need is kept or made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from circuit_atlas.errors import AttributionError
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.heap import give_back
from circuit_atlas.ingest.node_effects import UnitEffects
from circuit_atlas.ingest.resume import FinishedBatches
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.states import Fixed, States, by_input
from circuit_atlas.ingest.subject import Subject
from circuit_atlas.progress import Reporter


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
    states: States
    metric_clean: Float[Tensor, " example"]
    metric_patch: Float[Tensor, " example"] | None


def attribute_nodes(
    subject: Subject,
    batches: Sequence[Batch],
    settings: DiscoverSettings,
    reporter: Reporter,
    fixed: Fixed = by_input,
    finished: FinishedBatches | None = None,
) -> NodeAttribution:
    """Compute node effects of every batch that is not `finished` already.

    `fixed` says what units are set to where that is no input's value.

    Raises:
        AttributionError: an effect is not finite, or all effects are zero.

    """
    parts: dict[Site, list[UnitEffects]] = {site: [] for site in subject.dictionaries}
    states = States(subject, batches, settings, fixed, finished)
    clean, patch = _Scatter(batches), _Scatter(batches)
    with reporter.task("node effects", sum(len(b.clean) for b in batches)) as advance:
        for batch in batches:
            begun = states.begin(batch)
            if subject.budget.is_large(subject.model, *batch.clean.shape):
                give_back()
            for site, rows in begun.effects.items():
                parts[site].append(rows)
            clean.put(batch, begun.metric_clean)
            if begun.metric_patch is not None:
                patch.put(batch, begun.metric_patch)
            advance(len(batch.clean))
    found = {site: UnitEffects.join(rows) for site, rows in parts.items()}
    if not any(bool((rows.effect != 0).any()) for rows in found.values()):
        raise AttributionError(
            f"every effect is zero: the metric {subject.metric.name!r} does not depend on any site that has a "
            "dictionary, or is flat at clean (then take the method ig)"
        )
    return NodeAttribution(found, states, clean.values, patch.values if batches[0].patch is not None else None)


class _Scatter:
    """Values of batches, put back into the order of the data."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.values = torch.zeros(sum(len(b.clean) for b in batches))

    def put(self, batch: Batch, values: Tensor) -> None:
        self.values[batch.indices.cpu()] = values.detach().float().cpu()
