"""Measure some of a circuit's edges by intervention: the strongest, and a sample of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.cotangents import Units
from circuit_atlas.ingest.edge_attribution import PairWeights
from circuit_atlas.ingest.exact_edges import Intervention, exact_edge_effects
from circuit_atlas.ingest.moved_units import End
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.states import BatchState
from circuit_atlas.ingest.subject import Subject
from circuit_atlas.progress import Reporter

STRONG, MISSED = 0.05, 2.0
"""A measured edge is strong from this share of the largest exact effect on, missed beyond so many times its weight."""

Pair = tuple[Site, Site | None]
Choice = tuple[Pair, int, int]
"""One edge: its pair of sites, and the columns of its downstream and upstream unit."""


def exact_weights(
    subject: Subject,
    batches: Sequence[Batch],
    states: Sequence[BatchState],
    units: Mapping[Site, Units],
    edges: Mapping[Pair, PairWeights],
    floor: float,
    settings: DiscoverSettings,
    reporter: Reporter,
) -> dict[Pair, Float[Tensor, "down up"]]:
    """Exact effects of the chosen edges, mean over examples; NaN for edges that are not measured."""
    chosen = _choose(edges, floor, settings)
    if not chosen:
        return {}
    total, count = torch.zeros(len(chosen), dtype=torch.float64), 0
    most = settings.exact_examples or sum(len(b.clean) for b in batches)
    with reporter.task("exact effects of edges", min(most, sum(len(b.clean) for b in batches))) as advance:
        for batch, state in zip(batches, states, strict=True):
            # The first of the data, wherever a batch has put them.
            for example in (batch.indices < most).nonzero().flatten().tolist():
                wanted = [_intervention(example, choice, units) for choice in chosen]
                found = exact_edge_effects(
                    subject.model, subject.metric, batch, state.ends, state.changes, wanted, subject.rows(batch)
                )
                total += found.double().cpu()
                count += 1
                advance(1)
    measured = {pair: torch.full_like(weights.weight, torch.nan) for pair, weights in edges.items()}
    for (pair, down, up), value in zip(chosen, (total / count).tolist(), strict=True):
        measured[pair][down, up] = value
    missed = _missed(edges, measured)
    if missed is not None:
        reporter.note(missed)
    return measured


def _missed(edges: Mapping[Pair, PairWeights], measured: Mapping[Pair, Tensor]) -> str | None:
    """What to say of strong edges whose weight is far below their exact effect."""
    weights = torch.cat([pair.weight.flatten() for pair in edges.values()]).abs()
    exact = torch.cat([measured[pair].flatten() for pair in edges]).abs()
    strong = exact >= STRONG * exact.nan_to_num().max()
    hidden = int((exact[strong] > MISSED * weights[strong]).sum())
    if not hidden:
        return None
    return (
        f"warning: {hidden} of {int(strong.sum())} strong edges that were measured have an exact effect over "
        f"{MISSED:g} times their weight: gradients miss it, as where a softmax is saturated; read exact_weight there"
    )


def _choose(edges: Mapping[Pair, PairWeights], floor: float, settings: DiscoverSettings) -> list[Choice]:
    """The strongest of the stored edges, and a seeded sample of the others."""
    if not settings.exact_edges and not settings.exact_sample:
        return []
    every: list[Choice] = []
    sizes: list[Tensor] = []
    for pair, weights in edges.items():
        at_down, at_up = torch.nonzero(weights.weight.abs() > floor, as_tuple=True)
        every += [(pair, d, u) for d, u in zip(at_down.tolist(), at_up.tolist(), strict=True)]
        sizes.append(weights.weight[at_down, at_up].abs())
    order = chosen_places(torch.cat(sizes), settings.exact_edges, settings.exact_sample, settings.seed)
    return [every[i] for i in order]


def chosen_places(sizes: Float[Tensor, " one"], strongest: int, sample: int, seed: int) -> list[int]:
    """Places of the strongest, strongest first, and of a seeded sample of the others."""
    order = sizes.argsort(descending=True, stable=True).tolist()
    rest = order[strongest:]
    drawn = torch.randperm(len(rest), generator=torch.Generator().manual_seed(seed))[:sample].tolist()
    return [*order[:strongest], *(rest[place] for place in drawn)]


def _intervention(example: int, choice: Choice, units: Mapping[Site, Units]) -> Intervention:
    (up, down), at_down, at_up = choice
    return Intervention(
        example, End.of(up, units[up], at_up), None if down is None else End.of(down, units[down], at_down)
    )
