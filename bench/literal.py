"""The definitions of effects and edges, literally: an oracle for the engine, slow and simple.

Nothing here uses the two identities. The dictionary stands in the loop, features and error are leaves of automatic
differentiation, and one unit is treated at a time.

Source: Marks et al. (ICLR 2025), sections 2 and 3.1, appendix A.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.subject import Subject

State = tuple[Tensor, Tensor]
"""Features [batch, pos, d_sae] and error [batch, pos, d_in] of one site."""


def decode(dictionary: SparseDictionary, state: State) -> Tensor:
    """Put features and error together again."""
    features, error = state
    return dictionary.reconstruct(features) + dictionary.bias + error


def split(dictionary: SparseDictionary, x: Tensor) -> State:
    """Take an activation apart into features and error."""
    features = dictionary.encode(x)
    return features, x - dictionary.reconstruct(features) - dictionary.bias


def states(subject: Subject, batch: Batch, *, patch: bool) -> dict[Site, State]:
    """Features and error of each site at one end; zeros where the other end is zero ablation."""
    tokens = batch.patch if patch and batch.patch is not None else batch.clean
    found = subject.model.activations(tokens, list(subject.dictionaries))
    apart = {site: split(subject.dictionaries[site], x) for site, x in found.items()}
    if patch and batch.patch is None:
        return {site: (torch.zeros_like(f), torch.zeros_like(e)) for site, (f, e) in apart.items()}
    return apart


def metric_with(subject: Subject, batch: Batch, site: Site, state: State) -> Tensor:
    """Metric of each example with one site's features and error set, everything after it computing."""
    x = decode(subject.dictionaries[site], state)
    return subject.metric(subject.model.run(batch.clean, {site: lambda _: x}), batch)


Both = Sequence[Mapping[Site, State]]
"""States of all sites at both ends, clean first."""


def both_states(subject: Subject, batch: Batch) -> Both:
    """States at both ends, to be computed once for a batch."""
    return [states(subject, batch, patch=end) for end in (False, True)]


def mean_gradients(
    subject: Subject, batch: Batch, site: Site, alphas: Sequence[float], ends: Both | None = None
) -> State:
    """Gradient of the metric with respect to one site's features and error, mean over points from clean to patch."""
    clean, patch = (end[site] for end in ends or both_states(subject, batch))
    total = [torch.zeros_like(c) for c in clean]
    for alpha in alphas:
        leaves = [(c + alpha * (p - c)).requires_grad_() for c, p in zip(clean, patch, strict=True)]
        value = metric_with(subject, batch, site, (leaves[0], leaves[1])).sum()
        total = [t + g for t, g in zip(total, torch.autograd.grad(value, leaves), strict=True)]
    return total[0] / len(alphas), total[1] / len(alphas)


def node_effects(
    subject: Subject, batch: Batch, site: Site, alphas: Sequence[float], ends: Both | None = None
) -> Tensor:
    """Effects [batch, pos, d_sae + 1] of one site's units, the error last: mean gradient over `alphas` times change."""
    ends = ends or both_states(subject, batch)
    clean, patch = (end[site] for end in ends)
    gradients = mean_gradients(subject, batch, site, alphas, ends)
    features, error = (g * (p - c) for g, c, p in zip(gradients, clean, patch, strict=True))
    return torch.cat([features, error.sum(-1, keepdim=True)], -1).detach()


def edge_weights(
    subject: Subject,
    batch: Batch,
    up: Site,
    down: Site,
    unit: int,
    position: int,
    alphas: Sequence[float] = (0.0,),
    outer: State | None = None,
) -> Tensor:
    """Weights [batch, pos, d_sae + 1] of the edges from each unit of `up` into one unit of `down` at one position.

    `alphas` are the points whose mean gradient stands at the downstream end: clean alone unless given. `outer` is that
    gradient, where known.
    """
    ends = both_states(subject, batch)
    outer = outer or mean_gradients(subject, batch, down, alphas, ends)
    return next(edges_into(subject, batch, up, down, [(unit, position)], outer, ends))


