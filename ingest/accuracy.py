"""Whether the model has the behaviour at all: the share of examples that it answers right."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.language_model import LanguageModel


def accuracy(model: LanguageModel, batches: Sequence[Batch]) -> float:
    """Share of clean inputs whose answer has the larger logit of the two; of single prompts, the largest of all."""
    right = total = 0
    for batch in batches:
        with torch.no_grad():
            last = model.run(batch.clean)[:, -1]
        if batch.patch_answer is None:
            wins = last.argmax(-1) == batch.clean_answer
        else:
            answers = last.gather(1, torch.stack([batch.clean_answer, batch.patch_answer], 1))
            wins = answers[:, 0] > answers[:, 1]
        right += int(wins.sum())
        total += len(wins)
    return right / total
