"""How likely a circuit is to choose a feature, given no more than how often and how strongly it is active.

A logistic regression of "is in the circuit" on the logarithms of frequency and mean activation, their squares and their
product, and hinges at three places of each and of both together, site by site: first one fit with the same slopes at
every site, then each site's departure from it, both with a ridge penalty (a normal prior of unit width on standardised
slopes), so that sites with few chosen features lean on the others. This is the propensity score of Rosenbaum and Rubin
(The central role of the propensity score, 1983).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from circuit_atlas.analysis.graph import Floats, Ints
from circuit_atlas.analysis.sharing.candidates import Active

HINGES = (-0.7, 0.0, 0.7)
"""Where slopes may change, in standard deviations: near the quartiles of a normal distribution."""

RAREST = 1e-9
"""Frequencies below this count as this."""

STEPS, CLOSE = 40, 1e-8
"""Newton's method ends where no coefficient moves by more, or after so many steps."""

STEEPEST = 30.0
"""Log odds beyond this are as good as certain."""


def log_odds(active: Sequence[Active], chosen: Sequence[Floats], ridge: float = 1.0) -> list[Floats]:
    """Return each candidate's fitted log odds of being chosen, site by site.

    Args:
        active: what was active at each site.
        chosen: 1.0 for each of them that the circuit has, else 0.0, in the same order.
        ridge: weight of the penalty on slopes.

    """
    sites: Ints = np.repeat(np.arange(len(active)), [len(one.feature) for one in active])
    design, hit = _standardised(active), np.concatenate([*chosen, np.zeros(0)])
    common = _fit(np.hstack([np.eye(len(active))[sites], design]), hit, np.zeros(len(hit)), len(active), ridge)
    found = []
    for site in range(len(active)):
        here = sites == site
        own = np.hstack([np.ones((int(here.sum()), 1)), design[here]])
        found.append(common[here] + _fit(own, hit[here], common[here], 1, ridge))
    return found


def log_sizes(active: Sequence[Active], sizes: Sequence[Floats], ridge: float = 1.0) -> list[Floats]:
    """Return each candidate's fitted logarithm of size, were it chosen, site by site.

    Linear regression over those that were chosen, on the columns of `log_odds`, with the same two steps and penalty.

    Args:
        active: what was active at each site.
        sizes: absolute effect of each of them where the circuit has it, else 0, in the same order.
        ridge: weight of the penalty on slopes.

    """
    sites: Ints = np.repeat(np.arange(len(active)), [len(one.feature) for one in active])
    design, size = _standardised(active), np.concatenate([*sizes, np.zeros(0)])
    known = size > 0.0
    wanted = np.log(np.where(known, size, 1.0))
    whole = np.hstack([np.eye(len(active))[sites], design])
    common: Floats = whole @ _slopes(whole[known], wanted[known], len(active), ridge)
    found = []
    for site in range(len(active)):
        here = sites == site
        own = np.hstack([np.ones((int(here.sum()), 1)), design[here]])
        left = (wanted - common)[here]
        found.append(common[here] + own @ _slopes(own[known[here]], left[known[here]], 1, ridge))
    return found


def _standardised(active: Sequence[Active]) -> Floats:
    """Columns of all sites, each of unit spread."""
    design = np.concatenate([_design(one) for one in active]) if len(active) else np.zeros((0, 6 + 3 * len(HINGES)))
    spread = design.std(axis=0)
    return (design - design.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0) if len(design) else design


def _slopes(design: Floats, wanted: Floats, free: int, ridge: float) -> Floats:
    """Return the coefficients of a linear fit; the first `free` are hardly penalised."""
    curvature = design.T @ design + np.diag(_penalty(design.shape[1], free, ridge))
    found: Floats = np.asarray(np.linalg.solve(curvature, design.T @ wanted), np.float64)
    return found


def _penalty(count: int, free: int, ridge: float) -> Floats:
    penalty = np.full(count, ridge)
    penalty[:free] = 1e-2
    return penalty


def _design(active: Active) -> Floats:
    """Slopes' columns: logarithms standardised within the site, their squares and product, and "silent on clean"."""
    silent = active.activation <= 0.0
    floor = active.activation[~silent].min(initial=1.0)
    frequency = _standard(np.log(np.maximum(active.frequency, RAREST)))
    strength = _standard(np.log(np.where(silent, floor, active.activation)))
    columns = (frequency, strength, frequency**2, strength**2, frequency * strength, silent.astype(np.float64))
    both = (frequency + strength) / np.sqrt(2.0)
    hinges = [np.maximum(0.0, x - k) for x in (frequency, strength, both) for k in HINGES]
    return np.stack([*columns, *hinges], axis=1)


def _standard(values: Floats) -> Floats:
    spread = float(values.std()) if len(values) else 0.0
    return (values - values.mean()) / spread if spread > 0.0 else np.zeros_like(values)


def _fit(design: Floats, hit: Floats, offset: Floats, free: int, ridge: float) -> Floats:
    """Return the fitted log odds without the offset; the first `free` coefficients are hardly penalised."""
    penalty = _penalty(design.shape[1], free, ridge)
    slopes = np.zeros(design.shape[1])
    for _ in range(STEPS):
        odds = 1.0 / (1.0 + np.exp(-np.clip(offset + design @ slopes, -STEEPEST, STEEPEST)))
        curvature = (design * (odds * (1.0 - odds))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, design.T @ (hit - odds) - penalty * slopes)
        slopes += step
        if np.abs(step).max(initial=0.0) < CLOSE:
            break
    fitted: Floats = design @ slopes
    return fitted
