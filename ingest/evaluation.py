"""Run a batch and take its metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
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
        AttributionError: the metric does not give one finite number per example.

    """
    tokens = batch.clean if tokens is None else tokens
    said = _Inputs(model.tokenizer, tokens)
    if metric.site is None:
        linear = metric.linear(batch) if model.can_select else None
        if linear is not None:
            return _finite(_sum(model.run(tokens, replace, tokens_read=linear.tokens), linear), None, metric, said)
        return _checked(metric, model.run(tokens, replace, last=metric.last_only), batch, said)
    return _checked(metric, model.run_to(tokens, metric.site, replace), batch, said)


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
        AttributionError: the metric does not give one finite number per example.

    """
    said = _Inputs(model.tokenizer, batch.clean, site)
    if metric.site is None:
        linear = metric.linear(batch) if model.can_select else None
        if linear is not None:
            return _finite(
                _sum(model.run_from(batch.clean, site, x, around, tokens_read=linear.tokens), linear),
                None,
                metric,
                said,
            )
        return _checked(metric, model.run_from(batch.clean, site, x, around, last=metric.last_only), batch, said)
    return _checked(metric, model.run_to(batch.clean, metric.site, {site: lambda _: x}), batch, said)


def _sum(logits: Float[Tensor, "batch 1 token"], linear: Linear) -> Float[Tensor, " batch"]:
    return (logits[:, 0].float() * linear.coefficients).sum(1)


@dataclass(frozen=True)
class _Inputs:
    """What was run, for messages: prompts, and the site that was changed."""

    tokenizer: Any
    tokens: Int[Tensor, "batch pos"]
    site: Site | None = None

    def say(self, row: int) -> str:
        ids = self.tokens[row].tolist()
        prompt = f"tokens {ids}" if self.tokenizer is None else repr(self.tokenizer.decode(ids))
        return prompt + (f" with another activation at {self.site.name}" if self.site else "")


def _checked(metric: Metric, output: Tensor, batch: Batch, said: _Inputs) -> Tensor:
    found = metric(output, batch)
    if not isinstance(found, Tensor) or found.shape != (len(batch.clean),):
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise AttributionError(
            f"the metric {metric.name!r} gives {shape} for a batch of {len(batch.clean)}; it must give one number per "
            "example: a tensor of shape [batch]"
        )
    return _finite(found, output, metric, said)


def _finite(found: Tensor, output: Tensor | None, metric: Metric, said: _Inputs) -> Tensor:
    """Return the metric; refuse NaN and infinity. `output` is what a metric of any kind read, None: a sum of logits."""
    fine = torch.isfinite(found)
    if fine.all():
        return found
    row = int((~fine).nonzero()[0])
    if output is None or not torch.isfinite(output[row]).all():
        raise AttributionError(
            f"what the metric {metric.name!r} reads is not finite (NaN or infinity) on {said.say(row)}; the model's "
            "weights or activations overflow: check the checkpoint and the number type"
        )
    raise AttributionError(
        f"the metric {metric.name!r} gives {float(found[row])} on {said.say(row)}, where what it reads is finite; "
        "it must give finite numbers"
    )
