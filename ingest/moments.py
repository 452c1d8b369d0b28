"""Means over examples with standard errors over distinct items, gathered batch by batch in float64.

Examples that repeat an item are not independent, so the item is the unit of the error: with item sums s_i over n_i
examples, N examples and I items, the standard error of the mean m is sqrt(I/(I-1) · Σ (s_i - m·n_i)²) / N (the
cluster-robust variance of a mean). One pass keeps Σ s_i², Σ s_i·n_i and Σ n_i².
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


class ItemMoments:
    """Gathers values [batch, *shape]; examples of one item must come one after the other."""

    def __init__(self) -> None:
        self._examples = 0
        self._items = 0
        self._sum: Tensor | float = 0.0
        self._square: Tensor | float = 0.0
        self._cross: Tensor | float = 0.0
        self._counts = 0.0
        self._open: tuple[int, Tensor, int] | None = None

    def add(self, values: Float[Tensor, "batch *shape"], items: Int[Tensor, " batch"]) -> None:
        """Take in one batch; an item may go on in the next."""
        values = values.detach().double()
        self._examples += len(values)
        self._sum = self._sum + values.sum(0)
        numbers, counts = torch.unique_consecutive(items, return_counts=True)
        for number, part in zip(numbers.tolist(), values.split(counts.tolist()), strict=True):
            if self._open is not None and self._open[0] == number:
                self._open = (number, self._open[1] + part.sum(0), self._open[2] + len(part))
            else:
                self._close()
                self._open = (number, part.sum(0), len(part))

    def _close(self) -> None:
        if self._open is not None:
            _, total, count = self._open
            self._items += 1
            self._square = self._square + total**2
            self._cross = self._cross + total * count
            self._counts += count**2
            self._open = None

    def mean(self) -> Float[Tensor, "*shape"]:
        """Mean over examples."""
        return torch.as_tensor(self._sum) / self._examples

    def standard_error(self) -> Float[Tensor, "*shape"]:
        """Standard error of the mean over distinct items; NaN where there is only one."""
        self._close()
        mean = self.mean()
        if self._items < 2:
            return torch.full_like(mean, torch.nan)
        spread = self._square - 2 * mean * self._cross + mean**2 * self._counts
        return (torch.as_tensor(spread).clamp_min(0) * self._items / (self._items - 1)).sqrt() / self._examples
