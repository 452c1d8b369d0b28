"""Indirect effects of every unit at every site: exact, by attribution patching, by integrated gradients.

Source: Marks et al. (ICLR 2025), section 2, Eqs. 2-4. The approximations rest on identity 1 (docs/method.md):
interpolating a site's features and error is interpolating its activation x, so the *plain* model is run and the
dictionary is read once.

1. Run clean and patch; keep x at every site.
2. Mean gradient g of the metric with respect to x: at clean (`atp`), or over a path from clean to patch (`ig`; one site
   at a time, all others computing).
3. Effect of feature i: (f_patch - f_clean)_i · (g · W_dec[i]); of the error: g · (error_patch - error_clean).

`exact` instead sets each unit by itself to its value at the other end and runs the rest of the model.
Only units active at either end can have an effect; only these are kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuit_atlas.errors import AttributionError
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.changes import Ends, UnitChanges
from circuit_atlas.ingest.evaluation import evaluate, evaluate_from, evaluate_together, groups_to_run
from circuit_atlas.ingest.language_model import LanguageModel, Replace
from circuit_atlas.ingest.metrics import Metric
from circuit_atlas.ingest.sites import Site

Rule = Literal["left", "midpoint", "gauss-legendre"]
"""Where on the path from clean (0) to patch (1) integrated gradients are taken."""


@dataclass(frozen=True)
class UnitEffects:
    """Effects of the units of one site, one row for each (example, position, unit) active in clean or patch.

    Attributes:
        example: place of the example in the data (int32, as the next two).
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

    COLUMNS: ClassVar = ("example", "position", "unit", "effect", "clean", "patch")

    @classmethod
    def join(cls, parts: Iterable[UnitEffects]) -> UnitEffects:
        """Put the rows of several batches behind each other."""
        rows = list(parts)
        return UnitEffects(*(torch.cat([getattr(part, name) for part in rows]) for name in cls.COLUMNS))

    @classmethod
    def without_effect(cls, changes: UnitChanges, batch: Batch) -> UnitEffects:
        """Rows that say what is active, and of no effect."""
        return _effects(changes, batch, torch.zeros_like(changes.clean))


def clean_gradients(model: LanguageModel, metric: Metric, batch: Batch, ends: Ends) -> dict[Site, Tensor]:
    """Gradient [batch, pos, d] of the metric with respect to every site at clean, from one backward pass."""
    leaves: dict[Site, Tensor] = {}

    def tap(site: Site) -> Tensor:
        # A zero leaf added to the activation: its gradient is the activation's, and nothing is cut.
        leaves[site] = torch.zeros_like(ends.clean[site]).requires_grad_()
        return leaves[site]

    taps = {site: tap(site) for site in ends.clean}
    with torch.enable_grad():
        total = evaluate(model, metric, batch, {site: _added(leaf) for site, leaf in taps.items()}).sum()
        gradients = _gradients(total, list(leaves.values()))
    return dict(zip(leaves, gradients, strict=True))


def _gradients(value: Tensor, leaves: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of a value; zero where it does not depend on a leaf, as a user's metric may not."""
    if not value.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(value, leaves, allow_unused=True)
    return [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, found, strict=True)]


def _added(leaf: Tensor) -> Replace:
    return lambda x: x + leaf


def path_points(rule: Rule, steps: int) -> tuple[list[float], list[float]]:
    """Points on [0, 1] and their weights, which sum to 1.

    `left` is 0, 1/N, …, (N-1)/N, as the published code; the paper's Eq. 4 has the right ends. `midpoint` and
    `gauss-legendre` come nearer to the integral with as many steps.
    """
    if rule == "gauss-legendre":
        points, weights = np.polynomial.legendre.leggauss(steps)
        return ((points + 1) / 2).tolist(), (weights / 2).tolist()
    shift = 0.5 if rule == "midpoint" else 0.0
    return [(k + shift) / steps for k in range(steps)], [1 / steps] * steps


