"""Node sets: which units compute, named by the few that are in (or, inverted, out) until a run needs them whole."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
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


LEAST_STRATUM = 8
"""Features at one site and place that are active about as often, of which a random circuit takes as many as are in."""


def random_circuit(circuit: MeasuredCircuit, units: UnitSet, seed: int) -> UnitSet:
    """Draw units with the same errors, and as many features at each site and place.

    On the circuit's own data features are drawn by how often they are active. Elsewhere those of the circuit that are
    active there are replaced by features about as often active there, and those that are not by none: a circuit that
    is quiet on a task does it no harm, which random ones that are not quiet would make a merit of it.
    """
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for site, some in units.items():
        mask, drawn = some.mask(), []
        candidates = circuit.active.candidates[site]
        for place in range(some.places):
            here = candidates.place == place
            features, frequency = candidates.feature[here].cpu(), candidates.frequency[here].cpu()
            inside = mask[place, :-1]
            if circuit.elsewhere:
                chosen = _as_often(frequency, inside[features], generator)
            else:
                chosen = _by_frequency(frequency, int(inside.sum()), generator)
            drawn.append(features[chosen] + place * some.width)
        errors = some.errors[mask[:, -1]]
        found[site] = replace(some, keys=torch.cat([*drawn, errors]).sort().values, inverted=False)
    return found


def _by_frequency(
    frequency: Float[Tensor, " candidate"], count: int, generator: torch.Generator
) -> Int[Tensor, " drawn"]:
    """Draw places of so many candidates, or all where there are fewer, with odds that are their frequencies."""
    count = min(count, len(frequency))
    return torch.multinomial(frequency, count, generator=generator) if count else torch.zeros(0, dtype=torch.long)


def _as_often(
    frequency: Float[Tensor, " candidate"], inside: Bool[Tensor, " candidate"], generator: torch.Generator
) -> Int[Tensor, " drawn"]:
    """Draw places of as many candidates as are in, of each stratum of about equal frequency."""
    drawn = [
        stratum[torch.randperm(len(stratum), generator=generator)[: int(inside[stratum].sum())]]
        for stratum in _strata(frequency)
    ]
    return torch.cat([torch.zeros(0, dtype=torch.long), *drawn])


def _strata(frequency: Float[Tensor, " candidate"]) -> list[Int[Tensor, " member"]]:
    """Places of candidates in strata of at least `LEAST_STRATUM`; equal frequencies are never parted."""
    order = frequency.argsort(stable=True)
    cuts, start = list[int](), 0
    changes = (frequency[order].diff() != 0).nonzero()[:, 0] + 1
    for change in changes.tolist():
        if change - start >= LEAST_STRATUM and len(order) - change >= LEAST_STRATUM:
            cuts.append(change)
            start = change
    return list(order.tensor_split(cuts)) if len(order) else []


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
