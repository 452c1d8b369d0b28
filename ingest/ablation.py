"""Run the model with only some units left to compute: m(C), and what it needs.

Source: Marks et al. (ICLR 2025), section 4 (faithfulness and completeness). At every ablated site

    x' = (acts where kept, else their mean) @ W_dec + b_dec + (error where kept, else its mean),

computed site after site on the ablated stream. The embedding always computes and is not counted, and so do sites before
the start layer. Several node sets run in one pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from circuit_atlas.ingest.baselines import Values
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.evaluation import evaluate
from circuit_atlas.ingest.language_model import Replace
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.subject import Subject

NodeSet = Mapping[Site, Bool[Tensor, "place unit"]]
"""For each ablated site, which units compute: a row a position (one row for all where positions are summed), a column a
feature and the last for the error."""

_PASS_TOKENS = 4_096
"""Most tokens in one pass, so that several small node sets share one and large ones stay in memory."""

_SLICE_NUMBERS = 8_000_000
"""Most numbers in one slice of dense activations."""


def ablated_sites(sites: Sequence[Site], start_layer: int) -> list[Site]:
    """Sites that are ablated: all but the embedding and those before the start layer."""
    return [site for site in sites if site.layer >= max(start_layer, 0)]


def sets_at_once(batch: Batch) -> int:
    """How many node sets share one pass over a batch."""
    return max(1, _PASS_TOKENS // batch.clean.numel())


def run_ablated(
    subject: Subject, batch: Batch, node_sets: Sequence[NodeSet], baselines: Mapping[Site, Values]
) -> Float[Tensor, "set batch"]:
    """Metric of each example with only the units of each node set computing."""
    together = sets_at_once(batch)
    parts = [
        _run_together(subject, batch, node_sets[start : start + together], baselines)
        for start in range(0, len(node_sets), together)
    ]
    return torch.cat(parts)


def _run_together(
    subject: Subject, batch: Batch, node_sets: Sequence[NodeSet], baselines: Mapping[Site, Values]
) -> Float[Tensor, "set batch"]:
    replace = replacements(subject, batch, node_sets, baselines)
    with torch.no_grad():
        return evaluate(subject.model, subject.metric, batch.repeat(len(node_sets)), replace).view(len(node_sets), -1)


def replacements(
    subject: Subject, batch: Batch, node_sets: Sequence[NodeSet], baselines: Mapping[Site, Values]
) -> dict[Site, Replace]:
    """What each ablated site's activation becomes, for the batch as often over as there are node sets."""
    replace: dict[Site, Replace] = {}
    for site, baseline in baselines.items():
        kept = torch.stack([some[site] for some in node_sets])[:, None]
        if batch.places is not None:
            kept = kept[:, 0, batch.places]  # a row a position of each example
        if not bool(kept.all()):
            replace[site] = _mixture(subject.dictionaries[site], kept, baseline)
    return replace


def _mixture(dictionary: SparseDictionary, kept: Bool[Tensor, "set #batch place unit"], baseline: Values) -> Replace:
    """Function that leaves kept units to compute and sets the others to the baseline."""

    def function(x: Tensor) -> Tensor:
        values = x.view(len(kept), -1, *x.shape[1:])
        step = max(1, _SLICE_NUMBERS // (values[..., 0, 0].numel() * dictionary.d_sae))
        places = [slice(start, start + step) for start in range(0, x.shape[1], step)]
        return torch.cat([mixed(values[:, :, here], here) for here in places], dim=2).view_as(x)

    def mixed(values: Float[Tensor, "set batch place d_in"], here: slice) -> Tensor:
        acts = dictionary.encode(values)
        other_acts, other_error = baseline.at(here)
        stays = kept if kept.shape[2] == 1 else kept[:, :, here]
        features, error = stays[..., :-1], stays[..., -1:]
        # Where the error stays, it is values - decoded(acts): taken off before decoding, one decoding serves both.
        moved = torch.where(features, acts, other_acts).sub_(acts * error)
        return dictionary.reconstruct(moved) + torch.where(error, values, dictionary.bias + other_error)

    return function
