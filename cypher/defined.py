"""When faithfulness is defined: one rule for what is stored of a measurement and for all that is computed from it."""

from __future__ import annotations

LEAST_SPAN = 1e-6
"""Least |m(M) - m(∅)| that can divide, as a share of the metric's own size, the mean of |m(M)| over examples."""


def least_span(full: float) -> float:
    """Return what |m(M) - m(∅)|, means over examples, must exceed for faithfulness to be defined.

    Args:
        full: mean of |m(M)| over examples (units of the metric), so that neither the metric's scale nor that it
            cancels between examples decides.

    """
    return LEAST_SPAN * full
