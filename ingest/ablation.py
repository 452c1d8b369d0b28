"""Run the model with only some units left to compute: m(C), and what it needs.

Source: Marks et al. (ICLR 2025), section 4 (faithfulness and completeness). At every ablated site

    x' = (acts where kept, else their mean) @ W_dec + b_dec + (error where kept, else its mean),

computed site after site on the ablated stream. The embedding always computes and is not counted, and so do sites before
the start layer. Several node sets run in one pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from circuit_atlas.ingest.attribution import Subject
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.language_model import Replace
from circuit_atlas.ingest.sites import Site

NodeSet = Mapping[Site, Bool[Tensor, "place unit"]]
"""For each ablated site, which units compute: a row a position (one row for all where positions are summed), a column a
feature and the last for the error."""

_PASS_TOKENS = 4_096
"""Most tokens in one pass, so that several small node sets share one and large ones stay in memory."""


@dataclass(frozen=True)
class Baseline:
    """What ablated units are set to at one site: means of activations and error, a row a position (or one for all)."""

    acts: Float[Tensor, "place d_sae"]
    error: Float[Tensor, "place d_in"]


def mean_baselines(
    subject: Subject, sites: Sequence[Site], tokens: Sequence[Tensor], length: int
) -> dict[Site, Baseline]:
    """Means at each of `length` positions over those of `tokens` (each [batch, pos]) that reach it.

    Position by position, for the first token's activations are unlike all others. A position that no input reaches gets
    the mean over all but the first.
    """
    acts = {site: torch.zeros(length, subject.dictionaries[site].d_sae, dtype=torch.float64) for site in sites}
    errors = {site: torch.zeros(length, subject.dictionaries[site].d_in, dtype=torch.float64) for site in sites}
    count = torch.zeros(length, 1, dtype=torch.float64)
    for some in tokens:
        reach = min(some.shape[1], length)
        count[:reach] += len(some)
        found = subject.model.activations(some, sites)
        for site in sites:
            dictionary = subject.dictionaries[site]
            with torch.no_grad():
                active = dictionary.encode(found[site])
                error = dictionary.error(found[site], active)
            acts[site][:reach] += active.double().sum(0).cpu()[:reach]
            errors[site][:reach] += error.double().sum(0).cpu()[:reach]
    device = subject.model.device
    return {site: Baseline(*(_mean(t[site], count).to(device) for t in (acts, errors))) for site in sites}


def _mean(total: Tensor, count: Tensor) -> Float[Tensor, "pos width"]:
    mean = total / count.clamp_min(1)
    unseen = count[:, 0] == 0
    mean[unseen] = total[1:].sum(0) / count[1:].sum().clamp_min(1)
    return mean.float()


def zero_baselines(subject: Subject, sites: Sequence[Site]) -> dict[Site, Baseline]:
    """Zero activations and zero error."""
    found = {}
    for site in sites:
        dictionary = subject.dictionaries[site]
        zeros = dictionary.bias.new_zeros
        found[site] = Baseline(zeros(1, dictionary.d_sae), zeros(1, dictionary.d_in))
    return found


def ablated_sites(sites: Sequence[Site], start_layer: int) -> list[Site]:
    """Sites that are ablated: all but the embedding and those before the start layer."""
    return [site for site in sites if site.layer >= max(start_layer, 0)]


def run_ablated(
    subject: Subject, batch: Batch, node_sets: Sequence[NodeSet], baselines: Mapping[Site, Baseline]
) -> Float[Tensor, "set batch"]:
    """Metric of each example with only the units of each node set computing."""
    together = max(1, _PASS_TOKENS // batch.clean.numel())
    parts = [
        _run_together(subject, batch, node_sets[start : start + together], baselines)
        for start in range(0, len(node_sets), together)
    ]
    return torch.cat(parts)


def _run_together(
    subject: Subject, batch: Batch, node_sets: Sequence[NodeSet], baselines: Mapping[Site, Baseline]
) -> Float[Tensor, "set batch"]:
    count = len(node_sets)
    replace: dict[Site, Replace] = {}
    for site, baseline in baselines.items():
        kept = torch.stack([some[site] for some in node_sets])[:, None]
        if not bool(kept.all()):
            replace[site] = _mixture(subject.dictionaries[site], kept, baseline)
    several = batch.repeat(count)
    with torch.no_grad():
        return subject.metric(subject.model.run(several.clean, replace), several).view(count, -1)


def _mixture(dictionary: SparseDictionary, kept: Bool[Tensor, "set 1 place unit"], baseline: Baseline) -> Replace:
    """Function that leaves kept units to compute and sets the others to the baseline."""

    def function(x: Tensor) -> Tensor:
        values = x.view(len(kept), -1, *x.shape[1:])
        acts = dictionary.encode(values)
        error = dictionary.error(values, acts)
        length = x.shape[1]
        acts = torch.where(kept[..., :length, :-1], acts, baseline.acts[:length])
        error = torch.where(kept[..., :length, -1:], error, baseline.error[:length])
        return (acts @ dictionary.decoder + dictionary.bias + error).view_as(x)

    return function
