"""Run a batch and take its metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuit_atlas.errors import AttributionError
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.language_model import LanguageModel, Replace
from circuit_atlas.ingest.metrics import Linear, Metric
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.starts import Around, Start

Change = tuple[Site, Tensor, Around]
"""A site, what its activation [batch, pos, d] is set to, and the streams about it on the same rows."""


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
    if metric.site is not None:
        return _checked(metric, model.run_to(tokens, metric.site, replace), batch, said)
    return _of_logits(model, metric, batch, said, replace)


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
    return evaluate_together(model, metric, batch, [(site, x, around)])


def evaluate_together(
    model: LanguageModel, metric: Metric, batch: Batch, changes: Sequence[Change]
) -> Float[Tensor, " batch"]:
    """Do as `evaluate_from` for several sites in one run; the batch has the rows of one change behind the other's.

    Raises:
        AttributionError: the metric does not give one finite number per example.
        ValueError: runs with these sites changed do not begin at one place (see `groups_to_run`).

    """
    site, x, _ = changes[0]
    said = _Inputs(model.tokenizer, batch.clean, tuple(site for site, _, _ in changes))
    alone = {site: lambda _: x}
    if metric.site is not None and len(changes) == 1:
        return _checked(metric, model.run_to(batch.clean, metric.site, alone), batch, said)
    begun = [model.begin(*change) for change in changes]
    start, settled = begun[0]
    if len(changes) > 1:
        streams = [one.stream for one, done in begun if done and one and start and one.layer == start.layer]
        if metric.site is not None or start is None or len(streams) < len(changes):
            raise ValueError(f"runs from {', '.join(s.name for s, _, _ in changes)} do not begin at one place")
        start = Start(start.layer, torch.cat(streams))
    return _of_logits(model, metric, batch, said, None if settled else alone, start)


def groups_to_run(model: LanguageModel, metric: Metric, changes: Sequence[Change]) -> list[list[Site]]:
    """Group the sites whose runs begin after one and the same block, in order; others stay alone.

    In a parallel block these are attention, MLP and stream: their runs are one product of three times the rows.
    """
    groups: dict[Site | int, list[Site]] = {}
    for site, x, around in changes:
        start, settled = model.begin(site, x, around)
        together = start is not None and settled and metric.site is None
        groups.setdefault(start.layer if together and start else site, []).append(site)
    return list(groups.values())


def _of_logits(
    model: LanguageModel,
    metric: Metric,
    batch: Batch,
    said: _Inputs,
    replace: Mapping[Site, Replace] | None,
    start: Start | None = None,
) -> Tensor:
    """Run the batch's tokens as said, and take a metric of the logits: of those alone that it reads."""
    linear = metric.linear(batch) if model.can_select else None
    if linear is None:
        return _checked(metric, model.run(said.tokens, replace, start=start, last=metric.last_only), batch, said)
    logits = model.run(said.tokens, replace, start=start, tokens_read=linear.tokens)
    return _finite(_sum(logits, linear), None, metric, said)


def _sum(logits: Float[Tensor, "batch 1 token"], linear: Linear) -> Float[Tensor, " batch"]:
    return (logits[:, 0].float() * linear.coefficients).sum(1)


@dataclass(frozen=True)
class _Inputs:
    """What was run, for messages: prompts, and the sites that were changed, one of them a row."""

    tokenizer: Any
    tokens: Int[Tensor, "batch pos"]
    sites: tuple[Site, ...] = ()

    def say(self, row: int) -> str:
        ids = self.tokens[row].tolist()
        prompt = f"tokens {ids}" if self.tokenizer is None else repr(self.tokenizer.decode(ids))
        names = " or ".join(site.name for site in self.sites)
        return prompt + (f" with another activation at {names}" if names else "")


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
        f"the metric {metric.name!r} gives {found[row].item()} on {said.say(row)}, where what it reads is finite; "
        "it must give finite numbers"
    )
