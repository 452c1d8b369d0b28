"""What edge faithfulness is held against: permuted weights, and random edges that lead to the target."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor

from circuit_atlas.ingest.measuring.edges import CircuitEdges

TARGET = 6
EDGES = [
    (0, 2), (1, 2), (0, 3), (1, 3), (2, 4), (3, 4), (2, TARGET), (4, TARGET), (0, TARGET), (1, 5), (3, 5),
]  # fmt: skip
"""From and to; node 5 leads nowhere."""
LEADING = 9
"""Edges of these from which the target can be reached."""
PAIRS = [0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 4]
WEIGHTS = [8.0, 1.0, 2.0, 3.0, 0.5, 9.0, 5.0, 6.0, 7.0, 4.0, 0.25]


def made() -> CircuitEdges:
    up, down = (torch.tensor(ends) for ends in zip(*EDGES, strict=True))
    computes = torch.ones(TARGET, dtype=torch.bool)
    return CircuitEdges({}, torch.tensor(PAIRS), down, up, torch.tensor(WEIGHTS), computes, ~computes)


def reaches_the_target(edge: int, chosen: Tensor) -> bool:
    """By every path there is, over chosen edges alone."""
    ends = [EDGES[edge][1]]
    while ends:
        at = ends.pop()
        if at == TARGET:
            return True
        ends += [down for other, (up, down) in enumerate(EDGES) if up == at and bool(chosen[other])]
    return False


@pytest.mark.parametrize("size", range(1, LEADING + 1))
def test_random_edges_are_so_many_and_each_leads_to_the_target_over_others(size: int) -> None:
    for seed in range(20):
        chosen = made().connected(size, seed)
        assert int(chosen.sum()) == size
        assert all(reaches_the_target(edge, chosen) for edge in chosen.nonzero()[:, 0].tolist())


def test_random_edges_are_no_more_than_lead_to_the_target() -> None:
    assert made().connected(len(EDGES), 0).tolist() == [True] * LEADING + [False, False]


def test_random_edges_are_all_of_those_that_can_be_and_drawn_by_seed() -> None:
    draws = [made().connected(3, seed) for seed in range(200)]
    assert torch.stack(draws).any(0).tolist() == [True] * LEADING + [False, False]
    assert torch.equal(draws[7], made().connected(3, 7))
    first = Counter(EDGES[int(made().connected(1, seed).nonzero())] for seed in range(300))
    assert set(first) == {(2, TARGET), (4, TARGET), (0, TARGET)}
    assert min(first.values()) > 60  # a third of 300 each


def test_weights_are_permuted_within_each_pair_of_sites_alone() -> None:
    draws = torch.stack([made().permuted(seed) for seed in range(100)])
    for pair in set(PAIRS):
        here = [place for place, one in enumerate(PAIRS) if one == pair]
        weights = sorted(WEIGHTS[place] for place in here)
        assert all(sorted(row) == weights for row in draws[:, here].tolist())
        assert all(set(draws[:, place].tolist()) == set(weights) for place in here)
    assert torch.equal(draws[3], made().permuted(3))
