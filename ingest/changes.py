"""How the units of a site change from the clean input to the other end: one row for each that can have an effect.

Only features active at either end change, a small share of a dictionary, so rows are gathered and arrays of
[batch, pos, d_sae] live for one slice of tokens at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuit_atlas.errors import AttributionError
from circuit_atlas.ingest.baselines import Baseline, zero_baselines
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.dictionary import Rows, SparseDictionary
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.sites import COMPONENTS, Site
from circuit_atlas.ingest.starts import Around

_SLICE_NUMBERS = 8_000_000
"""Most numbers in one slice of dense activations, or of gathered decoder rows."""


@dataclass(frozen=True)
class Ends:
    """Activations [batch, pos, d] of one batch at every site, at both ends of the path from clean to patch.

    Attributes:
        clean: on the clean input.
        patch: at the other end.
        fixed: features and error of the other end where these are not what the dictionaries say of `patch`: under zero
            and mean ablation, which set the units and not the activation.
        entries: stream as it enters blocks on the clean input, where no site holds it.

    """

    clean: Mapping[Site, Tensor]
    patch: Mapping[Site, Tensor]
    fixed: Mapping[Site, Baseline] | None = None
    entries: Mapping[int, Tensor] = field(default_factory=dict)

    def around(self, site: Site) -> Around:
        """What a run with another activation at a site can begin from."""
        resid = COMPONENTS.index("resid")
        before, after = Site(site.layer - 1, resid), Site(site.layer, resid)
        entry = self.clean[before] if before in self.clean else self.entries.get(site.layer)
        beside = site.rank != resid and site.layer >= 0 and not site.hook and after in self.clean
        return Around(entry, self.clean[after] - self.clean[site] if beside else None)


def run_ends(
    model: LanguageModel,
    dictionaries: Mapping[Site, SparseDictionary],
    batch: Batch,
    fixed: Mapping[Site, Baseline] | None = None,
) -> Ends:
    """Activations at both ends; without patch input nor `fixed` values, the other end has every unit at zero.

    Raises:
        AttributionError: an activation is not finite; the first site in the order of computation is named.

    """
    sites = list(dictionaries)
    other = batch.patch if fixed is None else None
    # Both inputs in one run: reading the weights is what a run of few tokens costs.
    both = model.activations(batch.clean if other is None else torch.cat([batch.clean, other]), sites)
    count = len(batch.clean)
    clean = _finite({site: x[:count] for site, x in both.items()}, "clean")
    resid = COMPONENTS.index("resid")
    bare = {s.layer for s in sites if s.layer > 0 and s.rank != resid and Site(s.layer - 1, resid) not in clean}
    entries = model.entries(batch.clean, sorted(bare))
    if other is not None:
        return Ends(clean, _finite({site: x[count:] for site, x in both.items()}, "patch"), entries=entries)
    fixed = fixed or zero_baselines(dictionaries, sites)
    length = batch.clean.shape[1]
    patch = {site: fixed[site].decoded(dictionaries[site])[:length].to(x).expand_as(x) for site, x in clean.items()}
    return Ends(clean, patch, fixed, entries)


def _finite(activations: dict[Site, Tensor], name: str) -> dict[Site, Tensor]:
    for site in sorted(activations):
        if not torch.isfinite(activations[site]).all():
            raise AttributionError(
                f"activations at {site.name} are not finite (NaN or infinity) on a {name} input, and at no site before "
                "it; the model's weights or activations overflow there: check the checkpoint and the number type"
            )
    return activations


@dataclass(frozen=True)
class UnitChanges:
    """The units of one site on one batch that differ between the ends; features first, then every error unit.

    Attributes:
        dictionary: of the site.
        example: row of the batch.
        position: token position.
        unit: feature index; the error unit is `d_sae`.
        clean: activation on the clean input (of the error: its norm).
        patch: activation at the other end (likewise).
        error: change of the error.
        clean_error: the error on the clean input.

    """

    dictionary: SparseDictionary
    example: Int[Tensor, " row"]
    position: Int[Tensor, " row"]
    unit: Int[Tensor, " row"]
    clean: Float[Tensor, " row"]
    patch: Float[Tensor, " row"]
    error: Float[Tensor, "batch pos d_in"]
    clean_error: Float[Tensor, "batch pos d_in"]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.unit)

    @property
    def is_error(self) -> Bool[Tensor, " row"]:
        """Which rows are error units."""
        return self.unit == self.dictionary.d_sae

    def directions(self, rows: Tensor | slice) -> Float[Tensor, "row d_in"]:
        """What moving each unit of some rows to the other end adds to the activation at its position."""
        found = self.error[self.example[rows], self.position[rows]]
        features = ~self.is_error[rows]
        change = (self.patch[rows] - self.clean[rows])[features]
        found[features] = change[:, None] * self.dictionary.decoder_rows(self.unit[rows][features])
        return found

    def along(self, gradient: Float[Tensor, "batch pos d_in"]) -> Float[Tensor, " row"]:
        """Product of each row's direction with a gradient at its position."""
        found = (gradient * self.error).sum(-1)[self.example, self.position]
        features = ~self.is_error
        rows = Rows(self.example[features], self.position[features], self.unit[features])
        found[features] = (self.patch - self.clean)[features] * self.dictionary.along(gradient, rows)
        return found

    def of(self, features: Int[Tensor, " feature"]) -> Float[Tensor, "batch pos feature"]:
        """Change of some features, which may come several times, at every example and position."""
        unique, column = features.unique(return_inverse=True)
        place = features.new_full((self.dictionary.d_sae + 1,), -1)
        place[unique] = torch.arange(len(unique), device=features.device)
        found = self.error.new_zeros(*self.error.shape[:2], len(unique))
        at = place[self.unit]
        inside = at >= 0
        found[self.example[inside], self.position[inside], at[inside]] = (self.patch - self.clean)[inside]
        return found[..., column]

    @property
    def size(self) -> int:
        """Bytes."""
        columns = (self.example, self.position, self.unit, self.clean, self.patch, self.error, self.clean_error)
        return sum(column.numel() * column.element_size() for column in columns)

    def slices(self, most: int = 0) -> Iterator[slice]:
        """Rows in slices of at most `most` (0: as many as memory is meant for)."""
        most = most or max(1, _SLICE_NUMBERS // (4 * self.dictionary.d_in))
        for start in range(0, len(self), most):
            yield slice(start, start + most)


def unit_changes(dictionary: SparseDictionary, ends: Ends) -> UnitChanges:
    """Gather what changes at one site."""
    clean, patch = ends.clean[dictionary.site], ends.patch[dictionary.site]
    fixed = None if ends.fixed is None else ends.fixed[dictionary.site]
    batch, length, _ = clean.shape
    error, clean_error, size = torch.empty_like(clean), torch.empty_like(clean), clean.new_empty(2, batch, length)
    rows: list[tuple[Tensor, ...]] = []
    step = max(1, _SLICE_NUMBERS // (2 * batch * dictionary.d_sae))
    with torch.no_grad():
        for start in range(0, length, step):
            here = slice(start, start + step)
            if fixed is None:  # both at once, for the encoder is large
                acts, errors, place, unit = _apart(dictionary, torch.cat([clean[:, here], patch[:, here]]))
                (f_clean, f_patch), (e_clean, e_patch) = acts.split(batch), errors.split(batch)
            else:
                f_clean, e_clean, place, unit = _apart(dictionary, clean[:, here])
                f_patch, e_patch = (values.to(f_clean) for values in fixed.at(here))
                elsewhere = torch.nonzero(f_patch.expand_as(f_clean).flatten(0, 1), as_tuple=True)
                place, unit = (torch.cat(pair) for pair in zip((place, unit), elsewhere, strict=True))
            error[:, here], clean_error[:, here] = e_patch - e_clean, e_clean
            size[0, :, here], size[1, :, here] = e_clean.norm(dim=-1), e_patch.norm(dim=-1)
            f_patch = f_patch.expand_as(f_clean)
            b, s, unit = _once(place, unit, f_clean.shape)
            rows.append((b, s + start, unit, f_clean[b, s, unit], f_patch[b, s, unit]))
    columns = [torch.cat(parts) for parts in zip(*rows, strict=True)]
    b, s = (index.flatten() for index in _grid(batch, length, clean.device))
    last = (b, s, torch.full_like(b, dictionary.d_sae), size[0].flatten(), size[1].flatten())
    example, position, unit, at_clean, at_patch = (torch.cat(pair) for pair in zip(columns, last, strict=True))
    return UnitChanges(dictionary, example, position, unit, at_clean, at_patch, error, clean_error)


def _once(place: Tensor, unit: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor, Tensor]:
    """Example, position and feature of what is active at either end, each once, in order; ends follow each other."""
    batch, length, d_sae = shape
    found = (place % (batch * length) * d_sae + unit).unique()
    return found // d_sae // length, found // d_sae % length, found % d_sae


def _apart(dictionary: SparseDictionary, x: Float[Tensor, "batch pos d_in"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Activations [batch, pos, d_sae] and error; what is active alone is read of the decoder.

    Returns:
        activations, error, and place (example · length + position) and feature of what is active, in order.

    """
    acts = dictionary.encode(x)
    token, unit = torch.nonzero(acts.flatten(0, 1), as_tuple=True)
    decoded = dictionary.reconstruct_few(token, unit, acts.flatten(0, 1)[token, unit], x[..., 0].numel())
    return acts, x - decoded.view_as(x) - dictionary.bias, token, unit


def _grid(batch: int, length: int, device: torch.device) -> tuple[Tensor, ...]:
    return torch.meshgrid(torch.arange(batch, device=device), torch.arange(length, device=device), indexing="ij")