def edges_into(
    subject: Subject,
    batch: Batch,
    up: Site,
    down: Site,
    wanted: Iterable[tuple[int, int]],
    outer: State,
    ends: Both,
) -> Iterator[Tensor]:
    """Weights [batch, pos, d_sae + 1] from each unit of `up` into each wanted (unit, position) of `down`.

    One forward pass, in which every site between is held at its clean value, so that only the direct dependence is
    left; one backward pass for each downstream unit.
    """
    between = {site: x for site, x in _clean(subject, batch).items() if up < site < down}
    clean, patch = (end[up] for end in ends)
    leaves = [t.detach().requires_grad_() for t in clean]
    seen: list[Tensor] = []

    def note(x: Tensor) -> Tensor:
        seen.append(x)
        return x

    replace = {site: (lambda _, held=held: held) for site, held in between.items()}
    start = decode(subject.dictionaries[up], (leaves[0], leaves[1]))
    subject.model.run(batch.clean, {**replace, up: lambda _: start, down: note})
    features, error = split(subject.dictionaries[down], seen[0])
    for unit, position in wanted:
        if unit < features.shape[-1]:
            value = (features[:, position, unit] * outer[0][:, position, unit]).sum()
        else:
            value = (error[:, position] * outer[1][:, position]).sum()
        if not value.requires_grad:
            yield torch.zeros(*clean[0].shape[:2], clean[0].shape[2] + 1)  # nothing joins the two directly
            continue
        gradients = torch.autograd.grad(value, leaves, retain_graph=True, allow_unused=True)
        changes = zip(gradients, clean, patch, strict=True)
        parts = [torch.zeros_like(c) if g is None else g * (p - c) for g, c, p in changes]
        yield torch.cat([parts[0], parts[1].sum(-1, keepdim=True)], -1).detach()


def _clean(subject: Subject, batch: Batch) -> Mapping[Site, Tensor]:
    return subject.model.activations(batch.clean, list(subject.dictionaries))


def patch_one(subject: Subject, batch: Batch, site: Site, unit: int, position: int, share: float = 1.0) -> Tensor:
    """Exact effect on each example of moving one unit at one position by `share` of the way to its patch value."""
    clean, patch = (states(subject, batch, patch=end)[site] for end in (False, True))
    features, error = (t.clone() for t in clean)
    if unit < features.shape[-1]:
        features[:, position, unit] += share * (patch[0] - clean[0])[:, position, unit]
    else:
        error[:, position] += share * (patch[1] - clean[1])[:, position]
    with torch.no_grad():
        changed = metric_with(subject, batch, site, (features, error))
        return changed - subject.metric(subject.model.run(batch.clean), batch)


def exact_edge(subject: Subject, batch: Batch, up: tuple[Site, int, int], down: tuple[Site, int, int] | None) -> Tensor:
    """Exact effect on each example of one edge between (site, unit, position) ends; `down` None is the target."""
    (site, unit, position), clean = up, _clean(subject, batch)
    first, other = (states(subject, batch, patch=end)[site] for end in (False, True))
    features, error = (t.clone() for t in first)
    if unit < features.shape[-1]:
        features[:, position, unit] = other[0][:, position, unit]
    else:
        error[:, position] = other[1][:, position]
    moved = decode(subject.dictionaries[site], (features, error))
    seen: dict[Site, Tensor] = {}

    def hold(at: Site) -> Callable[[Tensor], Tensor]:
        def function(x: Tensor) -> Tensor:
            seen[at] = x
            return clean[at]

        return function

    with torch.no_grad():
        before = subject.metric(subject.model.run(batch.clean), batch)
        held = {at: hold(at) for at in clean if at > site}
        logits = subject.model.run(batch.clean, {**held, site: lambda _: moved})
        if down is None:
            return subject.metric(logits, batch) - before
        arrived = split(subject.dictionaries[down[0]], seen[down[0]])
        features, error = (t.clone() for t in split(subject.dictionaries[down[0]], clean[down[0]]))
        if down[1] < features.shape[-1]:
            features[:, down[2], down[1]] = arrived[0][:, down[2], down[1]]
        else:
            error[:, down[2]] = arrived[1][:, down[2]]
        return metric_with(subject, batch, down[0], (features, error)) - before


def ablated(subject: Subject, batch: Batch, kept: Mapping[Site, Tensor], means: Mapping[Site, State]) -> Tensor:
    """Metric of each example with the units of each site that are not `kept` [pos, d_sae + 1] at their means.

    One unit and position at a time, site after site on the ablated stream.
    """

    def mix(site: Site) -> Callable[[Tensor], Tensor]:
        def function(x: Tensor) -> Tensor:
            features, error = (t.clone() for t in split(subject.dictionaries[site], x))
            for position, row in enumerate(kept[site].tolist()):
                for unit, stays in enumerate(row[:-1]):
                    if not stays:
                        features[:, position, unit] = means[site][0][position, unit]
                if not row[-1]:
                    error[:, position] = means[site][1][position]
            return decode(subject.dictionaries[site], (features, error))

        return function

    with torch.no_grad():
        return subject.metric(subject.model.run(batch.clean, {site: mix(site) for site in kept}), batch)
