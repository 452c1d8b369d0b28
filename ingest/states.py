"""What the node effects of each batch leave for its edges: kept while memory allows, else made again when wanted.

Making it again costs two runs, one backward pass and an encoding of each site: a few per cent of integrated gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from circuit_atlas.ingest.baselines import Baseline, MeanBaselines, inputs, zero_baselines
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.changes import Ends, UnitChanges, run_ends, unit_changes
from circuit_atlas.ingest.cotangents import ActiveRows, through_features
from circuit_atlas.ingest.evaluation import evaluate
from circuit_atlas.ingest.heap import give_back
from circuit_atlas.ingest.node_effects import (
    UnitEffects,
    clean_gradients,
    exact_effects,
    path_gradients,
    unit_effects,
)
from circuit_atlas.ingest.resume import FinishedBatches
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.subject import Subject

Fixed = Callable[[int], Mapping[Site, Baseline] | None]
"""What units are set to on inputs of some length; None: what they are on the patch input (without one, zero)."""


def by_input(length: int) -> None:
    """Set units to what they are on the patch input, whatever the length."""


def fixed_by(settings: DiscoverSettings, subject: Subject, batches: Sequence[Batch]) -> Fixed:
    """What units are set to under the ablation that is asked for, means being over all of the batches."""
    sites = list(subject.dictionaries)
    if settings.ablation == "zero":
        zeros = zero_baselines(subject.dictionaries, sites)
        return lambda length: zeros
    if settings.ablation == "mean":
        return MeanBaselines(subject.model, subject.dictionaries, sites, inputs(batches)).of_length
    return by_input


@dataclass(frozen=True)
class BatchState:
    """What the node effects of one batch leave for its edges.

    Attributes:
        ends: activations at both ends.
        changes: how the units of each site change between them.
        outer: gradient [batch, pos, d] at every site that edges start their product from.
        through: what of it comes back through all features of the site at clean (Jᵀ outer), where edges want that.

    """

    ends: Ends
    changes: Mapping[Site, UnitChanges]
    outer: Mapping[Site, Tensor]
    through: Mapping[Site, Tensor]

    @property
    def size(self) -> int:
        """Bytes."""
        held = [*self.ends.clean.values(), *self.ends.patch.values(), *self.outer.values(), *self.through.values()]
        return sum(t.numel() * t.element_size() for t in held) + sum(c.size for c in self.changes.values())


@dataclass(frozen=True)
class Begun:
    """What node effects find of one batch.

    Attributes:
        effects: effects of each site's units.
        metric_clean: metric of each example on its clean input.
        metric_patch: metric of each example on its patch input; None where there is none.

    """

    effects: Mapping[Site, UnitEffects]
    metric_clean: Float[Tensor, " batch"]
    metric_patch: Float[Tensor, " batch"] | None

    def tensors(self) -> dict[str, Tensor | None]:
        """All of it by name, to be kept."""
        columns = {f"{c} {site.name}": getattr(rows, c) for site, rows in self.effects.items() for c in _COLUMNS}
        return {"metric clean": self.metric_clean, "metric patch": self.metric_patch} | columns

    @classmethod
    def of(cls, kept: Mapping[str, Any], sites: Sequence[Site]) -> Begun:
        """Return what was kept."""
        effects = {site: UnitEffects(*(kept[f"{c} {site.name}"] for c in _COLUMNS)) for site in sites}
        return cls(effects, kept["metric clean"], kept["metric patch"])


_COLUMNS = UnitEffects.COLUMNS


class States(Sequence[BatchState]):
    """The state of every batch, in order."""

    def __init__(
        self,
        subject: Subject,
        batches: Sequence[Batch],
        settings: DiscoverSettings,
        fixed: Fixed = by_input,
        finished: FinishedBatches | None = None,
    ) -> None:
        self._finished = finished or FinishedBatches()
        self._subject, self._batches, self._settings, self._fixed = subject, batches, settings, fixed
        self._kept: list[BatchState | None] = []
        self._outer: list[Mapping[Site, Tensor]] = []
        self._size = 0

    def __len__(self) -> int:
        """Count the batches."""
        return len(self._batches)

    def __getitem__(self, index: int) -> BatchState:  # type: ignore[override]  # no slices are asked for
        """Return the state of one batch."""
        kept = self._kept[index]
        if kept is not None:
            return kept
        return _attribute(self._subject, self._batches[index], self._settings, self._fixed, self._outer[index])[1]

    def begin(self, batch: Batch) -> Begun:
        """Take in the next batch; returns its effects."""
        found = self._finished.find("nodes", batch)
        if found is not None:
            self._kept.append(None)
            self._outer.append({site: found[f"outer {site.name}"] for site in self._sites if self._keeps_outer})
            return Begun.of(found, self._sites)
        effects, state = _attribute(self._subject, batch, self._settings, self._fixed)
        fits = self._size + state.size <= self._subject.budget.states
        self._size += state.size if fits else 0
        self._kept.append(state if fits else None)
        # Gradients along the path are the one part that is dear to make again.
        self._outer.append(state.outer if self._keeps_outer else {})
        begun = Begun(effects, *self._metric(batch))
        outer = {f"outer {site.name}": gradient for site, gradient in self._outer[-1].items()}
        self._finished.keep("nodes", batch, begun.tensors() | outer)
        return begun

    def _metric(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Metric of each example on its clean and its patch input."""
        model, metric = self._subject.model, self._subject.metric
        with torch.no_grad():
            if batch.patch is None:
                return evaluate(model, metric, batch), None
            clean, patch = evaluate(model, metric, batch.repeat(2), tokens=torch.cat([batch.clean, batch.patch])).chunk(
                2
            )
            return clean, patch

    @property
    def _sites(self) -> list[Site]:
        return list(self._subject.dictionaries)

    @property
    def _keeps_outer(self) -> bool:
        return self._settings.outer_gradient == "ig"


