"""Figures that several analyses need: rank correlation, and false discovery rates over many tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuit_atlas.analysis.graph import Floats
from circuit_atlas.errors import QueryError


def rank_correlation(one: Floats, other: Floats) -> float:
    """Return Spearman's rank correlation, ties sharing their mean rank; NaN of fewer than three or of equal values."""
    if len(one) < 3:
        return float("nan")
    x, y = (_centred_ranks(values) for values in (one, other))
    length = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / length if length > 0.0 else float("nan")


def _centred_ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Floats = (ends - (counts - 1) / 2.0)[inverse]
    centred: Floats = ranks - ranks.mean()
    return centred


def false_discovery(p_values: Sequence[float] | Floats, *, any_dependence: bool = False) -> Floats:
    """Adjust p-values to false discovery rates: the least rate that would take each in (Benjamini and Hochberg 1995).

    Args:
        p_values: shape [tests], of tests that are independent or positively dependent; NaN where there is none, which
            stays NaN and is not counted.
        any_dependence: hold under any dependence (Benjamini and Yekutieli 2001), at a price of about log n.

    Raises:
        QueryError: one is below 0 or above 1.

    """
    from scipy.stats import false_discovery_control

    p = np.asarray(p_values, np.float64)
    known = ~np.isnan(p)
    if ((p[known] < 0.0) | (p[known] > 1.0)).any():
        raise QueryError("a p-value is below 0 or above 1")
    found = np.full(len(p), np.nan)
    if known.any():
        found[known] = false_discovery_control(p[known], method="by" if any_dependence else "bh")
    return found
