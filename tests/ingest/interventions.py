"""Real interventions on a model, written without the engine's own ablation: an independent check of what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.language_model import Replace
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.subject import Subject


def ablate_features(
    subject: Subject,
    batches: Sequence[Batch],
    features: Mapping[Site, Sequence[int]],
    ablation: Literal["patch", "mean"],
) -> float:
    """Mean metric when some features, all at once, take their values on the patch input, or their means.

    Means are over the clean and patch inputs of the batch, position by position. Errors and all other features compute
    on; so do later sites, on what the change leaves them.
    """
    values = []
    for batch in batches:
        assert batch.patch is not None
        inputs = batch.patch if ablation == "patch" else torch.cat([batch.clean, batch.patch])
        replace = {}
        for site, x in subject.model.activations(inputs, list(features)).items():
            wanted = subject.dictionaries[site].encode(x)[..., list(features[site])]
            replace[site] = _set(subject, site, list(features[site]), wanted if ablation == "patch" else wanted.mean(0))
        values.append(_metric(subject, batch, replace))
    return float(torch.cat(values).mean())


def patch_site(subject: Subject, batches: Sequence[Batch], site: Site) -> float:
    """Mean metric when the whole activation of one site is what it is on the patch input."""
    values = []
    for batch in batches:
        assert batch.patch is not None
        patch = subject.model.activations(batch.patch, [site])[site]
        values.append(_metric(subject, batch, {site: partial(_instead, patch)}))
    return float(torch.cat(values).mean())


def untouched(subject: Subject, batches: Sequence[Batch]) -> float:
    """Mean metric of the model as it is, on the clean inputs."""
    return float(torch.cat([_metric(subject, batch, {}) for batch in batches]).mean())


def _metric(subject: Subject, batch: Batch, replace: Mapping[Site, Replace]) -> Tensor:
    with torch.no_grad():
        return subject.metric(subject.model.run(batch.clean, replace), batch)


def _instead(value: Tensor, _: Tensor) -> Tensor:
    return value


def _set(subject: Subject, site: Site, features: list[int], wanted: Tensor) -> Replace:
    dictionary = subject.dictionaries[site]

    def function(x: Tensor) -> Tensor:
        return x + (wanted - dictionary.encode(x)[..., features]) @ dictionary.decoder_rows(torch.tensor(features))

    return function
