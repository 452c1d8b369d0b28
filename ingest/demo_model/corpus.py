"""Passages as token ids, in batches padded on the right."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from circuit_atlas.ingest.demo_model.grammar.text import passages

_SORTED_AT_ONCE = 32
"""Batches whose passages are sorted by length together, so that little is padded."""


def batches(tokenizer: Any, seed: int, size: int, count: int) -> Iterator[Int[Tensor, "batch pos"]]:
    """`count` batches of `size` passages of the training text, shortest and longest in random order."""
    source = passages(seed)
    generator = torch.Generator().manual_seed(seed)
    left = count
    while left:
        some = min(_SORTED_AT_ONCE, left)
        encoded = sorted(tokenizer(list(islice(source, some * size)))["input_ids"], key=len)
        for place in torch.randperm(some, generator=generator).tolist():
            yield _pad(encoded[place * size : (place + 1) * size], tokenizer.pad_token_id)
        left -= some


def _pad(rows: list[list[int]], pad: int) -> Int[Tensor, "batch pos"]:
    longest = max(map(len, rows))
    return torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
