"""Communities: how often circuits alike by their prompts alone are taken for one, and how often mechanisms are found.

Eight planted circuits a store (`bench.planted`), all pairs linked by excess. Of different mechanisms on like prompts no
two should be linked; two mechanisms with noise, four circuits each, all on the same prompts, should be two communities.
The same stores linked by how much they share, whatever the reason, stand beside. `--quick` takes a tenth.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.figure import Figure, at_least, at_most, between
from bench.planted import plant_circuits
from circuit_atlas.analysis.graph import Floats, Ints
from circuit_atlas.analysis.sharing.matching import Choice
from circuit_atlas.analysis.structure.communities import partition
from circuit_atlas.analysis.structure.links import excess_links

STORES = 100
CIRCUITS = 8
PAIRS = [(a, b) for a in range(CIRCUITS) for b in range(a + 1, CIRCUITS)]
HALVES = [0, 0, 0, 0, 1, 1, 1, 1]


def run(quick: bool) -> list[Figure]:
    """Measure false alarms and power."""
    stores = STORES // 10 if quick else STORES
    like = [stored(n, same_prompts=True, mechanism=False) for n in range(stores)]
    two = [stored(n, same_prompts=False, mechanism=False) for n in range(stores)]
    shared = [stored(n, same_prompts=True, mechanism=True) for n in range(stores)]
    linked = [np.any(excess_links(one, PAIRS, CIRCUITS)) for one in (*like, *two)]
    by_prompts = [same(partition(jaccard(one)), HALVES) for one in two]
    found = [same(partition(excess_links(one, PAIRS, CIRCUITS)), HALVES) for one in shared]
    # A false discovery rate of 0.05 where nothing is to be discovered is the chance of any discovery.
    return [
        at_most("stores with a community, different mechanisms", float(np.mean(linked)), "", 0.15 if quick else 0.1),
        between("stores cut by their prompts where likeness links", float(np.mean(by_prompts)), "", 0.0, 1.0),
        at_least("stores in which both mechanisms are found", float(np.mean(found)), "", 0.9),
    ]


def stored(number: int, *, same_prompts: bool, mechanism: bool) -> dict[int, Choice]:
    """Make the circuits of one store: on the same prompts or on two kinds, of two mechanisms or each of its own."""
    random = np.random.default_rng((number, same_prompts, mechanism))
    prompts = [0] * CIRCUITS if same_prompts else HALVES
    return plant_circuits(random, prompts, HALVES if mechanism else [None] * CIRCUITS)


def jaccard(choices: Mapping[int, Choice]) -> Floats:
    """Features that every two circuits share over features of either."""
    weight = np.zeros((len(choices), len(choices)))
    for a, b in PAIRS:
        one, other = (set(choices[place].feature[choices[place].chosen].tolist()) for place in (a, b))
        weight[a, b] = weight[b, a] = len(one & other) / len(one | other)
    return weight


def same(one: Ints, other: list[int]) -> bool:
    """Whether two partitions put the same circuits together."""
    return bool(((one[:, None] == one) == (np.array(other)[:, None] == np.array(other))).all())
