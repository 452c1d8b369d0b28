"""Run a batch and take its metric."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float, Int
from torch import Tensor

from circuit_atlas.errors import AttributionError
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.language_model import Around, LanguageModel, Replace
from circuit_atlas.ingest.metrics import Linear, Metric
from circuit_atlas.ingest.sites import Site


def evaluate(
    model: LanguageModel,
    metric: Metric,
    batch: Batch,
    replace: Mapping[Site, Replace] | None = None,
    *,
    tokens: Int[Tensor, "batch pos"] | None = None,
) -> Float[Tensor, " batch"]:
    """Run a batch (on `tokens` in place of its clean input where given) and take the metric of each example.

    Raises:
        AttributionError: the metric does not give one number per example.

    """
    tokens = batch.clean if tokens is None else tokens
    if metric.site is None:
        linear = metric.linear(batch) if model.can_select else None
        if linear is not None:
            return _sum(model.run(tokens, replace, tokens_read=linear.tokens), linear)
        return _checked(metric, model.run(tokens, replace, last=metric.last_only), batch)
    return _checked(metric, model.run_to(tokens, metric.site, replace), batch)


def evaluate_from(
    model: LanguageModel,
    metric: Metric,
    batch: Batch,
    site: Site,
    x: Float[Tensor, "batch pos d"],
    around: Around,
) -> Float[Tensor, " batch"]:
    """Metric of each example with the activation at one site set to x, running only what comes after it.

    Raises:
        AttributionError: the metric does not give one number per example.

    """
    if metric.site is None:
        linear = metric.linear(batch) if model.can_select else None
        if linear is not None:
            return _sum(model.run_from(batch.clean, site, x, around, tokens_read=linear.tokens), linear)
        return _checked(metric, model.run_from(batch.clean, site, x, around, last=metric.last_only), batch)
    return _checked(metric, model.run_to(batch.clean, metric.site, {site: lambda _: x}), batch)


def _sum(logits: Float[Tensor, "batch 1 token"], linear: Linear) -> Float[Tensor, " batch"]:
    return (logits[:, 0].float() * linear.coefficients).sum(1)


def _checked(metric: Metric, output: Tensor, batch: Batch) -> Tensor:
    found = metric(output, batch)
    if not isinstance(found, Tensor) or found.shape != (len(batch.clean),):
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise AttributionError(
            f"the metric {metric.name!r} gives {shape} for a batch of {len(batch.clean)}; it must give one number per "
            "example: a tensor of shape [batch]"
        )
    return found
