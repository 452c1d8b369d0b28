"""What is measured: the nodes of a circuit, and what random circuits beside it are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuit_atlas.ingest.active import ActiveFeatures, active_features, mean_units_active
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.changes import run_ends, unit_changes
from circuit_atlas.ingest.node_effects import UnitEffects
from circuit_atlas.ingest.selection import Shape, SiteNodes
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.subject import Subject


@dataclass(frozen=True)
class Members:
    """The nodes of one site.

    Attributes:
        unit: feature index; the error unit is `d_sae`.
        place: token position or role of each; None where a node stands for all of them.
        effect: what nodes are ranked by: indirect effect (units of the metric).

    """

    unit: Int[Tensor, " node"]
    place: Int[Tensor, " node"] | None
    effect: Float[Tensor, " node"]

    @classmethod
    def of(cls, nodes: SiteNodes) -> Members:
        """Take them from what discovery chose."""
        return cls(nodes.units.unit, nodes.units.position, nodes.effect)


@dataclass(frozen=True)
class Active:
    """What is active on the data.

    Attributes:
        candidates: for each site, the features active on any input.
        n_active: mean number of units active on one example at each site.

    """

    candidates: Mapping[Site, ActiveFeatures]
    n_active: Mapping[Site, float]


@dataclass(frozen=True)
class MeasuredCircuit:
    """What is measured.

    Attributes:
        members: the nodes of each site.
        active: what else is active on the data.
        places: rows of a node set: number of positions or roles, or 1 where nodes stand for all of them.
        floor: absolute effect above which nodes were chosen, so that no threshold below it says what it keeps.
        elsewhere: whether the data are others than those that the nodes were chosen on. Nodes may be quiet there, and
            random circuits must be as quiet.

    """

    members: Mapping[Site, Members]
    active: Active
    places: int
    floor: float = 0.0
    elsewhere: bool = False

    def ranked(self, sites: Sequence[Site]) -> Float[Tensor, " node"]:
        """Absolute effects of the nodes at some sites, largest first."""
        sizes = [self.members[site].effect.abs() for site in sites if site in self.members]
        return torch.cat(sizes).sort(descending=True).values if sizes else torch.zeros(0)

    def universe(self, sites: Sequence[Site]) -> float:
        """Mean number of units active on one example at some sites: what sizes are counted against."""
        return sum(self.active.n_active[site] for site in sites)


def active_of(effects: Mapping[Site, UnitEffects], widths: Mapping[Site, int], shape: Shape, *, keep: bool) -> Active:
    """What is active, from rows of units; `keep` says whether a place counts by itself."""
    return Active(
        {site: active_features(rows, widths[site], shape, keep=keep) for site, rows in effects.items()},
        mean_units_active(effects, widths, shape, keep=keep),
    )


def find_active(subject: Subject, batches: Sequence[Batch], shape: Shape, *, keep: bool) -> Active:
    """What is active on the clean and patch inputs of some batches: each is run once."""
    found: dict[Site, list[UnitEffects]] = {site: [] for site in subject.dictionaries}
    for batch in batches:
        ends = run_ends(subject.model, subject.dictionaries, batch)
        for site, dictionary in subject.dictionaries.items():
            changes = unit_changes(dictionary, ends)
            found[site].append(UnitEffects.without_effect(changes, batch))
    widths = {site: dictionary.d_sae for site, dictionary in subject.dictionaries.items()}
    return active_of({site: UnitEffects.join(parts) for site, parts in found.items()}, widths, shape, keep=keep)
