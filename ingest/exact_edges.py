"""Exact effects of edges, by intervention: what the weights approximate.

For one edge u → d on one example (docs/method.md):

1. Change u alone to its other end, hold every other site at its clean value, and read d's new value: only the direct
   dependence carries the change there.
2. In a clean run set d alone to that value and take the change of the metric.

An edge to the target needs step 1 only. Where positions are summed, a node stands for its unit at all positions, and
both steps set it at all of them. Edges from one node share its first step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.changes import Ends, UnitChanges
from circuit_atlas.ingest.evaluation import evaluate, evaluate_from
from circuit_atlas.ingest.language_model import LanguageModel, Replace
from circuit_atlas.ingest.metrics import Metric
from circuit_atlas.ingest.moved_units import End, at_place, directions
from circuit_atlas.ingest.sites import Site


@dataclass(frozen=True)
class Intervention:
    """One edge on one example; `down` None is the target."""

    example: int
    up: End
    down: End | None


def exact_edge_effects(
    model: LanguageModel,
    metric: Metric,
    batch: Batch,
    ends: Ends,
    changes: Mapping[Site, UnitChanges],
    wanted: Sequence[Intervention],
    rows: int,
) -> Float[Tensor, " edge"]:
    """Exact effect of each edge wanted (units of the metric); `rows` is the most sequences to run at once."""
    setting = _Setting(model, metric, batch, ends, changes)
    with torch.no_grad():
        before = evaluate(model, metric, batch)

        def second(edges: Sequence[Intervention], arrived: Tensor) -> Tensor:
            return setting.arrive(edges, arrived) - before[[edge.example for edge in edges]]

        return _each(setting, wanted, before, rows, second)


def arrived_effects(
    model: LanguageModel,
    metric: Metric,
    batch: Batch,
    ends: Ends,
    changes: Mapping[Site, UnitChanges],
    wanted: Sequence[Intervention],
    outer: Mapping[Site, Tensor],
    rows: int,
) -> Float[Tensor, " edge"]:
    """Effect that each edge would have were the metric linear in its downstream end: `outer` times what arrives there.

    Step 1 is an intervention, step 2 the gradient `outer` [batch, pos, d] at every site, as in the weight. So the
    weight's error comes apart: up to here that of the direct dependence, from here on that of the metric.
    """
    setting = _Setting(model, metric, batch, ends, changes)
    with torch.no_grad():
        before = evaluate(model, metric, batch)

        def second(edges: Sequence[Intervention], arrived: Tensor) -> Tensor:
            site, delta = setting.delta(edges, arrived)
            return (delta * outer[site][[edge.example for edge in edges]]).sum((1, 2))

        return _each(setting, wanted, before, rows, second)


def _each(
    setting: _Setting,
    wanted: Sequence[Intervention],
    before: Float[Tensor, " batch"],
    rows: int,
    second: Callable[[Sequence[Intervention], Tensor], Tensor],
) -> Float[Tensor, " edge"]:
    """Step 1 for every edge, then `second` of what arrives; the effect itself where the target is reached."""
    effects = torch.zeros(len(wanted), dtype=before.dtype, device=before.device)
    for sources in _sources(wanted).values():
        names = list(sources)
        for start in range(0, len(names), rows):
            some = names[start : start + rows]
            seen, alone = setting.carry(some)
            edges = [(row, index) for row, name in enumerate(some) for index in sources[name]]
            for site, together in _by_end(wanted, edges).items():
                for first in range(0, len(together), rows):
                    place, index = map(list, zip(*together[first : first + rows], strict=True))
                    if site is None:
                        effects[index] = alone[place] - before[[wanted[i].example for i in index]]
                    else:
                        effects[index] = second([wanted[i] for i in index], seen[site][place])
    return effects


Source = tuple[int, End]
"""Example and upstream end: what edges can share their first step by."""


def _sources(wanted: Sequence[Intervention]) -> dict[Site, dict[Source, list[int]]]:
    found: dict[Site, dict[Source, list[int]]] = {}
    for index, edge in enumerate(wanted):
        found.setdefault(edge.up.site, {}).setdefault((edge.example, edge.up), []).append(index)
    return found


def _by_end(
    wanted: Sequence[Intervention], edges: Sequence[tuple[int, int]]
) -> dict[Site | None, list[tuple[int, int]]]:
    found: dict[Site | None, list[tuple[int, int]]] = {}
    for row, index in edges:
        down = wanted[index].down
        found.setdefault(None if down is None else down.site, []).append((row, index))
    return found


@dataclass(frozen=True)
class _Setting:
    """What the two steps run on."""

    model: LanguageModel
    metric: Metric
    batch: Batch
    ends: Ends
    changes: Mapping[Site, UnitChanges]

    def carry(self, sources: Sequence[Source]) -> tuple[dict[Site, Tensor], Tensor]:
        """Step 1, for sources at one site: what arrives at every later site [row, pos, d], and the metric [row]."""
        site = sources[0][1].site
        example = torch.tensor([number for number, _ in sources], device=self.batch.clean.device)
        start = self.ends.clean[site][example] + directions(
            self.changes[site], self.batch, [end for _, end in sources], example
        )
        seen: dict[Site, Tensor] = {}

        def hold(at: Site) -> Replace:
            def function(x: Tensor) -> Tensor:
                seen[at] = x
                return self.ends.clean[at][example]

            return function

        replace: dict[Site, Replace] = {at: hold(at) for at in self.ends.clean if at > site}
        several = self.batch.take(example)
        return seen, evaluate(self.model, self.metric, several, {**replace, site: lambda _: start})

    def arrive(self, edges: Sequence[Intervention], arrived: Float[Tensor, "edge pos d"]) -> Float[Tensor, " edge"]:
        """Step 2, for edges into one site: the metric with each downstream unit set to what arrived."""
        site, delta = self.delta(edges, arrived)
        example = torch.tensor([edge.example for edge in edges], device=arrived.device)
        several, around = self.batch.take(example), self.ends.around(site).take(example)
        return evaluate_from(self.model, self.metric, several, site, self.ends.clean[site][example] + delta, around)

    def delta(
        self, edges: Sequence[Intervention], arrived: Float[Tensor, "edge pos d"]
    ) -> tuple[Site, Float[Tensor, "edge pos d"]]:
        """What setting each downstream unit of one site to what arrived adds to the activation there."""
        downs = [edge.down for edge in edges if edge.down is not None]
        site = downs[0].site
        dictionary = self.changes[site].dictionary
        example = torch.tensor([edge.example for edge in edges], device=arrived.device)
        clean = self.ends.clean[site][example]
        unit = torch.tensor([end.unit for end in downs], device=arrived.device)
        is_error, row = unit == dictionary.d_sae, torch.arange(len(edges), device=arrived.device)
        delta = torch.zeros_like(clean)
        for place in range(clean.shape[1]):
            here = at_place(self.batch, downs, example, place)
            if here.any():
                new, old = arrived[here, place], clean[here, place]
                f_new, f_old = dictionary.encode(new), dictionary.encode(old)
                change = dictionary.error(new, f_new) - dictionary.error(old, f_old)
                features = ~is_error[here]
                chosen = unit[here][features]
                moved = (f_new - f_old)[features].gather(1, chosen[:, None])
                change[features] = moved * dictionary.decoder_rows(chosen)
                delta[row[here], place] = change
        return site, delta
