"""Indirect effects of every unit at every site: attribution patching and integrated gradients.

Source: Marks et al. (ICLR 2025), section 2, Eqs. 2-4. Both rest on identity 1 (docs/method.md): interpolating a site's
features and error is interpolating its activation x, so the *plain* model is run and the dictionary is read once.

1. Run clean and patch; keep x at every site.
2. Mean gradient g of the metric with respect to x: at clean (`atp`), or over a path from clean to patch (`ig`; one site
   at a time, all others computing).
3. Effect of feature i: (f_patch - f_clean)_i · (g · W_dec[i]); of the error: g · (error_patch - error_clean).

Only units active in clean or patch can have an effect; only these are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuit_atlas.errors import AttributionError
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.language_model import LanguageModel, Replace
from circuit_atlas.ingest.metrics import Metric
from circuit_atlas.ingest.sites import Site


@dataclass(frozen=True)
class Ends:
    """Activations [batch, pos, d] of one batch at every site, at both ends of the path from clean to patch."""

    clean: Mapping[Site, Tensor]
    patch: Mapping[Site, Tensor]


@dataclass(frozen=True)
class UnitEffects:
    """Effects of the units of one site, one row for each (example, position, unit) active in clean or patch.

    Attributes:
        example: place of the example in the data.
        position: token position.
        unit: feature index; the error unit is `d_sae`.
        effect: indirect effect on the metric (units of the metric).
        clean: activation on the clean input (of the error: its norm).
        patch: activation on the patch input (likewise).

    """

    example: Int[Tensor, " row"]
    position: Int[Tensor, " row"]
    unit: Int[Tensor, " row"]
    effect: Float[Tensor, " row"]
    clean: Float[Tensor, " row"]
    patch: Float[Tensor, " row"]

    @staticmethod
    def join(parts: Iterable[UnitEffects]) -> UnitEffects:
        """Put the rows of several batches behind each other."""
        rows = list(parts)
        names = ("example", "position", "unit", "effect", "clean", "patch")
        return UnitEffects(*(torch.cat([getattr(part, name) for part in rows]) for name in names))


def run_ends(model: LanguageModel, dictionaries: Mapping[Site, SparseDictionary], batch: Batch) -> Ends:
    """Activations at both ends; where there is no patch input, features and error are zero: x = b_dec."""
    sites = list(dictionaries)
    clean = model.activations(batch.clean, sites)
    if batch.patch is not None:
        return Ends(clean, model.activations(batch.patch, sites))
    return Ends(clean, {site: dictionaries[site].bias.to(x).expand_as(x) for site, x in clean.items()})


def clean_gradients(model: LanguageModel, metric: Metric, batch: Batch, ends: Ends) -> dict[Site, Tensor]:
    """Gradient [batch, pos, d] of the metric with respect to every site at clean, from one backward pass."""
    leaves: dict[Site, Tensor] = {}

    def tap(site: Site) -> Tensor:
        # A zero leaf added to the activation: its gradient is the activation's, and nothing is cut.
        leaves[site] = torch.zeros_like(ends.clean[site]).requires_grad_()
        return leaves[site]

    taps = {site: tap(site) for site in ends.clean}
    with torch.enable_grad():
        logits = model.run(batch.clean, {site: _added(leaf) for site, leaf in taps.items()})
        total = metric(logits, batch).sum()
        gradients = torch.autograd.grad(total, list(leaves.values()))
    return dict(zip(leaves, gradients, strict=True))


def _added(leaf: Tensor) -> Replace:
    return lambda x: x + leaf


def _instead(leaf: Tensor) -> Replace:
    return lambda x: leaf


def path_gradients(
    model: LanguageModel, metric: Metric, batch: Batch, ends: Ends, steps: int, rows: int
) -> dict[Site, Tensor]:
    """Mean gradient over α = 0, 1/N, …, (N-1)/N at (1-α)·clean + α·patch, one site at a time, others computing.

    This grid has the clean end, as the published code; the paper's Eq. 4 has the patch end. `rows` is the most
    sequences to run at once.
    """
    alphas = torch.arange(steps, device=batch.clean.device) / steps
    together = max(1, rows // len(batch.clean))
    found: dict[Site, Tensor] = {}
    for site, clean in ends.clean.items():
        total = torch.zeros_like(clean)
        for some in alphas.split(together):
            weight = some.to(clean).view(-1, 1, 1, 1)
            leaf = ((1 - weight) * clean + weight * ends.patch[site]).flatten(0, 1).requires_grad_()
            several = batch.repeat(len(some))
            with torch.enable_grad():
                value = metric(model.run(several.clean, {site: _instead(leaf)}), several).sum()
                (gradient,) = torch.autograd.grad(value, leaf)
            total += gradient.view(len(some), *clean.shape).sum(0)
        found[site] = total / steps
    return found


def unit_effects(
    dictionary: SparseDictionary, batch: Batch, clean: Tensor, patch: Tensor, gradient: Tensor, *, zero_patch: bool
) -> UnitEffects:
    """Read the effects of one site's units off the mean gradient [batch, pos, d].

    Raises:
        AttributionError: an effect is not a number; the site is named.

    """
    with torch.no_grad():
        f_clean = dictionary.encode(clean)
        f_patch = torch.zeros_like(f_clean) if zero_patch else dictionary.encode(patch)
        e_clean = dictionary.error(clean, f_clean)
        e_patch = torch.zeros_like(e_clean) if zero_patch else dictionary.error(patch, f_patch)
        b, s, unit = torch.nonzero((f_clean != 0) | (f_patch != 0), as_tuple=True)
        f_c, f_p = f_clean[b, s, unit], f_patch[b, s, unit]
        effect = (f_p - f_c) * (gradient[b, s] * dictionary.decoder[unit]).sum(-1)
        e_b, e_s = (index.flatten() for index in torch.meshgrid(*map(torch.arange, clean.shape[:2]), indexing="ij"))
        rows = UnitEffects(
            example=batch.indices[torch.cat([b, e_b.to(b)])],
            position=torch.cat([s, e_s.to(s)]),
            unit=torch.cat([unit, torch.full_like(e_b.to(b), dictionary.d_sae)]),
            effect=torch.cat([effect, (gradient * (e_patch - e_clean)).sum(-1).flatten()]),
            clean=torch.cat([f_c, e_clean.norm(dim=-1).flatten()]),
            patch=torch.cat([f_p, e_patch.norm(dim=-1).flatten()]),
        )
    if not torch.isfinite(rows.effect).all():
        raise AttributionError(
            f"effects at {dictionary.site.name} are not finite (NaN or infinity); "
            "the model's weights or activations overflow: check the checkpoint and the number type"
        )
    return rows
