"""Node thresholds chosen by the data, so that a grid covers every size of circuit."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

FIRST_SHARES = (0.25, 0.125, 0.5, 0.0625, 1.0)
"""Sizes that discovery measures, as shares of the number of units active on one example, in the order chosen."""

MIB_SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Sizes of the Mechanistic Interpretability Benchmark (Mueller et al. 2025, arXiv 2504.13151, section 4.1)."""


def sizes_by_share(shares: Iterable[float], universe: float, most: int) -> list[int]:
    """Numbers of nodes that are these shares of a universe, at most all there are; ascending, none twice, none 0."""
    return sorted({min(int(share * universe), most) for share in shares} - {0})


def spread_sizes(count: int, most: int) -> list[int]:
    """At most `count` numbers of nodes from 1 to all there are, evenly spaced on a logarithmic scale; one: all."""
    if most < 1:
        return []
    if count == 1:
        return [most]
    return sorted({round(most ** (k / (count - 1))) for k in range(count)})


def first_sizes(count: int, universe: float, most: int) -> list[int]:
    """Sizes that discovery measures: the first shares, and beyond them the middles of the widest gaps (by ratio).

    As many as asked for, where there are so many nodes; but fewer where several of the shares are one size.
    """
    sizes = sizes_by_share(FIRST_SHARES[:count], universe, most)
    while sizes and len(FIRST_SHARES) < count > len(sizes):
        if sizes[0] > 1:
            sizes = [1, *sizes]
            continue
        gaps = [(high / low, low, high) for low, high in itertools.pairwise(sizes) if high - low > 1]
        if not gaps:
            break
        _, low, high = max(gaps)
        sizes = sorted([*sizes, min(max(round(math.sqrt(low * high)), low + 1), high - 1)])
    return sizes


def thresholds_of(ranked: Float[Tensor, " node"], sizes: Sequence[int], floor: float) -> list[float]:
    """Thresholds that leave so many nodes, halfway to the next weaker one (ties leave more or fewer), sizes' order.

    Args:
        ranked: absolute effects of all nodes, largest first.
        sizes: how many are to be left.
        floor: absolute effect above which nodes were stored: below the weakest come those that were not. (Where effects
            were pooled since, the weakest may be below it; then 0 is next.)

    """
    weakest = float(ranked[-1]) if len(ranked) else 0.0
    below = torch.cat([ranked, ranked.new_full((1,), floor if floor < weakest else 0.0)])
    return [float((below[n - 1] + below[n]) / 2) for n in sizes]
