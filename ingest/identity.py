"""What a circuit is, before it is found: keys and digests of model, dictionaries, data and settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuit_atlas.cypher import keys
from circuit_atlas.ingest.data import Data
from circuit_atlas.ingest.digests import digest_json
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.subject import Subject

_NOT_IN_DIGEST = ("model", "dictionaries", "examples", "held_out", "metric", "batch_size", "memory", "device", "name")
"""Settings that do not change what is found: places, whose content is digested instead, and the way of running."""


@dataclass(frozen=True)
class Identity:
    """Who is who in the graph.

    Attributes:
        circuit_id: key of the circuit: the same settings, model, dictionaries and data give the same.
        name: its name for people.
        task: name of the behaviour.
        model: properties of the `Model` node, its key among them.
        sae_digests: digest of each dictionary's weights.
        sae_ids: key of each dictionary.
        data_digest: digest of all examples.

    """

    circuit_id: str
    name: str
    task: str
    model: dict[str, Any]
    sae_digests: Mapping[Site, str]
    sae_ids: Mapping[Site, str]
    data_digest: str


def identify(settings: DiscoverSettings, subject: Subject, suite: str, data: Data) -> Identity:
    """Digest everything that decides the circuit."""
    model = subject.model
    row = {"id": keys.model_id(model.name), **model.describe()}
    digests = {site: dictionary.weights_digest for site, dictionary in subject.dictionaries.items()}
    decisive = {k: v for k, v in dataclasses.asdict(settings).items() if k not in _NOT_IN_DIGEST}
    in_order = [digests[site] for site in sorted(digests)]
    weights = [row["weights_digest"], row["tokenizer_digest"], in_order]
    digest = digest_json([decisive, subject.metric.name, *weights, data.digest()])[:16]
    task = settings.task or Path(settings.examples).stem
    return Identity(
        circuit_id=keys.circuit_id(row["id"], digest),
        name=settings.name or f"{task}~{digest[:4]}",
        task=task,
        model=row,
        sae_digests=digests,
        sae_ids={site: keys.sae_id(row["id"], suite, site.name) for site in digests},
        data_digest=data.digest(),
    )
