"""Edges over a data set: weights of every batch among chosen nodes, averaged over examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.cotangents import ActiveAt, ActiveRows, UnitRows, Units
from circuit_atlas.ingest.edge_weights import EdgeInputs, cut_graph, edge_weights
from circuit_atlas.ingest.heap import give_back
from circuit_atlas.ingest.moments import ItemMoments
from circuit_atlas.ingest.node_effects import path_points
from circuit_atlas.ingest.resume import FinishedBatches
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.states import BatchState
from circuit_atlas.ingest.subject import Subject
from circuit_atlas.progress import Reporter

_NUMBERS = 4_000_000
"""Most numbers in one stack of cotangents: larger ones fall out of the caches and are no faster."""


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
    finished: FinishedBatches | None = None,
) -> dict[tuple[Site, Site | None], PairWeights]:
    """Weights of all direct edges among the units, and to the target (None), averaged over examples.

    Batches that are `finished` already are not run again. `takes_part` (selection per example) says at which examples
    and positions, [example, pos, unit], a unit counts as a downstream end.

    Raises:
        AttributionError: a weight is not finite.

    """
    moments: dict[tuple[Site, Site | None], ItemMoments] = {}
    examples_of = Counter(item for batch in batches for item in batch.items.tolist())
    with reporter.task("edge weights", sum(len(b.clean) for b in batches)) as advance:
        for batch, total in batches_weights(subject, batches, states, units, takes_part, settings, finished):
            for pair, weights in total.items():
                moments.setdefault(pair, ItemMoments(examples_of)).add(weights, batch.items)
            advance(len(batch.clean))
    return {pair: PairWeights(gathered.mean(), gathered.standard_error()) for pair, gathered in moments.items()}


def example_weights(
    subject: Subject,
    batches: Sequence[Batch],
    states: Sequence[BatchState],
    units: Mapping[Site, Units],
    takes_part: Mapping[Site, Tensor] | None,
    settings: DiscoverSettings,
    edges: Mapping[tuple[Site, Site | None], PairWeights],
    floor: float,
    finished: FinishedBatches | None = None,
) -> dict[tuple[Site, Site | None], Float[Tensor, "edge example"]]:
    """Weights on every example of the edges above the floor, those of one pair of sites in the order of its matrix.

    Batches that are `finished` are read, the others run once more: weights of all pairs are never kept at once.
    """
    if settings.edge_values != "examples":
        return {}
    count = sum(len(b.clean) for b in batches)
    stored = {pair: weights.weight.abs() > floor for pair, weights in edges.items()}
    found = {pair: torch.zeros(int(mask.sum()), count) for pair, mask in stored.items()}
    for batch, total in batches_weights(subject, batches, states, units, takes_part, settings, finished):
        for pair, weights in total.items():
            found[pair][:, batch.indices.cpu()] = weights[:, stored[pair]].T.float().cpu()
    return found


def batches_weights(
    subject: Subject,
    batches: Sequence[Batch],
    states: Sequence[BatchState],
    units: Mapping[Site, Units],
    takes_part: Mapping[Site, Tensor] | None,
    settings: DiscoverSettings,
    finished: FinishedBatches | None,
) -> Iterator[tuple[Batch, dict[tuple[Site, Site | None], Tensor]]]:
    """Weights of every batch, found where it is finished, else made."""
    rows = {site: UnitRows.of(subject.dictionaries[site], some) for site, some in units.items()}
    pairs = {_name(up, down): (up, down) for down in [*units, None] for up in units}
    finished = finished or FinishedBatches()
    for index, batch in enumerate(batches):
        downstream = units if takes_part is None else _parts(units, takes_part, batch)
        among = {
            f"{site.name} {name}": t for site in units for name, t in vars(downstream[site]).items() if t is not None
        }
        total = finished.find("edges", batch, among)
        if total is None:
            total = _batch_weights(subject, batch, states[index], downstream, units, rows, settings)
            finished.keep("edges", batch, total, among)
        yield batch, {pairs[name]: weights for name, weights in total.items()}


def _name(up: Site, down: Site | None) -> str:
    return f"{up.name} {'target' if down is None else down.name}"


def _batch_weights(
    subject: Subject,
    batch: Batch,
    state: BatchState,
    downstream: Mapping[Site, Units],
    upstream: Mapping[Site, Units],
    rows: Mapping[Site, UnitRows],
    settings: DiscoverSettings,
) -> dict[str, Tensor]:
    """Weights [batch, down, up] of each pair of sites, by name, over the points that the Jacobian is taken at."""
    total: dict[str, Tensor] = {}
    is_large = subject.budget.is_large(subject.model, *batch.clean.shape)
    if is_large:
        give_back()  # what making the state has freed
    for point, share in zip(*_jacobian_points(settings), strict=True):
        for up, down, weights in _weights_at(subject, batch, state, point, downstream, upstream, rows):
            if is_large:
                give_back()
            name = _name(up, down)
            total[name] = total.get(name, 0.0) + share * weights
    return total


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
    rows: Mapping[Site, UnitRows],
) -> Iterator[tuple[Site, Site | None, Tensor]]:
    """Edge weights with the Jacobian at one point of the straight line between the ends."""
    ends, changes = state.ends, state.changes
    values = ends.clean
    active: ActiveAt = {site: ActiveRows.on_clean(c) for site, c in changes.items()}
    if point:
        values = {site: (1 - point) * x + point * ends.patch[site] for site, x in ends.clean.items()}
        active = {site: ActiveRows.at(subject.dictionaries[site], x) for site, x in values.items()}
    graph = cut_graph(subject.model, subject.metric, batch, values)
    through = {} if point else state.through
    count, length = batch.clean.shape
    together = subject.budget.cotangents(subject.model, count, length, _NUMBERS)
    inputs = EdgeInputs(graph, active, changes, state.outer, through, rows, together, batch.places)
    yield from edge_weights(inputs, downstream, upstream)


def _parts(units: Mapping[Site, Units], takes_part: Mapping[Site, Tensor], batch: Batch) -> dict[Site, Units]:
    length = batch.clean.shape[1]
    return {
        site: Units(some.unit, some.position, takes_part[site][batch.indices, :length]) for site, some in units.items()
    }
