"""Where the products of edges start: the gradient of the metric through one downstream unit alone, at its site.

For a feature i: (outer · W_dec[i]) · grad of its activation; for the error: outer - Jᵀ outer, J the Jacobian of
decode∘encode. Only features active at the point have a gradient (Marks et al., ICLR 2025, appendix A.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuit_atlas.ingest.changes import UnitChanges
from circuit_atlas.ingest.dictionary import Rows, SparseDictionary
from circuit_atlas.ingest.sites import Site


@dataclass(frozen=True)
class Units:
    """The units of one site that take part.

    Attributes:
        unit: feature index; the error unit is `d_sae`.
        position: place of each, its token position or role; None: each stands for all positions, summed.
        part: at which examples and positions each counts as a downstream end (selection per example); None: all.

    """

    unit: Int[Tensor, " unit"]
    position: Int[Tensor, " unit"] | None = None
    part: Bool[Tensor, "batch pos unit"] | None = None

    def __len__(self) -> int:
        """Count the units."""
        return len(self.unit)

    def some(self, columns: slice) -> Units:
        """Return some of them."""
        position = None if self.position is None else self.position[columns]
        return Units(self.unit[columns], position, None if self.part is None else self.part[..., columns])

    def to(self, device: torch.device | str) -> Units:
        """Return them on another device."""
        position, part = (None if t is None else t.to(device) for t in (self.position, self.part))
        return Units(self.unit.to(device), position, part)

    def where(self, shape: torch.Size, places: Tensor | None = None) -> Bool[Tensor, "batch pos unit"]:
        """At which examples and positions each unit counts, for activations of this shape.

        `places` [batch, pos] says which place each position is, where it is not the position itself.
        """
        here = torch.ones(*shape[:2], len(self), dtype=torch.bool, device=self.unit.device)
        if self.position is not None:
            own = torch.arange(shape[1], device=self.unit.device)[None] if places is None else places
            here &= own[..., None] == self.position
        return here if self.part is None else here & self.part


@dataclass(frozen=True)
class ActiveRows:
    """Features of one site that are active on one batch: one row for each (example, position, feature)."""

    example: Int[Tensor, " row"]
    position: Int[Tensor, " row"]
    feature: Int[Tensor, " row"]

    @classmethod
    def on_clean(cls, changes: UnitChanges) -> ActiveRows:
        """Those active on the clean input, which the node effects have gathered already."""
        active = (changes.clean != 0) & ~changes.is_error
        return cls(changes.example[active], changes.position[active], changes.unit[active])

    @classmethod
    def at(cls, dictionary: SparseDictionary, x: Float[Tensor, "batch pos d_in"]) -> ActiveRows:
        """Those active at any activation."""
        with torch.no_grad():
            return cls(*torch.nonzero(dictionary.encode(x), as_tuple=True))

    def among(self, features: Int[Tensor, " unit"], shape: torch.Size, d_sae: int) -> Bool[Tensor, "batch pos unit"]:
        """Say at which examples and positions each of some features is active."""
        # A feature may stand in several columns, once a position: mark features first, spread to columns then.
        unique, column = features.unique(return_inverse=True)
        place = features.new_full((d_sae,), -1)
        place[unique] = torch.arange(len(unique), device=features.device)
        found = torch.zeros(*shape[:2], len(unique), dtype=torch.bool, device=features.device)
        at = place[self.feature]
        inside = at >= 0
        found[self.example[inside], self.position[inside], at[inside]] = True
        return found[..., column]


@dataclass(frozen=True)
class UnitRows:
    """Rows of a dictionary for the units of one site, gathered once for all batches; zeros for its error unit.

    Attributes:
        decoder: direction of each unit.
        encoder: gradient of each where it is active; None where that depends on the input.

    """

    decoder: Float[Tensor, "unit d_in"]
    encoder: Float[Tensor, "unit d_in"] | None

    @classmethod
    def of(cls, dictionary: SparseDictionary, units: Units) -> UnitRows:
        """Gather the rows."""
        features = units.unit != dictionary.d_sae
        unit = units.unit[features].to(dictionary.bias.device)
        decoder = dictionary.bias.new_zeros(len(units), dictionary.d_in)
        decoder[features] = dictionary.decoder_rows(unit)
        if not dictionary.is_plain:
            return cls(decoder, None)
        encoder = torch.zeros_like(decoder)
        encoder[features] = dictionary.encoder_rows(unit)
        return cls(decoder, encoder)

    def some(self, columns: slice) -> UnitRows:
        """Return some of them."""
        return UnitRows(self.decoder[columns], None if self.encoder is None else self.encoder[columns])


def unit_cotangents(
    dictionary: SparseDictionary,
    x: Float[Tensor, "batch pos d_in"],
    active: ActiveRows,
    units: Units,
    rows: UnitRows,
    outer: Float[Tensor, "batch pos d_in"],
    through: Float[Tensor, "batch pos d_in"],
    places: Int[Tensor, "batch pos"] | None = None,
) -> Float[Tensor, "unit batch pos d_in"]:
    """Gradient of the metric through each unit alone with respect to x; `through` is Jᵀ outer (`through_features`)."""
    part = units.where(x.shape, places)
    is_error = units.unit == dictionary.d_sae
    features = units.unit[~is_error]
    found = x.new_zeros(len(units), *x.shape)
    if len(features):
        strength = (outer @ rows.decoder[~is_error].T) * part[..., ~is_error]
        if rows.encoder is None:
            found[~is_error] = dictionary.feature_gradients(x, features, strength)
        else:
            strength = strength * active.among(features, x.shape, dictionary.d_sae)
            found[~is_error] = torch.einsum("bsj,jd->jbsd", strength, rows.encoder[~is_error])
    if is_error.any():
        found[is_error] = part[..., is_error].permute(2, 0, 1)[..., None] * (outer - through)
    return found


def through_features(
    dictionary: SparseDictionary, x: Float[Tensor, "batch pos d_in"], active: ActiveRows, outer: Tensor
) -> Float[Tensor, "batch pos d_in"]:
    """Jᵀ outer: what of a cotangent on the reconstruction comes back to x through all features together."""
    if not dictionary.is_plain:
        return dictionary.through_features(x, outer)
    rows = Rows(active.example, active.position, active.feature)
    return dictionary.back(dictionary.along(outer, rows), rows, outer)


ActiveAt = Mapping[Site, ActiveRows]
"""Active features of every site at one point."""
