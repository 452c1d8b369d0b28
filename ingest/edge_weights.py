"""Weights of edges: the effect on the metric through one unit's direct dependence on another.

Source: Marks et al. (ICLR 2025), section 3.1 and appendix A.1. Identity 2 (docs/method.md): replace the activation at
every site by a detached leaf; what autograd still connects is exactly the direct dependence.

1. One clean forward pass with every site cut. The value of site k before its cut depends only on the leaves that reach
   it without passing another site; so does the metric.
2. For each downstream site, one cotangent per downstream unit (`cotangents`); one of ones for the target. Examples do
   not interact, so they share a slice.
3. One batched vector-Jacobian product to all upstream leaves, G.
4. Weight to an upstream feature: (G · W_dec[u]) · (f_patch - f_clean)_u; to the error: G · (error_patch - error_clean).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuit_atlas.errors import AttributionError
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.changes import UnitChanges
from circuit_atlas.ingest.cotangents import ActiveAt, UnitRows, Units, through_features, unit_cotangents
from circuit_atlas.ingest.evaluation import evaluate
from circuit_atlas.ingest.language_model import LanguageModel, Replace
from circuit_atlas.ingest.metrics import Metric
from circuit_atlas.ingest.sites import Site


@dataclass(frozen=True)
class CutGraph:
    """One forward pass with every site cut.

    Attributes:
        leaves: the detached activation that stands at each site.
        before: each site's value before its cut.
        metric: the metric of each example.

    """

    leaves: Mapping[Site, Tensor]
    before: Mapping[Site, Tensor]
    metric: Float[Tensor, " batch"]


def cut_graph(model: LanguageModel, metric: Metric, batch: Batch, values: Mapping[Site, Tensor]) -> CutGraph:
    """Run with the activation at every site replaced by a detached leaf of the given value."""
    leaves = {site: x.detach().requires_grad_() for site, x in values.items()}
    before: dict[Site, Tensor] = {}

    def cut(site: Site) -> Replace:
        def function(x: Tensor) -> Tensor:
            before[site] = x
            return leaves[site]

        return function

    with torch.enable_grad():
        value = evaluate(model, metric, batch, {site: cut(site) for site in leaves})
    return CutGraph(leaves, before, value)


@dataclass(frozen=True)
class _Upstream:
    """What turns a gradient at a site into weights to its units."""

    changes: UnitChanges
    units: Units
    rows: UnitRows
    is_error: Bool[Tensor, " unit"]
    feature_change: Float[Tensor, "batch pos feature"]
    places: Int[Tensor, "batch pos"] | None

    @classmethod
    def of(cls, changes: UnitChanges, units: Units, rows: UnitRows, places: Tensor | None) -> _Upstream:
        is_error = units.unit == changes.dictionary.d_sae
        return cls(changes, units, rows, is_error, changes.of(units.unit[~is_error]), places)

    def weights(self, gradient: Float[Tensor, "down batch pos d"]) -> Float[Tensor, "batch down up"]:
        """Effects through each upstream unit, summed over the positions it stands for."""
        found = gradient.new_zeros(gradient.shape[1], gradient.shape[0], len(self.units))
        features, position = self.units.unit[~self.is_error], self.units.position
        if len(features):
            each = (gradient @ self.rows.decoder[~self.is_error].T) * self.feature_change
            found[..., ~self.is_error] = _pick(
                each, None if position is None else position[~self.is_error], self.places
            )
        if self.is_error.any():
            each = (gradient * self.changes.error).sum(-1, keepdim=True)
            each = each.expand(*each.shape[:-1], int(self.is_error.sum()))
            found[..., self.is_error] = _pick(each, None if position is None else position[self.is_error], self.places)
        return found


def _pick(
    each: Float[Tensor, "down batch pos up"], position: Int[Tensor, " up"] | None, places: Tensor | None
) -> Float[Tensor, "batch down up"]:
    """Value of each unit at its own position, over those of its own role, or over all."""
    if position is None:
        return each.sum(2).transpose(0, 1)
    if places is not None:
        return (each * (places[..., None] == position)).sum(2).transpose(0, 1)
    column = torch.arange(len(position), device=position.device)
    return each[:, :, position, column].transpose(0, 1)


@dataclass(frozen=True)
class EdgeInputs:
    """What the weights of one batch are made of.

    Attributes:
        graph: the cut graph, at the point where the Jacobian is wanted.
        active: features active at that point.
        changes: change of every unit from clean to the other end.
        outer: gradient [batch, pos, d] of the metric at every site.
        through: Jᵀ outer at that point [batch, pos, d], where it is known already.
        rows: dictionary rows of the units of each site, where they are gathered already.
        together: how many units' products run at once.
        places: place of each position, where it is not the position itself.

    """

    graph: CutGraph
    active: ActiveAt
    changes: Mapping[Site, UnitChanges]
    outer: Mapping[Site, Tensor]
    through: Mapping[Site, Tensor] = field(default_factory=dict)
    rows: Mapping[Site, UnitRows] = field(default_factory=dict)
    together: int = 64
    places: Int[Tensor, "batch pos"] | None = None

    def rows_of(self, site: Site, units: Units) -> UnitRows:
        """Dictionary rows of the units of a site."""
        return self.rows[site] if site in self.rows else UnitRows.of(self.changes[site].dictionary, units)

    def cotangents(self, site: Site, units: Units, rows: UnitRows) -> Iterator[Tensor]:
        """Gradient of the metric through each unit alone at its site [unit, batch, pos, d], some units at a time."""
        dictionary, x, active = self.changes[site].dictionary, self.graph.leaves[site].detach(), self.active[site]
        through = self.through.get(site)
        if through is None and bool((units.unit == dictionary.d_sae).any()):
            through = through_features(dictionary, x, active, self.outer[site])
        for start in range(0, len(units), self.together):
            some = slice(start, start + self.together)
            yield unit_cotangents(
                dictionary,
                x,
                active,
                units.some(some),
                rows.some(some),
                self.outer[site],
                torch.zeros_like(x) if through is None else through,
                self.places,
            )


def edge_weights(
    inputs: EdgeInputs, downstream: Mapping[Site, Units], upstream: Mapping[Site, Units]
) -> Iterator[tuple[Site, Site | None, Float[Tensor, "batch down up"]]]:
    """Weights per example of all edges between the units, for each pair of directly connected sites.

    Yields:
        (upstream site, downstream site or None for the target, weights [batch, down, up]).

    Raises:
        AttributionError: a weight is not a number; both sites are named.

    """
    graph = inputs.graph
    sites = sorted(graph.leaves)
    readers = {
        site: _Upstream.of(inputs.changes[site], units, inputs.rows_of(site, units), inputs.places)
        for site, units in upstream.items()
        if len(units)
    }
    for site in sites:
        units = downstream.get(site)
        earlier = [u for u in sites if u < site and u in readers]
        if units is None or not len(units) or not earlier or not graph.before[site].requires_grad:
            continue
        found: dict[Site, list[Tensor]] = {}
        for cotangents in inputs.cotangents(site, units, inputs.rows_of(site, units)):
            for up, gradient in _products(graph, graph.before[site], cotangents, earlier):
                found.setdefault(up, []).append(readers[up].weights(gradient))
        for up, parts in found.items():
            yield up, site, _finite(torch.cat(parts, dim=1), up, site)
    if not graph.metric.requires_grad:
        return
    ones = torch.ones_like(graph.metric)[None]
    for up, gradient in _products(graph, graph.metric, ones, [s for s in sites if s in readers]):
        yield up, None, _finite(readers[up].weights(gradient), up, None)


def _finite(weights: Tensor, up: Site, down: Site | None) -> Tensor:
    if not torch.isfinite(weights).all():
        raise AttributionError(
            f"weights of edges from {up.name} to {'the target' if down is None else down.name} are not finite (NaN or "
            "infinity); gradients overflow there: check the checkpoint, the dictionaries and the number type"
        )
    return weights


def _products(
    graph: CutGraph, value: Tensor, cotangents: Tensor, earlier: list[Site]
) -> Iterator[tuple[Site, Float[Tensor, "down batch pos d"]]]:
    """Batched vector-Jacobian products of one value to each leaf that reaches it directly."""
    leaves = [graph.leaves[site] for site in earlier]
    found = torch.autograd.grad(value, leaves, cotangents, is_grads_batched=True, retain_graph=True, allow_unused=True)
    yield from ((site, gradient) for site, gradient in zip(earlier, found, strict=True) if gradient is not None)
