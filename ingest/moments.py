"""Means over examples with standard errors over distinct items, gathered batch by batch in float64.

Examples that repeat an item are not independent, so the item is the unit of the error: with item sums s_i over n_i
examples, N examples and I items, the standard error of the mean m is sqrt(I/(I-1) · Σ (s_i - m·n_i)²) / N (the
cluster-robust variance of a mean). One pass keeps Σ s_i², Σ s_i·n_i and Σ n_i².
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor


class ItemMoments:
    """Gathers values [batch, *shape], the examples of an item in any order and in any batch.

    `examples_of` says how many examples of each item come in all, so that the sum of an item is folded into the moments
    when its last example is in; without it, or for items spread over batches, one sum an item is held meanwhile.
    """

    def __init__(self, examples_of: Mapping[int, int] | None = None) -> None:
        self._examples = 0
        self._items = 0
        self._sum: Tensor | float = 0.0
        self._square: Tensor | float = 0.0
        self._cross: Tensor | float = 0.0
        self._counts = 0.0
        self._examples_of = examples_of or {}
        self._open: dict[int, tuple[Tensor, int]] = {}

    def add(self, values: Float[Tensor, "batch *shape"], items: Int[Tensor, " batch"]) -> None:
        """Take in one batch."""
        values = values.detach()
        self._examples += len(values)
        self._sum = self._sum + values.sum(0, dtype=torch.float64)
        for number in dict.fromkeys(items.tolist()):
            part = values[items == number]
            total, count = part.sum(0, dtype=torch.float64), len(part)
            if number in self._open:
                before, so_far = self._open.pop(number)
                total, count = before + total, so_far + count
            if count == self._examples_of.get(number):
                self._fold(total, count)
            else:
                self._open[number] = total, count

    def _fold(self, total: Tensor, count: int) -> None:
        self._items += 1
        self._square = self._square + total**2
        self._cross = self._cross + total * count
        self._counts += count**2

    def mean(self) -> Float[Tensor, "*shape"]:
        """Mean over examples."""
        return torch.as_tensor(self._sum) / self._examples

    def standard_error(self) -> Float[Tensor, "*shape"]:
        """Standard error of the mean over distinct items, all of whose examples are in; NaN where there is only one."""
        while self._open:
            self._fold(*self._open.popitem()[1])
        mean = self.mean()
        if self._items < 2:
            return torch.full_like(mean, torch.nan)
        spread = self._square - 2 * mean * self._cross + mean**2 * self._counts
        return (torch.as_tensor(spread).clamp_min(0) * self._items / (self._items - 1)).sqrt() / self._examples
