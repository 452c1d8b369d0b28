"""Run the model with only some edges of a circuit carrying computed values: m(C) of an edge set.

Each node is computed from its kept direct inputs, all its other inputs at what ablated units are set to (their means);
units outside the circuit likewise. The embedding, and sites before the start layer, always compute and reach all; the
target is computed from its kept inputs; a TopK chooses on what arrives, the mixed input. With every edge kept this is
the node set's own m(C); with none, m(∅).

On request TopK dictionaries hold the features active on the clean input instead: a node's value is then what its own
encoder column gives on the mixed input where it is active on clean, and 0 elsewhere. None kept is still m(∅); every
edge is m(C) with the same choice held in the node set's run, which is another figure than the plain m(C). Definition:
docs/faithfulness.md, "Edge faithfulness".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuit_atlas.ingest.baselines import Values
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.evaluation import evaluate, evaluate_from
from circuit_atlas.ingest.language_model import Replace
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.starts import Around, Start
from circuit_atlas.ingest.subject import Subject

_NUMBERS = 16_000_000
"""Most numbers in one slice of activations of a dictionary, or of the contributions of nodes."""

_TOKENS = 8_192
"""Most tokens in one pass."""


@dataclass(frozen=True)
class SiteNodes:
    """The nodes of one site that take part.

    Attributes:
        unit: feature index; the error unit is `d_sae`.
        place: of each; None where a node stands for all positions.
        first: number of the first among all nodes, which are numbered in the order of sites.

    """

    unit: Int[Tensor, " node"]
    place: Int[Tensor, " node"] | None
    first: int

    @property
    def numbers(self) -> slice:
        """Numbers of its nodes."""
        return slice(self.first, self.first + len(self.unit))


EdgeSet = Bool[Tensor, "downstream upstream"]
"""Which edges carry computed values, a row a node and a last one for the target, a column a node."""


ActiveFeatures = Mapping[Site, Bool[Tensor, "batch pos d_sae"]]
"""Features whose choice is held, at each site that holds one."""


@dataclass(frozen=True)
class _Encoder:
    """A dictionary, and the features that it is to choose where that is held.

    Attributes:
        dictionary: what encodes.
        active: features that are active, at each position of each example; None: the dictionary chooses.

    """

    dictionary: SparseDictionary
    active: Bool[Tensor, "batch pos d_sae"] | None

    def everywhere(self, x: Float[Tensor, "group batch pos d"]) -> Float[Tensor, "group batch pos d_sae"]:
        """Activations at every position."""
        return self.dictionary.encode(x) if self.active is None else self.dictionary.encode_held(x, self.active)

    def at(self, x: Float[Tensor, "node batch d"], place: Int[Tensor, " node"]) -> Float[Tensor, "node batch d_sae"]:
        """Activations at one position for each node."""
        if self.active is None:
            return self.dictionary.encode(x)
        return self.dictionary.encode_held(x, self.active[:, place].movedim(1, 0))


@dataclass(frozen=True)
class _Computed:
    """Nodes of one site once they are computed.

    Attributes:
        base: activation with every unit at what ablated units are set to.
        moves: what each node adds to that when it computes, at each position where it stands.

    """

    base: Float[Tensor, "#batch #pos d"]
    moves: Float[Tensor, "node batch pos d"]

    def mixed(self, kept: Bool[Tensor, "group node"]) -> Float[Tensor, "group*batch pos d"]:
        """Activation with some nodes computing, for each group of edges."""
        moves = self.moves.flatten(1)
        added = (kept.to(moves) @ moves).view(len(kept), *self.moves.shape[1:])
        return (added + self.base).flatten(0, 1)


def run_edges(
    subject: Subject,
    batch: Batch,
    nodes: Mapping[Site, SiteNodes],
    edges: EdgeSet,
    baselines: Mapping[Site, Values],
    active: ActiveFeatures | None = None,
) -> Float[Tensor, " batch"]:
    """Metric of each example with only the edges of the set carrying computed values.

    Args:
        subject: model, dictionaries and metric.
        batch: examples.
        nodes: the circuit's nodes at each ablated site.
        edges: edges that are kept; only those between sites connected directly matter.
        baselines: what everything else is set to.
        active: features that the dictionaries of some sites are to choose; at the others each chooses on what arrives.

    """
    done: dict[Site, _Computed] = {}
    with torch.no_grad():
        for site in sorted(baselines):
            here = nodes.get(site)
            arrived = _Arrived(subject, batch, nodes, done, site)
            encoder = _Encoder(subject.dictionaries[site], None if active is None else active.get(site))
            done[site] = _compute(encoder, batch, arrived, here, edges, baselines[site])
        return _target(subject, batch, nodes, done, edges[-1:])


def active_on_clean(subject: Subject, batch: Batch, sites: Iterable[Site]) -> ActiveFeatures:
    """Features active on the clean input at those sites whose dictionary is a TopK."""
    chosen = [site for site in sites if subject.dictionaries[site].is_topk]
    if not chosen:
        return {}
    found = subject.model.activations(batch.clean, chosen)
    with torch.no_grad():
        return {site: subject.dictionaries[site].encode(found[site]) != 0 for site in chosen}


@dataclass(frozen=True)
class _Arrived:
    """What reaches a site under several groups of edges."""

    subject: Subject
    batch: Batch
    nodes: Mapping[Site, SiteNodes]
    done: Mapping[Site, _Computed]
    site: Site

    @property
    def parents(self) -> list[Site]:
        """Ablated sites that may reach it directly: none before the last ablated stream on the way."""
        return direct_parents(list(self.done))

    def relevant(self, kept: Bool[Tensor, "row node"]) -> Bool[Tensor, "row node"]:
        """Edges without those that cannot reach it directly, so that more rows are alike."""
        found = torch.zeros_like(kept)
        for parent in self.parents:
            if parent in self.nodes:
                found[:, self.nodes[parent].numbers] = kept[:, self.nodes[parent].numbers]
        return found

    def under(self, kept: Bool[Tensor, "group node"]) -> Float[Tensor, "group batch pos d"]:
        """Activation at the site for each group of kept edges."""
        mixed = {parent: _mixed(self.done[parent], self.nodes.get(parent), kept) for parent in self.parents}
        if self._is_sum(mixed):
            entry = self._entry if len(mixed) == 2 else 0.0
            total = torch.stack([*mixed.values()]).sum(dim=0)
            return total.view(len(kept), -1, *total.shape[1:]) + entry
        several = self.batch.repeat(len(kept))
        replace: dict[Site, Replace] = {}
        start = None
        for parent, x in mixed.items():
            if parent.component == "resid" and self.subject.model.can_skip:
                start = Start(parent.layer + 1, x)
            else:
                replace[parent] = _instead(x)
        found = self.subject.model.run_to(several.clean, self.site, replace, start=start)
        return found.view(len(kept), -1, *found.shape[1:])

    def _is_sum(self, parents: Collection[Site]) -> bool:
        """Whether it is the stream after a block of which attention, MLP and entry, if that is ablated, are known."""
        if self.site.component != "resid" or any(parent.is_z or parent.is_post for parent in parents):
            return False
        layer = self.site.layer
        known = {(parent.component, parent.layer) for parent in parents} - {("resid", layer - 1)}
        return known == {("attn", layer), ("mlp", layer)} and self.subject.model.sums

    @cached_property
    def _entry(self) -> Float[Tensor, "batch pos d"]:
        """Stream as it enters the block, where nothing before it is ablated."""
        return self.subject.model.entries(self.batch.clean, [self.site.layer])[self.site.layer].float()


def direct_parents(before: Sequence[Site]) -> list[Site]:
    """Of the ablated sites before one, those that no ablated stream stands behind."""
    ordered = sorted(before)
    streams = [number for number, site in enumerate(ordered) if site.component == "resid"]
    return ordered[streams[-1] :] if streams else ordered


def _mixed(computed: _Computed, nodes: SiteNodes | None, kept: Bool[Tensor, "group node"]) -> Tensor:
    if nodes is None:
        return computed.mixed(kept[:, :0])
    return computed.mixed(kept[:, nodes.numbers])


def _instead(x: Tensor) -> Replace:
    return lambda _: x


def _compute(
    encoder: _Encoder,
    batch: Batch,
    arrived: _Arrived,
    nodes: SiteNodes | None,
    edges: EdgeSet,
    baseline: Values,
) -> _Computed:
    """Compute the nodes of one site, those with the same kept inputs together."""
    dictionary = encoder.dictionary
    acts, error = (t if t.ndim == 3 else t[None] for t in baseline.at(slice(0, batch.clean.shape[1])))
    base = dictionary.reconstruct(acts) + dictionary.bias + error
    if nodes is None or not len(nodes.unit):
        return _Computed(base, base.new_zeros(0, *batch.clean.shape, base.shape[-1]))
    groups, member = arrived.relevant(edges[nodes.numbers]).unique(dim=0, return_inverse=True)
    moves = base.new_empty(len(nodes.unit), *batch.clean.shape, base.shape[-1])
    numbers = batch.clean.numel() * dictionary.d_sae
    step = max(1, min(_TOKENS // batch.clean.numel(), _NUMBERS // numbers))
    for start in range(0, len(groups), step):
        x = arrived.under(groups[start : start + step])
        inside = ((member >= start) & (member < start + step)).nonzero()[:, 0]
        some = SiteNodes(nodes.unit[inside], None if nodes.place is None else nodes.place[inside], 0)
        moves[inside] = _moves(encoder, batch, x, member[inside] - start, some, acts, error)
    return _Computed(base, moves * _stands(batch, nodes.place)[..., None])


def _moves(
    encoder: _Encoder,
    batch: Batch,
    x: Float[Tensor, "group batch pos d"],
    group: Int[Tensor, " node"],
    nodes: SiteNodes,
    acts: Float[Tensor, "#batch #pos d_sae"],
    error: Float[Tensor, "#batch #pos d"],
) -> Float[Tensor, "node batch pos d"]:
    """What each node adds to the baseline when it takes the value that its group's activation gives it."""
    dictionary = encoder.dictionary
    if nodes.place is None or batch.places is not None:
        found, of = encoder.everywhere(x), group
        left_out = dictionary.error(x, found)
    else:  # each is wanted at its own position alone
        at = nodes.place
        of = torch.arange(len(at), device=at.device)
        here = x[group, :, at]
        found = encoder.at(here, at)[:, :, None]
        left_out = dictionary.error(here[:, :, None], found)
    is_error = nodes.unit == dictionary.d_sae
    features = nodes.unit[~is_error]
    moves = x.new_empty(len(nodes.unit), *x.shape[1:])
    value = found[of[~is_error], ..., features] - acts[..., features].movedim(-1, 0)
    moves[~is_error] = value[..., None] * dictionary.decoder_rows(features)[:, None, None]
    moves[is_error] = left_out[of[is_error]] - error
    return moves


def _stands(batch: Batch, place: Int[Tensor, " node"] | None) -> Bool[Tensor, "#node #batch #pos"]:
    """At which positions of which examples each node stands."""
    if place is None:
        return torch.ones(1, 1, 1, dtype=torch.bool, device=batch.clean.device)
    own = torch.arange(batch.clean.shape[1], device=batch.clean.device)
    where = own[None] if batch.places is None else batch.places
    return place[:, None, None] == where[None]


def _target(
    subject: Subject,
    batch: Batch,
    nodes: Mapping[Site, SiteNodes],
    done: Mapping[Site, _Computed],
    kept: Bool[Tensor, "1 node"],
) -> Float[Tensor, " batch"]:
    parents = direct_parents(list(done))
    mixed = {site: _mixed(done[site], nodes.get(site), kept) for site in parents}
    if len(parents) == 1:
        (site,) = parents
        return evaluate_from(
            subject.model, subject.metric, batch, site, mixed[site].expand(len(batch.clean), -1, -1), Around(None, None)
        )
    # What stands before them no longer reaches the target, so that it may compute as it likes.
    return evaluate(subject.model, subject.metric, batch, {site: _instead(x) for site, x in mixed.items()})
