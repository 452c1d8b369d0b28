"""Metrics: one number per example, whose change an indirect effect measures.

Sign, stated once: a metric grows towards the patch input. A positive effect means that patching the unit moves the
model towards the patch answer (or, for single prompts, away from the right one), as in the published code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Float
from torch import Tensor

from circuit_atlas.ingest.batches import Batch


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

    def __call__(self, logits: Float[Tensor, "batch pos d_vocab"], batch: Batch) -> Float[Tensor, " batch"]:
        """Return the metric of each example."""
        ...


@dataclass(frozen=True)
class LogitDifference:
    """logit(patch answer) - logit(clean answer) at the last position."""

    name: str = "logit difference"
    sign: str = "positive: patching moves the model towards the patch answer"

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

    def __call__(self, logits: Float[Tensor, "batch pos d_vocab"], batch: Batch) -> Float[Tensor, " batch"]:
        """Return the negative logit of each example."""
        return -logits[:, -1].float().gather(1, batch.clean_answer[:, None]).squeeze(1)