def _attribute(
    subject: Subject, batch: Batch, settings: DiscoverSettings, fixed: Fixed, outer: Mapping[Site, Tensor] | None = None
) -> tuple[dict[Site, UnitEffects], BatchState]:
    """Attribute one batch, site after site, so that each dictionary is opened once.

    With the `outer` gradients of an earlier time, its state alone is made again: there are no effects then.
    """
    again = outer is not None
    model, metric, rows = subject.model, subject.metric, subject.rows(batch)
    is_large = subject.budget.is_large(model, *batch.clean.shape)
    if is_large:
        give_back()
    ends = run_ends(model, subject.dictionaries, batch, fixed(batch.clean.shape[1]))
    at_clean: dict[Site, Tensor] = {}
    if settings.outer_gradient == "clean" or (settings.method == "atp" and not again):
        at_clean = clean_gradients(model, metric, batch, ends)
    on_path = outer or {}
    if not again and "ig" in (settings.method, settings.outer_gradient):
        on_path = path_gradients(model, metric, batch, ends, settings.steps, rows, settings.rule, at_clean)
    changes: dict[Site, UnitChanges] = {}
    through: dict[Site, Tensor] = {}
    effects: dict[Site, UnitEffects] = {}
    for site, dictionary in subject.dictionaries.items():
        if is_large:
            give_back()
        here = changes[site] = unit_changes(dictionary, ends)
        if not again:
            if settings.method == "exact":
                effects[site] = exact_effects(model, metric, batch, ends, here, rows)
            else:
                effects[site] = unit_effects(here, batch, (on_path if settings.method == "ig" else at_clean)[site])
        if settings.jacobian == "clean":
            gradient = (at_clean if settings.outer_gradient == "clean" else on_path)[site]
            through[site] = through_features(dictionary, ends.clean[site], ActiveRows.on_clean(here), gradient)
    return effects, BatchState(ends, changes, at_clean if settings.outer_gradient == "clean" else on_path, through)
