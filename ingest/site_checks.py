"""What each site says of the approximations: how much of the metric its error carries, and whether its effects add up.

Three figures a site, never summed over sites (what passes through one passes through the next):

- *survival*: with only this site's error removed, (m - m(patch)) / (m(clean) - m(patch)) of the means; where there is
  no patch input, m / m(clean). 1: the dictionary's features carry all of the metric there. What it is divided by is
  the same for all sites, so it is undefined (the two ends do not differ) at all of them or at none.
- *total* and *patched*: the effects of its features and error together, and the change of m when that whole site alone
  takes its other end. For `ig` they agree up to the grid (completeness); for `exact` and `atp` they need not.
- *inactive*: share of the absolute effect of its features that sits in features inactive on clean. These have no edges
  into them with the Jacobian at clean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from circuit_atlas.ingest.attribution import NodeAttribution
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.evaluation import evaluate_from
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.states import BatchState
from circuit_atlas.ingest.subject import Subject

LEAST_SURVIVAL = 0.7
"""Survival below which discovery warns."""


@dataclass(frozen=True)
class SiteCheck:
    """Figures of one site, means over examples (units of the metric, or shares); None where undefined."""

    survival: float | None
    total: float
    patched: float
    inactive: float


def check_sites(subject: Subject, batches: Sequence[Batch], attribution: NodeAttribution) -> dict[Site, SiteCheck]:
    """Run every site twice: without its error, and at its other end."""
    n_examples = len(attribution.metric_clean)
    clean = float(attribution.metric_clean.mean())
    patch = 0.0 if attribution.metric_patch is None else float(attribution.metric_patch.mean())
    runs = _two_runs(subject, batches, attribution)
    found = {}
    for site in subject.dictionaries:
        without, patched = (total / n_examples for total in runs[site])
        rows = attribution.effects[site]
        features = rows.unit < subject.dictionaries[site].d_sae
        size = rows.effect.abs()[features]
        asleep = size[rows.clean[features] == 0]
        found[site] = SiteCheck(
            survival=_share(without - patch, clean - patch),
            total=float(rows.effect.double().sum()) / n_examples,
            patched=patched - clean,
            inactive=_share(float(asleep.sum()), float(size.sum())) or 0.0,
        )
    return found


def _two_runs(
    subject: Subject, batches: Sequence[Batch], attribution: NodeAttribution
) -> dict[Site, tuple[float, float]]:
    """Metric summed over examples without each site's error, and with the whole site at its other end."""
    found = dict.fromkeys(subject.dictionaries, (0.0, 0.0))
    with torch.no_grad():
        # Batches outside: what a batch's state does not keep is made again each time it is asked for.
        for batch, state in zip(batches, attribution.states, strict=True):
            for site in subject.dictionaries:
                decoded = state.ends.clean[site] - state.changes[site].clean_error
                without, patched = (_metric(subject, batch, state, site, x) for x in (decoded, state.ends.patch[site]))
                found[site] = (found[site][0] + without, found[site][1] + patched)
    return found


def _metric(subject: Subject, batch: Batch, state: BatchState, site: Site, x: Tensor) -> float:
    around = state.ends.around(site)
    return float(evaluate_from(subject.model, subject.metric, batch, site, x, around).double().sum())


def _share(part: float, whole: float) -> float | None:
    return part / whole if abs(whole) > 1e-9 else None


def warnings(
    checks: Mapping[Site, SiteCheck], accuracy: float | None, right_sign: float | None, asked: str
) -> list[str]:
    """Lines that a user must see before trusting the circuit."""
    found = []
    if accuracy is not None and accuracy < 0.9:
        found.append(
            f"warning: the model answers {accuracy:.0%} of the examples of {asked} right; is it able to do this?"
        )
    if right_sign is not None and right_sign < 0.9:
        found.append(
            f"warning: on {1 - right_sign:.0%} of the examples the patch input does not move the metric as expected"
        )
    for site, check in checks.items():
        if check.survival is not None and check.survival < LEAST_SURVIVAL:
            found.append(
                f"warning: without the error of {site.name} alone, {check.survival:.2f} of the metric is left: "
                "its dictionary misses what the behaviour needs"
            )
    return found
