"""Pairs of circuits whose sharing is known: different mechanisms in the same prompts, or one mechanism with noise.

Every site has features of its own frequency (of 64 examples) and mean activation, which go together. A circuit chooses
`CHOSEN` of a site's features, likelier ones being those that are active more often and more strongly; how much likelier
differs from site to site and from circuit to circuit. Different mechanisms: both choose independently, so whatever they
share is activity's doing. One mechanism: both also take most of the same features, chosen likewise. A jump: both choose
features active on more than `OFTEN` of the examples ten times as readily as others, and by nothing else. Strength by
activity: effects rise with it too, by slopes of their own, and strong features have more and stronger edges, so that
which are the strongest is another choice than which are there; else effects and weights are nobody's doing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuit_atlas.analysis.sharing.candidates import Active, Site
from circuit_atlas.analysis.sharing.codes import Codes, encode_features, site_number
from circuit_atlas.analysis.sharing.matching import Choice, choice
from circuit_atlas.analysis.sharing.uses import FEATURE, Uses

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SITES = tuple((component, layer) for layer in range(2) for component in ("attn", "mlp", "resid"))
FEATURES, CHOSEN, EXAMPLES = 250, 40, 64
MECHANISM, KEPT = 10, 0.8
"""Features of a site that belong to the one mechanism, and the share of them that each circuit has."""

OFTEN = 0.3

NOISE = 0.5
"""Standard deviation of the logarithm of effects that rise with activity, beside what activity makes of them."""

DEGREE = 8
"""Edges a node, on average."""


@dataclass(frozen=True)
class Planted:
    """Two circuits: what was active on the data of each, and what each uses."""

    active: tuple[dict[tuple[str, int], Active], dict[tuple[str, int], Active]]
    nodes: Uses
    edges: Uses


def plant(
    random: np.random.Generator, *, same_data: bool, mechanism: bool, jump: bool = False, strong: bool = False
) -> Planted:
    """Make two circuits.

    Args:
        random: where chance comes from.
        same_data: whether both were found on the same prompts; else features are active otherwise, though alike.
        mechanism: whether they have a mechanism in common.
        jump: whether choice jumps at a cut-off of frequency, in place of rising with activity.
        strong: whether effects, and with them edges and weights, rise with activity as choice does.

    """
    active: tuple[dict[tuple[str, int], Active], dict[tuple[str, int], Active]] = ({}, {})
    used: tuple[list[Ints], list[Ints]] = ([], [])
    for site in SITES:
        latent = random.standard_normal(FEATURES)
        first = _activity(random, latent)
        data = (first, first if same_data else _activity(random, latent))
        shared = _choose(random, _odds(random, first, jump=jump), MECHANISM) if mechanism else np.zeros(0, np.int64)
        for circuit, one in enumerate(data):
            active[circuit][site] = one
            own = shared[random.random(len(shared)) < KEPT]
            odds = _odds(random, one, jump=jump)
            odds[own] = 0.0
            chosen = np.concatenate([own, _choose(random, odds, CHOSEN - len(own))])
            used[circuit].append(encode_features(*site, np.sort(chosen)))
    codes = [np.concatenate(some) for some in used]
    if not strong:
        return Planted(active, _nodes(random, codes), _edges(random, codes))
    sizes = [_strength(random, active[n], some) for n, some in enumerate(codes)]
    return Planted(active, _nodes(random, codes, sizes), _edges(random, codes, sizes))


def plant_circuits(
    random: np.random.Generator, prompts: Sequence[int], mechanisms: Sequence[int | None]
) -> dict[int, Choice]:
    """Make many circuits: what each could choose and chose, by its place.

    Args:
        random: where chance comes from.
        prompts: number of the prompts that each was found on; on others other features are active.
        mechanisms: number of the mechanism that each has `KEPT` of, with noise; None: nothing in common with another.

    """
    active: list[dict[tuple[str, int], Active]] = [{} for _ in prompts]
    used: list[list[Ints]] = [[] for _ in prompts]
    for site in SITES:
        on = {one: _activity(random, random.standard_normal(FEATURES)) for one in sorted(set(prompts))}
        first = {one: on[prompts[mechanisms.index(one)]] for one in sorted({m for m in mechanisms if m is not None})}
        shared = {one: _choose(random, _odds(random, data, jump=False), MECHANISM) for one, data in first.items()}
        for circuit, (data, mechanism) in enumerate(zip(prompts, mechanisms, strict=True)):
            active[circuit][site] = on[data]
            own = shared[mechanism] if mechanism is not None else np.zeros(0, np.int64)
            own = own[random.random(len(own)) < KEPT]
            odds = _odds(random, on[data], jump=False)
            odds[own] = 0.0
            chosen = np.concatenate([own, _choose(random, odds, CHOSEN - len(own))])
            used[circuit].append(encode_features(*site, np.sort(chosen)))
    return {place: choice(some, np.concatenate(used[place])) for place, some in enumerate(active)}


def _activity(random: np.random.Generator, latent: Floats) -> Active:
    often = np.exp(np.minimum(0.0, -1.5 + 1.2 * latent + 0.6 * random.standard_normal(FEATURES)))
    strength = np.exp(0.5 * latent + 0.8 * random.standard_normal(FEATURES))
    return Active(np.arange(FEATURES), np.maximum(1, np.round(often * EXAMPLES)) / EXAMPLES, strength)


def _odds(random: np.random.Generator, one: Active, *, jump: bool) -> Floats:
    if jump:
        return np.where(one.frequency > OFTEN, 1.0, 0.1)
    by_often, by_strength = random.uniform(0.2, 1.2, 2)
    odds: Floats = one.frequency**by_often * one.activation**by_strength
    return odds


def _choose(random: np.random.Generator, odds: Floats, count: int) -> Ints:
    return np.asarray(random.choice(FEATURES, count, replace=False, p=odds / odds.sum()), np.int64)


def _strength(random: np.random.Generator, active: Mapping[Site, Active], codes: Ints) -> Floats:
    """Effects that rise with activity, by slopes drawn anew for every site, with noise."""
    sizes = []
    for site, one in active.items():
        every = encode_features(*site, one.feature)
        here = np.isin(every, codes)
        sizes.append(_odds(random, one, jump=False)[here] * np.exp(NOISE * random.standard_normal(int(here.sum()))))
    return np.concatenate(sizes)


def _nodes(random: np.random.Generator, codes: list[Ints], sizes: list[Floats] | None = None) -> Uses:
    units, item = np.unique(np.concatenate(codes), return_inverse=True)
    value = random.standard_exponential(len(item)) if sizes is None else np.concatenate(sizes)
    return _uses([len(one) for one in codes], item, value, units)


def _edges(random: np.random.Generator, codes: list[Ints], sizes: list[Floats] | None = None) -> Uses:
    """Edges from earlier to later sites at random, some features having many more than others."""
    pairs, weights = [], []
    for n, one in enumerate(codes):
        busy = random.standard_exponential(len(one)) * (1.0 if sizes is None else sizes[n])
        ends = np.sort(random.choice(len(one), (DEGREE * len(one), 2), p=busy / busy.sum()), axis=1)
        ends = np.unique(ends[site_number(one)[ends[:, 0]] < site_number(one)[ends[:, 1]]], axis=0)
        pairs.append(one[ends])
        weights.append(random.standard_exponential(len(ends)))
        if sizes is not None:
            weights[-1] *= np.sqrt(sizes[n][ends].prod(axis=1))
    items, item = np.unique(np.concatenate(pairs), axis=0, return_inverse=True)
    item = item.reshape(-1)
    return _uses([len(one) for one in pairs], item, np.concatenate(weights), items)


def _uses(counts: list[int], item: Ints, value: Floats, items: Ints) -> Uses:
    circuit = np.repeat(np.arange(2), counts)
    order = np.lexsort((item, circuit))
    kind = np.full(len(item), FEATURE)
    return Uses(circuit[order], kind, item[order], value[order], items, Codes("feature"))
