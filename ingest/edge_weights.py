"""Weights of edges: the effect on the metric through one unit's direct dependence on another.

Source: Marks et al. (ICLR 2025), section 3.1 and appendix A.1. Identity 2 (docs/method.md): replace the activation at
every site by a detached leaf; what autograd still connects is exactly the direct dependence.

1. One clean forward pass with every site cut. The value of site k before its cut depends only on the leaves that reach
   it without passing another site; so does the metric.
2. For each downstream site, one cotangent per downstream unit: (outer gradient · W_dec[i]) · grad f_i for a feature,
   outer - Jᵀ outer for the error; one of ones for the target. Examples do not interact, so they share a slice.
3. One batched vector-Jacobian product to all upstream leaves, G.
4. Weight to an upstream feature: (G · W_dec[u]) · (f_patch - f_clean)_u; to the error: G · (error_patch - error_clean).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuit_atlas.errors import AttributionError
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.language_model import LanguageModel, Replace
from circuit_atlas.ingest.metrics import Metric
from circuit_atlas.ingest.node_effects import Ends
from circuit_atlas.ingest.sites import Site

_SLICE_NUMBERS = 4_000_000
"""Most numbers in one batch of cotangents; bounds the memory of a batched product."""


@dataclass(frozen=True)
class Units:
    """The units of one site that take part.

    Attributes:
        unit: feature index; the error unit is `d_sae`.
        position: token position of each; None: each stands for all positions, summed.
        part: at which examples and positions each counts as a downstream end (selection per example); None: all.

    """

    unit: Int[Tensor, " unit"]
    position: Int[Tensor, " unit"] | None = None
    part: Bool[Tensor, "batch pos unit"] | None = None

    def __len__(self) -> int:
        """Count the units."""
        return len(self.unit)

    def where(self, shape: torch.Size) -> Bool[Tensor, "batch pos unit"]:
        """At which examples and positions each unit counts, for activations of this shape."""
        here = torch.ones(*shape[:2], len(self), dtype=torch.bool, device=self.unit.device)
        if self.position is not None:
            here &= torch.arange(shape[1], device=self.unit.device)[None, :, None] == self.position
        return here if self.part is None else here & self.part


@dataclass(frozen=True)
class CutGraph:
    """One clean forward pass with every site cut.

    Attributes:
        leaves: the detached activation that stands at each site.
        before: each site's value before its cut.
        metric: the metric of each example.

    """

    leaves: Mapping[Site, Tensor]
    before: Mapping[Site, Tensor]
    metric: Float[Tensor, " batch"]


def cut_graph(model: LanguageModel, metric: Metric, batch: Batch, ends: Ends) -> CutGraph:
    """Run clean with the activation at every site replaced by a detached leaf of the same value."""
    leaves = {site: x.clone().requires_grad_() for site, x in ends.clean.items()}
    before: dict[Site, Tensor] = {}

    def cut(site: Site) -> Replace:
        def function(x: Tensor) -> Tensor:
            before[site] = x
            return leaves[site]

        return function

    with torch.enable_grad():
        logits = model.run(batch.clean, {site: cut(site) for site in leaves})
        value = metric(logits, batch)
    return CutGraph(leaves, before, value)


@dataclass(frozen=True)
class _Upstream:
    """What turns a gradient at a site into weights to its units."""

    units: Units
    is_error: Tensor
    rows: Tensor
    feature_change: Tensor
    error_change: Tensor

    @classmethod
    def at(cls, dictionary: SparseDictionary, units: Units, clean: Tensor, patch: Tensor, *, zero: bool) -> _Upstream:
        with torch.no_grad():
            f_clean = dictionary.encode(clean)
            f_patch = torch.zeros_like(f_clean) if zero else dictionary.encode(patch)
            e_clean = dictionary.error(clean, f_clean)
            e_patch = torch.zeros_like(e_clean) if zero else dictionary.error(patch, f_patch)
            is_error = units.unit == dictionary.d_sae
            features = units.unit[~is_error]
            change = (f_patch - f_clean)[..., features]
        return cls(units, is_error, dictionary.decoder[features], change, e_patch - e_clean)

    def weights(self, gradient: Float[Tensor, "down batch pos d"]) -> Float[Tensor, "batch down up"]:
        """Effects through each upstream unit, summed over the positions it stands for."""
        down, batch, length, _ = gradient.shape
        found = gradient.new_zeros(batch, down, len(self.units))
        position = self.units.position
        for s in range(length):
            here = torch.ones_like(self.is_error) if position is None else position == s
            features, errors = here & ~self.is_error, here & self.is_error
            among = here[~self.is_error]
            at = gradient[:, :, s].transpose(0, 1)
            if among.any():
                found[:, :, features] += (at @ self.rows[among].T) * self.feature_change[:, None, s, among]
            if errors.any():
                found[:, :, errors] += (at * self.error_change[:, None, s]).sum(-1, keepdim=True)
        return found


def edge_weights(
    graph: CutGraph,
    dictionaries: Mapping[Site, SparseDictionary],
    ends: Ends,
    outer: Mapping[Site, Tensor],
    downstream: Mapping[Site, Units],
    upstream: Mapping[Site, Units],
    *,
    zero_patch: bool,
) -> Iterator[tuple[Site, Site | None, Float[Tensor, "batch down up"]]]:
    """Weights per example of all edges between the units, for each pair of directly connected sites.

    Yields:
        (upstream site, downstream site or None for the target, weights [batch, down, up]).

    Raises:
        AttributionError: a weight is not a number; both sites are named.

    """
    sites = sorted(graph.leaves)
    readers = {
        site: _Upstream.at(dictionaries[site], units, ends.clean[site], ends.patch[site], zero=zero_patch)
        for site, units in upstream.items()
        if len(units)
    }
    for site in sites:
        units = downstream.get(site)
        earlier = [u for u in sites if u < site and u in readers]
        if units is None or not len(units) or not earlier or not graph.before[site].requires_grad:
            continue
        x = ends.clean[site]
        cotangents = dictionaries[site].unit_gradients(x, units.unit, outer[site], units.where(x.shape))
        for up, gradient in _products(graph, graph.before[site], cotangents, earlier):
            yield up, site, _finite(readers[up].weights(gradient), up, site)
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
    together = max(1, _SLICE_NUMBERS // max(1, max(leaf.numel() for leaf in leaves)))
    slices = [
        torch.autograd.grad(value, leaves, some, is_grads_batched=True, retain_graph=True, allow_unused=True)
        for some in cotangents.split(together)
    ]
    for i, site in enumerate(earlier):
        parts = [part[i] for part in slices]
        if parts[0] is not None:
            yield site, torch.cat(parts)
