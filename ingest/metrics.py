"""Metrics: one number per example, whose change an indirect effect measures.

Sign, stated once: a metric grows towards the patch input. A positive effect means that patching the unit moves the
model towards the patch answer (or, for single prompts, away from the right one), as in the published code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Float, Int
from torch import Tensor

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.language_model import LanguageModel, Replace
from circuit_atlas.ingest.sites import Site


class Metric(Protocol):
    """One number per example from the model's logits; `name` and `sign` are stored on the circuit."""

    @property
    def name(self) -> str:
        """Name stored on the circuit."""
        ...

    @property
    def sign(self) -> str:
        """What a positive effect means, in words."""
        ...

    @property
    def last_only(self) -> bool:
        """Whether it reads the last position alone, so that no other logits need be computed."""
        ...

    def __call__(self, logits: Float[Tensor, "batch pos d_vocab"], batch: Batch) -> Float[Tensor, " batch"]:
        """Return the metric of each example."""
        ...


def evaluate(
    model: LanguageModel,
    metric: Metric,
    batch: Batch,
    replace: Mapping[Site, Replace] | None = None,
    *,
    tokens: Int[Tensor, "batch pos"] | None = None,
) -> Float[Tensor, " batch"]:
    """Run a batch (on `tokens` in place of its clean input where given) and take the metric of each example."""
    return metric(model.run(batch.clean if tokens is None else tokens, replace, last=metric.last_only), batch)


def evaluate_from(
    model: LanguageModel,
    metric: Metric,
    batch: Batch,
    site: Site,
    x: Float[Tensor, "batch pos d"],
    entry: Float[Tensor, "batch pos d"] | None,
) -> Float[Tensor, " batch"]:
    """Metric of each example with the activation at one site set to x, running only what comes after it."""
    return metric(model.run_from(batch.clean, site, x, entry, last=metric.last_only), batch)


@dataclass(frozen=True)
class LogitDifference:
    """logit(patch answer) - logit(clean answer) at the last position."""

    name: str = "logit difference"
    sign: str = "positive: patching moves the model towards the patch answer"
    last_only: bool = True

    def __call__(self, logits: Float[Tensor, "batch pos d_vocab"], batch: Batch) -> Float[Tensor, " batch"]:
        """Return the difference of each example."""
        assert batch.patch_answer is not None
        last = logits[:, -1].float()
        patch = last.gather(1, batch.patch_answer[:, None])
        return (patch - last.gather(1, batch.clean_answer[:, None])).squeeze(1)


@dataclass(frozen=True)
class NegativeLogit:
    """-logit(answer) at the last position: for single prompts."""

    name: str = "negative logit"
    sign: str = "positive: ablating moves the model away from the answer"
    last_only: bool = True

    def __call__(self, logits: Float[Tensor, "batch pos d_vocab"], batch: Batch) -> Float[Tensor, " batch"]:
        """Return the negative logit of each example."""
        return -logits[:, -1].float().gather(1, batch.clean_answer[:, None]).squeeze(1)
