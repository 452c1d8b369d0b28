"""Metrics: one number per example, whose change an indirect effect measures.

Sign, stated once: a metric grows towards the patch input. A positive effect means that patching the unit moves the
model towards the patch answer (or, for single prompts, away from the right one), as in the published code. Logits are
read as float32, whatever the model computes in; probabilities are natural, logarithms in nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.tokens import Answers

_TO_PATCH_ANSWER = "positive: patching moves the model towards the patch answer"
_FROM_ANSWER = "positive: ablating moves the model away from the answer"


@dataclass(frozen=True)
class Linear:
    """A metric that is a sum of few logits at the last position: tokens [batch, token], and what each counts."""

    tokens: Int[Tensor, "batch token"]
    coefficients: Float[Tensor, "batch token"]

    @classmethod
    def of(cls, plus: Tensor | None, minus: Tensor) -> Linear:
        """Count some tokens as 1 and some as -1; a token of -1 counts nothing."""
        sides = [(minus, -1.0)] if plus is None else [(plus, 1.0), (minus, -1.0)]
        tokens = torch.cat([side for side, _ in sides], 1)
        counts = torch.cat([torch.full_like(side, sign, dtype=torch.float32) for side, sign in sides], 1)
        return cls(tokens.clamp_min(0), counts * (tokens >= 0))


class Metric(Protocol):
    """One number per example from the model's output; `name` and `sign` are stored on the circuit."""

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

    @property
    def site(self) -> Site | None:
        """Where it reads the activation [batch, pos, d]; None: it reads the logits [batch, pos, d_vocab]."""
        ...

    @property
    def answers(self) -> Answers:
        """What it reads of the examples' answers."""
        ...

    def linear(self, batch: Batch) -> Linear | None:
        """Which few logits it is a sum of, so that no others need be computed; None where it is none."""
        ...

    def __call__(self, output: Tensor, batch: Batch) -> Float[Tensor, " batch"]:
        """Return the metric of each example."""
        ...


class NotLinear:
    """A metric that is no sum of few logits."""

    def linear(self, batch: Batch) -> None:
        """Return nothing: all logits are needed."""


@dataclass(frozen=True)
class LogitDifference:
    """logit(patch answer) - logit(clean answer) at the last position; sums where several answers are given."""

    name: str = "logit difference"
    sign: str = _TO_PATCH_ANSWER
    last_only: bool = True
    site: None = None
    answers: Answers = "token"

    def linear(self, batch: Batch) -> Linear:
        """Return the answers' logits."""
        return Linear.of(patch_tokens(batch), clean_tokens(batch))

    def __call__(self, output: Float[Tensor, "batch pos d_vocab"], batch: Batch) -> Float[Tensor, " batch"]:
        """Return the difference of each example."""
        last = output[:, -1].float()
        return total(last, patch_tokens(batch)) - total(last, clean_tokens(batch))


@dataclass(frozen=True)
class NegativeLogit:
    """-logit(answer) at the last position, for single prompts; the sum where several answers are given."""

    name: str = "negative logit"
    sign: str = _FROM_ANSWER
    last_only: bool = True
    site: None = None
    answers: Answers = "token"

    def linear(self, batch: Batch) -> Linear:
        """Return the answers' logits."""
        return Linear.of(None, clean_tokens(batch))

    def __call__(self, output: Float[Tensor, "batch pos d_vocab"], batch: Batch) -> Float[Tensor, " batch"]:
        """Return the negative logit of each example."""
        return -total(output[:, -1].float(), clean_tokens(batch))


@dataclass(frozen=True)
class Probability(NotLinear):
    """Probability of the patch answers less that of the clean answers (single prompts: less alone); sets are summed."""

    name: str = "probability"
    sign: str = "positive: moving the unit takes probability from the clean answer (and gives it to the patch answer)"
    last_only: bool = True
    site: None = None
    answers: Answers = "token"

    def __call__(self, output: Float[Tensor, "batch pos d_vocab"], batch: Batch) -> Float[Tensor, " batch"]:
        """Return the difference of each example, from -1 to 1."""
        share = output[:, -1].float().softmax(-1)
        right = total(share, clean_tokens(batch))
        return -right if batch.patch_answer is None else total(share, patch_tokens(batch)) - right


