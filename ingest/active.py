"""What was active on the data: the universe that circuit sizes are counted against, and the candidates of a null."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuit_atlas.ingest.node_effects import UnitEffects
from circuit_atlas.ingest.selection import Shape
from circuit_atlas.ingest.sites import Site


@dataclass(frozen=True)
class ActiveFeatures:
    """Features active at one site, on the clean or patch input of any example.

    Attributes:
        place: token position; 0 where positions are summed.
        feature: feature index.
        frequency: share of examples on which it is active there, on either input.
        activation: mean activation on clean inputs where it is active on them (0 where it never is).

    """

    place: Int[Tensor, " candidate"]
    feature: Int[Tensor, " candidate"]
    frequency: Float[Tensor, " candidate"]
    activation: Float[Tensor, " candidate"]


def active_features(rows: UnitEffects, d_sae: int, shape: Shape, *, keep: bool) -> ActiveFeatures:
    """Gather what was active at one site of `d_sae` features."""
    feature = rows.unit != d_sae
    unit, example, clean = (t[feature].cpu() for t in (rows.unit.long(), rows.example, rows.clean))
    place = shape.place(rows, keep=keep)[feature.cpu()]
    key = place * d_sae + unit
    keys, inverse = torch.unique(key, return_inverse=True)
    seen = torch.unique(torch.stack([inverse, example]), dim=1)[0]  # one for each (candidate, example)
    frequency = torch.bincount(seen, minlength=len(keys)).float() / shape.examples
    on_clean = torch.bincount(inverse, weights=(clean != 0).double(), minlength=len(keys))
    total = torch.bincount(inverse, weights=clean.double(), minlength=len(keys))
    return ActiveFeatures(keys // d_sae, keys % d_sae, frequency, (total / on_clean.clamp_min(1)).float())


def mean_units_active(
    effects: Mapping[Site, UnitEffects], widths: Mapping[Site, int], shape: Shape, *, keep: bool
) -> dict[Site, float]:
    """Mean number of units active on one clean input at each site, error units among them.

    Where positions are kept a unit counts at each position; where they are summed it counts once an example.
    """
    found = {}
    for site, rows in effects.items():
        live = (rows.clean != 0).cpu()
        place = shape.place(rows, keep=keep)[live]
        triple = torch.stack([rows.example.cpu().long()[live], place, rows.unit.cpu().long()[live]])
        found[site] = torch.unique(triple, dim=1).shape[1] / shape.examples
    return found