def path_gradients(
    model: LanguageModel,
    metric: Metric,
    batch: Batch,
    ends: Ends,
    steps: int,
    rows: int,
    rule: Rule = "left",
    at_clean: Mapping[Site, Tensor] | None = None,
) -> dict[Site, Float[Tensor, "batch pos d"]]:
    """Mean gradient at every site over the points of a rule at (1-α)·clean + α·patch of that site alone.

    All other sites compute. `rows` is the most sequences to run at once; sites whose runs begin after the same block
    run together. Where gradients `at_clean` are known, the point α = 0 is read off them: it is the same run for all.
    """
    path = list(zip(*path_points(rule, steps), strict=True))
    known, together = {}, max(1, rows // len(batch.clean))
    if at_clean and path[0][0] == 0.0:
        known = {site: path[0][1] * at_clean[site] for site in ends.clean}
        path = path[1:]
    found: dict[Site, Tensor] = {}
    for sites in groups_to_run(model, metric, [(site, x, ends.around(site)) for site, x in ends.clean.items()]):
        found |= _path_gradients(model, metric, batch, ends, sites, path, together)
    return {site: found[site] + known.get(site, 0.0) for site in ends.clean}


def _path_gradients(
    model: LanguageModel,
    metric: Metric,
    batch: Batch,
    ends: Ends,
    sites: Sequence[Site],
    path: Sequence[tuple[float, float]],
    together: int,
) -> dict[Site, Tensor]:
    """Do so for sites whose runs begin at one place; of the path, points and weights, so many at once."""
    total = {site: torch.zeros_like(ends.clean[site]) for site in sites}
    points = [(site, alpha, weight) for site in sites for alpha, weight in path]
    for start in range(0, len(points), together):
        some = points[start : start + together]
        changes, weights = [], []
        for site, of_site in itertools.groupby(some, key=lambda point: point[0]):
            alpha, weight = torch.tensor([point[1:] for point in of_site]).to(ends.clean[site]).T
            part = alpha.view(-1, 1, 1, 1)
            leaf = ((1 - part) * ends.clean[site] + part * ends.patch[site]).flatten(0, 1).requires_grad_()
            changes.append((site, leaf, ends.around(site).repeat(len(alpha))))
            weights.append(weight)
        with torch.enable_grad():
            value = evaluate_together(model, metric, batch.repeat(len(some)), changes).sum()
            gradients = _gradients(value, [leaf for _, leaf, _ in changes])
        for (site, _, _), weight, gradient in zip(changes, weights, gradients, strict=True):
            total[site] += torch.einsum("k,kbsd->bsd", weight, gradient.view(len(weight), *total[site].shape))
    return total


def unit_effects(changes: UnitChanges, batch: Batch, gradient: Float[Tensor, "batch pos d_in"]) -> UnitEffects:
    """Read the effects of one site's units off the mean gradient.

    Raises:
        AttributionError: an effect is not a number; the site is named.

    """
    return _effects(changes, batch, changes.along(gradient))


def exact_effects(
    model: LanguageModel, metric: Metric, batch: Batch, ends: Ends, changes: UnitChanges, rows: int
) -> UnitEffects:
    """Set each unit of one site by itself to its other end, let the rest compute, and take the change of the metric.

    `rows` is the most sequences to run at once.

    Raises:
        AttributionError: an effect is not a number; the site is named.

    """
    found, site = [], changes.dictionary.site
    with torch.no_grad():
        before, around = evaluate(model, metric, batch), ends.around(site)
        for some in changes.slices(rows):
            example, position = changes.example[some], changes.position[some]
            x = ends.clean[site][example]
            x[torch.arange(len(x), device=x.device), position] += changes.directions(some)
            several = batch.take(example)
            after = evaluate_from(model, metric, several, site, x, around.take(example))
            found.append(after - before[example])
    return _effects(changes, batch, torch.cat(found))


def _effects(changes: UnitChanges, batch: Batch, effect: Tensor) -> UnitEffects:
    if not torch.isfinite(effect).all():
        raise AttributionError(
            f"effects at {changes.dictionary.site.name} are not finite (NaN or infinity); "
            "the model's weights or activations overflow: check the checkpoint and the number type"
        )
    # Half as wide: these rows are the largest thing that is kept of long prompts.
    example, position, unit = (t.int() for t in (batch.indices[changes.example], changes.position, changes.unit))
    return UnitEffects(example, position, unit, effect, changes.clean, changes.patch)