@dataclass(frozen=True)
class NegativeLogProbability(NotLinear):
    """-log p(whole clean answer | prompt), teacher-forced (nats); `per_token`: the mean over its tokens, a loss."""

    per_token: bool = False
    sign: str = "positive: moving the unit makes the clean answer less likely"
    site: None = None
    answers: Answers = "whole"
    last_only: bool = False

    @property
    def name(self) -> str:
        """Name stored on the circuit."""
        return "loss" if self.per_token else "negative log-probability"

    def __call__(self, output: Float[Tensor, "batch pos d_vocab"], batch: Batch) -> Float[Tensor, " batch"]:
        """Return the negative log-probability of each example's answer."""
        assert batch.targets is not None
        # Only positions that some example reads: log-probabilities over a vocabulary are large.
        read = (batch.targets >= 0).any(0)
        read[-1] = True
        targets, logits = batch.targets[:, read], output[:, read].float()
        wanted = logits.gather(2, targets.clamp_min(0)[..., None]).squeeze(2) - logits.logsumexp(2)
        counts = targets >= 0
        summed = -(wanted * counts).sum(1)
        return summed / counts.sum(1) if self.per_token else summed


@dataclass(frozen=True)
class Divergence(NotLinear):
    """KL divergence of the next token's distribution from that on the clean input (nats).

    It is least at clean, so its gradient vanishes there: attribution patching finds nothing, integrated gradients do.
    """

    name: str = "KL divergence from clean"
    sign: str = "positive: moving the unit changes what the model says next"
    last_only: bool = True
    site: None = None
    answers: Answers = "none"

    def __call__(self, output: Float[Tensor, "batch pos d_vocab"], batch: Batch) -> Float[Tensor, " batch"]:
        """Return the divergence of each example."""
        assert batch.reference is not None
        now = output[:, -1].float().log_softmax(-1)
        return (batch.reference.exp() * (batch.reference - now)).sum(-1)


@dataclass(frozen=True, eq=False)
class Classifier(NotLinear):
    """A linear classifier on activations, mean over positions: w · mean_pos(x) + b (a logit)."""

    site: Site
    weight: Float[Tensor, " d"]
    bias: float
    digest: str
    sign: str = "positive: moving the unit raises the classifier's logit"
    last_only: bool = True
    answers: Answers = "none"

    @property
    def name(self) -> str:
        """Name stored on the circuit."""
        return f"linear classifier {self.digest[:8]} on {self.site.name}, mean over positions"

    def __call__(self, output: Float[Tensor, "batch pos d"], batch: Batch) -> Float[Tensor, " batch"]:
        """Return the logit of each example."""
        return output.float().mean(1) @ self.weight.to(output.device) + self.bias


def clean_tokens(batch: Batch) -> Int[Tensor, "batch answer"]:
    """Ids of the clean answers, -1 behind them."""
    return batch.clean_answer[:, None] if batch.clean_set is None else batch.clean_set


def patch_tokens(batch: Batch) -> Int[Tensor, "batch answer"]:
    """Ids of the patch answers, -1 behind them."""
    assert batch.patch_answer is not None
    return batch.patch_answer[:, None] if batch.patch_set is None else batch.patch_set


def total(values: Float[Tensor, "batch d_vocab"], tokens: Int[Tensor, "batch answer"]) -> Float[Tensor, " batch"]:
    """Sum of the values of some tokens; -1 counts nothing."""
    found = values.gather(1, tokens.clamp_min(0))
    return torch.where(tokens >= 0, found, 0.0).sum(1)
