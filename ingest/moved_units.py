"""Units moved by themselves to their other end, each on one example: what that adds to the activation of its site.

Where positions are summed, a node stands for its unit at all positions, and where they are aligned by role, at all of
that role: it is moved at all of them at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.changes import UnitChanges
from circuit_atlas.ingest.cotangents import Units
from circuit_atlas.ingest.sites import Site


@dataclass(frozen=True)
class End:
    """A node as it is moved: a unit of a site, at one position (or role, where these align nodes) or (None) at all."""

    site: Site
    unit: int
    position: int | None

    @classmethod
    def of(cls, site: Site, units: Units, column: int) -> End:
        """Return one of the chosen units of a site."""
        position = units.position
        return cls(site, int(units.unit[column]), None if position is None else int(position[column]))


def directions(
    changes: UnitChanges, batch: Batch, ends: Sequence[End], example: Tensor
) -> Float[Tensor, "row pos d_in"]:
    """What moving each of some units of one site to its other end adds to the activation of its example."""
    unit = torch.tensor([end.unit for end in ends], device=example.device)
    found = changes.error[example].clone()
    features = unit != changes.dictionary.d_sae
    chosen = unit[features]
    column = torch.arange(len(chosen), device=example.device)
    change = changes.of(chosen)[example[features], :, column]
    found[features] = change[..., None] * changes.dictionary.decoder_rows(chosen)[:, None]
    here = torch.stack([at_place(batch, ends, example, place) for place in range(found.shape[1])], dim=1)
    return found * here[..., None]


def at_place(batch: Batch, ends: Sequence[End], example: Tensor, position: int) -> Bool[Tensor, " end"]:
    """Which ends stand at a position of their example, at its role, or at all."""
    places = batch.places
    own = [position] * len(ends) if places is None else places[example, position].tolist()
    found = [end.position in (None, place) for end, place in zip(ends, own, strict=True)]
    return torch.tensor(found, device=example.device)
