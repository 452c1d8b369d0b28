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

from circuit_atlas.errors import AttributionError
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
    """Numbers of examples and positions, and the item of each example.

    Attributes:
        items: of each example.
        length: number of places where positions are not summed.
        places: place of each position of each example, where it is not the position itself.

    """

    items: Int[Tensor, " example"]
    length: int
    places: Int[Tensor, "example pos"] | None = None

    @property
    def examples(self) -> int:
        """Number of examples."""
        return len(self.items)

    def place(self, rows: UnitEffects, *, keep: bool) -> Int[Tensor, " row"]:
        """Place of each row of effects; 0 where positions are summed."""
        position = rows.position.cpu().long()
        if not keep:
            return torch.zeros_like(position)
        return position if self.places is None else self.places[rows.example.cpu().long(), position]


@dataclass(frozen=True)
class MeanEffects:
    """Mean effects of the units of one site that have any, by key: place · width + unit, ascending (float64, CPU)."""

    keys: Int[Tensor, " unit"]
    means: Float[Tensor, " unit"]


def mean_effects(rows: UnitEffects, width: int, shape: Shape, *, keep: bool) -> MeanEffects:
    """Mean effect of each unit at each position (place 0 where positions are summed) over examples."""
    keys, inverse = torch.unique(_keys(rows, width, shape, keep=keep), return_inverse=True)
    total = torch.zeros(len(keys), dtype=torch.float64)
    total.index_add_(0, inverse, rows.effect.double().cpu())
    return MeanEffects(keys, total / shape.examples)


def _keys(rows: UnitEffects, width: int, shape: Shape, *, keep: bool) -> Int[Tensor, " row"]:
    return shape.place(rows, keep=keep) * width + rows.unit.cpu().long()


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
    found = {site: mean_effects(rows, widths[site] + 1, shape, keep=keep) for site, rows in effects.items()}
    floor = choose_floor({site: mean.means for site, mean in found.items()}, floor, most)
    chosen = {}
    for site, mean in found.items():
        strong = mean.means.abs() > floor
        order = mean.means[strong].abs().argsort(descending=True, stable=True)
        keys = mean.keys[strong][order]
        if len(keys):
            chosen[site] = _gather(effects[site], keys, widths[site] + 1, shape, keep=keep)
    return chosen, floor


def demand_nodes(
    chosen: Mapping[Site, SiteNodes],
    effects: Mapping[Site, UnitEffects],
    widths: Mapping[Site, int],
    shape: Shape,
    floor: float,
    *,
    keep: bool,
) -> None:
    """Demand that some node was chosen.

    Raises:
        AttributionError: none was; the message says the largest effect.

    """
    if chosen:
        return
    means = [mean_effects(rows, widths[site] + 1, shape, keep=keep).means for site, rows in effects.items()]
    largest = float(torch.cat(means).abs().max())
    raise AttributionError(
        f"no node is left: the largest absolute effect is {largest:.4g}, and none exceeds the node floor {floor:.4g}; "
        "lower node_floor, or raise max_nodes where it chose the floor"
    )


def _gather(rows: UnitEffects, keys: Tensor, width: int, shape: Shape, *, keep: bool) -> SiteNodes:
    column, inside = _columns(rows, keys, width, shape, keep=keep)
    at = (rows.example.cpu().long()[inside], column[inside])
    effects = torch.zeros(shape.examples, len(keys))
    effects.index_put_(at, rows.effect.float().cpu()[inside], accumulate=True)
    activation = torch.zeros(shape.examples, len(keys))
    activation.index_put_(at, rows.clean.float().cpu()[inside], accumulate=True)
    moments = ItemMoments()
    moments.add(effects, shape.items)
    units = Units(keys % width, keys // width if keep else None)
    return SiteNodes(units, effects, moments.mean(), moments.standard_error(), activation.mean(0))


def _columns(
    rows: UnitEffects, keys: Int[Tensor, " unit"], width: int, shape: Shape, *, keep: bool
) -> tuple[Int[Tensor, " row"], Bool[Tensor, " row"]]:
    """For each row of effects, the column of its chosen unit, and whether it has one."""
    ranked, order = keys.sort()
    wanted = _keys(rows, width, shape, keep=keep)
    place = torch.searchsorted(ranked, wanted).clamp_max(len(keys) - 1)
    return order[place], ranked[place] == wanted


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
        width = widths[site] + 1
        place = nodes.units.position if nodes.units.position is not None else torch.zeros_like(nodes.units.unit)
        column, inside = _columns(rows, place * width + nodes.units.unit, width, shape, keep=keep)
        strong = inside & (rows.effect.abs().cpu() > floor)
        part = torch.zeros(shape.examples, int(rows.position.max()) + 1, len(nodes.units), dtype=torch.bool)
        part[rows.example.cpu().long()[strong], rows.position.cpu().long()[strong], column[strong]] = True
        found[site] = part
    return found
