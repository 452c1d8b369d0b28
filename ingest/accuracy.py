"""Whether the model has the behaviour at all: the share of examples that it answers right.

The right answer has the larger logit of the two; of single prompts, the largest of all. Where several answers are
given, the best of each side counts; a whole answer is right where each of its tokens has the largest logit.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.metrics import clean_tokens, patch_tokens


def accuracy(model: LanguageModel, batches: Sequence[Batch]) -> float | None:
    """Share of clean inputs answered right; None where the examples have no answers."""
    right = total = 0
    for batch in batches:
        if bool((batch.clean_answer < 0).any()):
            return None
        with torch.no_grad():
            wins = _wins(model, batch)
        right += int(wins.sum())
        total += len(wins)
    return right / total


def _wins(model: LanguageModel, batch: Batch) -> Bool[Tensor, " batch"]:
    if batch.targets is not None:
        said = model.run(batch.clean).argmax(-1)
        return ((said == batch.targets) | (batch.targets < 0)).all(1)
    last = model.run(batch.clean, last=True)[:, -1]
    best = _best(last, clean_tokens(batch))
    if batch.patch_answer is None:
        return best >= last.amax(-1)
    return best > _best(last, patch_tokens(batch))


def _best(logits: Float[Tensor, "batch d_vocab"], tokens: Int[Tensor, "batch answer"]) -> Float[Tensor, " batch"]:
    found = logits.gather(1, tokens.clamp_min(0))
    return torch.where(tokens >= 0, found, -torch.inf).amax(1)
