"""A two-token n-gram fitted on the training text: what a task can be solved to without carrying anything."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import islice
from typing import Any

from circuit_atlas.ingest.batches import TokenExample
from circuit_atlas.ingest.demo_model.grammar.text import passages


class Ngram:
    """Counts of the next token after the last two tokens, after the last one, and anywhere."""

    def __init__(self, tokenizer: Any, seed: int, n_passages: int) -> None:
        self._counts: defaultdict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for ids in tokenizer(list(islice(passages(seed), n_passages)))["input_ids"]:
            for place in range(1, len(ids)):
                for length in range(min(2, place) + 1):
                    self._counts[tuple(ids[place - length : place])][ids[place]] += 1

    def accuracy(self, examples: Sequence[TokenExample]) -> float:
        """Share of examples whose clean answer is more frequent than the patch answer; a tie counts a half."""
        return sum(self._score(example) for example in examples) / len(examples)

    def _score(self, example: TokenExample) -> float:
        assert example.patch_answer is not None
        for length in (2, 1, 0):
            counts = self._counts.get(example.clean[len(example.clean) - length :], Counter())
            right, wrong = counts[example.clean_answer], counts[example.patch_answer]
            if right + wrong:
                return 0.5 if right == wrong else float(right > wrong)
        return 0.5
