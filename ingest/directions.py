"""Decoder directions of a circuit's features, and which of them point alike.

A feature writes along its row of the decoder; the cosine of two rows says how far two features write the same, whatever
their scale. Compared are features that write in one place: those of one site, and those of two residual sites that
follow each other, for the stream of both is one space, in which a feature may be carried on.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuit_atlas.cypher.schema import LEAST_COSINE
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.selection import SiteNodes
from circuit_atlas.ingest.sites import Site

_STREAM = ("embed", "resid")
"""Components that are the residual stream itself."""


@dataclass(frozen=True)
class Directions:
    """Decoder directions of the chosen features of one site, each once.

    Attributes:
        features: their indices, ascending.
        rows: their rows of the decoder.

    """

    features: Int[Tensor, " feature"]
    rows: Float[Tensor, "feature d_in"]


class Similar(NamedTuple):
    """Two features whose directions have a cosine of at least `LEAST_COSINE`, sign aside."""

    source_site: Site
    source: int
    target_site: Site
    target: int
    cosine: float


def gather_directions(
    dictionaries: Mapping[Site, SparseDictionary], nodes: Mapping[Site, SiteNodes]
) -> dict[Site, Directions]:
    """Gather the directions of the chosen features alone; each dictionary is opened once."""
    found = {}
    for site, chosen in nodes.items():
        dictionary = dictionaries[site]
        features = torch.unique(chosen.units.unit[chosen.units.unit != dictionary.d_sae])
        found[site] = Directions(features, dictionary.decoder_rows(features))
    return found


def similar_features(directions: Mapping[Site, Directions], sites: Sequence[Site], block: int = 1_024) -> list[Similar]:
    """Find the pairs of features that point alike or apart, each once, from the lower layer, then the lower index.

    Args:
        directions: of the chosen features of each site.
        sites: all sites with a dictionary, in order of computation: two residual sites follow each other where no
            other with a dictionary lies between them.
        block: features of one site whose cosines are held at once.

    """
    stream = [site for site in sites if site.component in _STREAM]
    pairs = [(site, site) for site in directions]
    pairs += [pair for pair in itertools.pairwise(stream) if all(site in directions for site in pair)]
    return [found for one, other in pairs for found in _of_pair(directions, one, other, block)]


def _of_pair(directions: Mapping[Site, Directions], one: Site, other: Site, block: int) -> Iterator[Similar]:
    rows, columns = directions[one], directions[other]
    if rows.rows.shape[1] != columns.rows.shape[1]:
        return
    units, against = _unit(rows.rows), _unit(columns.rows)
    sources, targets = rows.features.tolist(), columns.features.tolist()
    for start in range(0, len(units), block):
        cosines = (units[start : start + block] @ against.T).clamp(-1.0, 1.0)
        for row, column in (cosines.abs() >= LEAST_COSINE).nonzero().tolist():
            source, target = sources[start + row], targets[column]
            if one != other or source < target:
                yield Similar(one, source, other, target, float(cosines[row, column]))


def _unit(rows: Float[Tensor, "feature d_in"]) -> Float[Tensor, "feature d_in"]:
    """Rows of length 1 in float64, on the CPU; a row of zeros, which points nowhere, stays."""
    exact = rows.detach().cpu().double()
    length: Tensor = exact.norm(dim=1, keepdim=True)
    return exact / torch.where(length > 0, length, torch.ones_like(length))
