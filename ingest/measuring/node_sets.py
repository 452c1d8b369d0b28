"""Node sets: which units compute, named by the few that are in (or, inverted, out) until a run needs them whole."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from circuit_atlas.ingest.ablation import NodeSet
from circuit_atlas.ingest.measuring.circuit import MeasuredCircuit
from circuit_atlas.ingest.measuring.conditions import Errors
from circuit_atlas.ingest.sites import Site


@dataclass(frozen=True)
class SiteUnits:
    """Units of one site.

    Attributes:
        keys: place · (d_sae + 1) + unit of each, ascending, none twice.
        places: number of places.
        width: d_sae + 1; the last unit is the error.
        inverted: whether all units but these are meant.

    """

    keys: Int[Tensor, " unit"]
    places: int
    width: int
    inverted: bool = False

    def __len__(self) -> int:
        """Count the units that are in."""
        return self.places * self.width - len(self.keys) if self.inverted else len(self.keys)

    @property
    def errors(self) -> Int[Tensor, " unit"]:
        """Keys of all error units."""
        return torch.arange(self.places) * self.width + self.width - 1

    def with_errors(self, inside: bool) -> SiteUnits:
        """Return the same with all error units in, or out."""
        is_error = self.keys % self.width == self.width - 1
        rest = self.keys[~is_error]
        named = torch.cat([rest, self.errors]).sort().values if inside != self.inverted else rest
        return replace(self, keys=named)

    def mask(self) -> Bool[Tensor, "place unit"]:
        """Which units are in."""
        found = torch.zeros(self.places * self.width, dtype=torch.bool)
        found[self.keys] = True
        return (~found if self.inverted else found).view(self.places, self.width)


UnitSet = Mapping[Site, SiteUnits]
"""Units that compute at each ablated site."""


def strongest(circuit: MeasuredCircuit, sites: Sequence[Site], widths: Mapping[Site, int], threshold: float) -> UnitSet:
    """Nodes whose absolute effect exceeds the threshold, strictly."""
    found = {}
    for site in sites:
        width, keys = widths[site] + 1, torch.zeros(0, dtype=torch.long)
        members = circuit.members.get(site)
        if members is not None:
            place = torch.zeros_like(members.unit) if members.place is None else members.place
            keys = (place * width + members.unit).cpu()[members.effect.abs().cpu() > threshold].unique()
        found[site] = SiteUnits(keys, circuit.places, width)
    return found


def without_errors(units: UnitSet) -> UnitSet:
    """Return the same with every error unit out."""
    return {site: some.with_errors(False) for site, some in units.items()}


def complement(units: UnitSet) -> UnitSet:
    """Return every unit that is not in."""
    return {site: replace(some, inverted=not some.inverted) for site, some in units.items()}


def size(units: UnitSet) -> int:
    """Count the units that are in."""
    return sum(len(some) for some in units.values())


@dataclass(frozen=True)
class Trio:
    """What faithfulness and completeness of one circuit under one treatment of errors need."""

    circuit: UnitSet
    complement: UnitSet
    empty: UnitSet


def treat_errors(units: UnitSet, errors: Errors) -> Trio:
    """Circuit, complement and empty set with the errors that the mode asks for."""
    if errors in ("nb_remove", "nb_resid_only"):
        spared = "resid" if errors == "nb_resid_only" else None
        units = {s: some if s.component == spared else some.with_errors(False) for s, some in units.items()}
    empty = {site: replace(some, keys=some.keys[:0], inverted=False) for site, some in units.items()}
    trio = (units, complement(units), empty)
    if errors in ("keep", "remove"):
        trio = tuple({s: some.with_errors(errors == "keep") for s, some in each.items()} for each in trio)  # type: ignore[assignment]
    return Trio(*trio)


def random_circuit(circuit: MeasuredCircuit, units: UnitSet, seed: int) -> UnitSet:
    """Units with the same errors, and as many features at each site and place, drawn by how often they are active."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for site, some in units.items():
        mask, drawn = some.mask(), []
        candidates = circuit.active.candidates[site]
        for place in range(some.places):
            here = candidates.place == place
            count = min(int(mask[place, :-1].sum()), int(here.sum()))
            if count:
                chosen = torch.multinomial(candidates.frequency[here], count, generator=generator)
                drawn.append(candidates.feature[here][chosen].cpu() + place * some.width)
        errors = some.errors[mask[:, -1]]
        found[site] = replace(some, keys=torch.cat([*drawn, errors]).sort().values, inverted=False)
    return found


def masks(units: UnitSet, device: torch.device) -> NodeSet:
    """Masks over all units, as a run needs them."""
    return {site: some.mask().to(device) for site, some in units.items()}


def digest(units: UnitSet) -> str:
    """The same for the same units, so that none are run twice."""
    found = hashlib.sha256()
    for site in sorted(units):
        some = units[site]
        found.update(f"{site.name} {some.inverted} {some.places} {len(some.keys)} ".encode())
        found.update(some.keys.numpy().tobytes())
    return found.hexdigest()
