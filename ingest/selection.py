"""Which units become nodes of the circuit, and their effects on every example.

The paper's text selects on the mean effect; the published code, example by example and position by position before any
averaging (`per-example`): there a node's edges count only where its own effect exceeds the floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuit_atlas.ingest.cotangents import Units
from circuit_atlas.ingest.moments import ItemMoments
from circuit_atlas.ingest.node_effects import UnitEffects
from circuit_atlas.ingest.sites import Site


@dataclass(frozen=True)
class SiteNodes:
    """The chosen nodes of one site, strongest first.

    Attributes:
        units: which units, at which positions.
        effects: effect on each example (units of the metric).
        effect: mean over examples.
        standard_error: of the mean, over distinct items.
        activation: mean activation on clean inputs, over examples (summed over positions where these are).

    """

    units: Units
    effects: Float[Tensor, "example unit"]
    effect: Float[Tensor, " unit"]
    standard_error: Float[Tensor, " unit"]
    activation: Float[Tensor, " unit"]


@dataclass(frozen=True)
class Shape:
    """Numbers of examples and positions, and the item of each example."""

    items: Int[Tensor, " example"]
    length: int

    @property
    def examples(self) -> int:
        """Number of examples."""
        return len(self.items)


def mean_effects(rows: UnitEffects, width: int, shape: Shape, *, keep: bool) -> Float[Tensor, "place width"]:
    """Mean effect of each unit at each position (one place where positions are summed), float64 on the CPU."""
    total = torch.zeros(shape.length if keep else 1, width, dtype=torch.float64)
    place = rows.position.cpu().long() if keep else torch.zeros(len(rows.unit), dtype=torch.long)
    total.index_put_((place, rows.unit.cpu().long()), rows.effect.double().cpu(), accumulate=True)
    return total / shape.examples


def choose_floor(means: Mapping[Site, Tensor], floor: float, most: int) -> float:
    """Return the floor itself where it is set; else the largest that leaves at most `most` units above it."""
    if floor > 0:
        return floor
    sizes = torch.cat([mean.abs().flatten() for mean in means.values()])
    sizes = sizes[sizes > 0]
    if len(sizes) <= most:
        return 0.0
    return float(sizes.topk(most + 1).values[-1])


def choose_nodes(
    effects: Mapping[Site, UnitEffects],
    widths: Mapping[Site, int],
    shape: Shape,
    *,
    keep: bool,
    floor: float,
    most: int,
) -> tuple[dict[Site, SiteNodes], float]:
    """Choose the units whose absolute mean effect exceeds the floor, strictly; return them and the floor used."""
    means = {site: mean_effects(rows, widths[site] + 1, shape, keep=keep) for site, rows in effects.items()}
    floor = choose_floor(means, floor, most)
    chosen = {}
    for site, mean in means.items():
        place, unit = torch.nonzero(mean.abs() > floor, as_tuple=True)
        order = mean[place, unit].abs().argsort(descending=True)
        place, unit = place[order], unit[order]
        if len(unit):
            chosen[site] = _gather(effects[site], place, unit, widths[site] + 1, shape, keep=keep)
    return chosen, floor


def _gather(rows: UnitEffects, place: Tensor, unit: Tensor, width: int, shape: Shape, *, keep: bool) -> SiteNodes:
    column, inside = _columns(rows, place, unit, width, shape, keep=keep)
    at = (rows.example.cpu().long()[inside], column[inside])
    effects = torch.zeros(shape.examples, len(unit))
    effects.index_put_(at, rows.effect.float().cpu()[inside], accumulate=True)
    activation = torch.zeros(shape.examples, len(unit))
    activation.index_put_(at, rows.clean.float().cpu()[inside], accumulate=True)
    moments = ItemMoments()
    order = shape.items.argsort(stable=True)
    moments.add(effects[order], shape.items[order])
    units = Units(unit, place if keep else None)
    return SiteNodes(units, effects, moments.mean(), moments.standard_error(), activation.mean(0))


def _columns(
    rows: UnitEffects, place: Tensor, unit: Tensor, width: int, shape: Shape, *, keep: bool
) -> tuple[Int[Tensor, " row"], Bool[Tensor, " row"]]:
    """For each row of effects, the column of its chosen unit, and whether it has one."""
    column = torch.full((shape.length if keep else 1, width), -1)
    column[place, unit] = torch.arange(len(unit))
    where = rows.position.cpu().long() if keep else torch.zeros(len(rows.unit), dtype=torch.long)
    found = column[where, rows.unit.cpu().long()]
    return found, found >= 0


def taking_part(
    effects: Mapping[Site, UnitEffects],
    chosen: Mapping[Site, SiteNodes],
    widths: Mapping[Site, int],
    shape: Shape,
    floor: float,
    *,
    keep: bool,
) -> dict[Site, Bool[Tensor, "example pos unit"]]:
    """At which examples and positions each chosen unit's own absolute effect exceeds the floor, strictly."""
    found = {}
    for site, nodes in chosen.items():
        rows = effects[site]
        place = nodes.units.position if nodes.units.position is not None else torch.zeros_like(nodes.units.unit)
        column, inside = _columns(rows, place, nodes.units.unit, widths[site] + 1, shape, keep=keep)
        strong = inside & (rows.effect.abs().cpu() > floor)
        part = torch.zeros(shape.examples, shape.length, len(nodes.units), dtype=torch.bool)
        part[rows.example.cpu().long()[strong], rows.position.cpu().long()[strong], column[strong]] = True
        found[site] = part
    return found
