"""Selection of nodes: floors, the most nodes stored, and figures of the chosen ones, against hand-computed numbers."""

from __future__ import annotations

import math

import pytest
import torch

from circuit_atlas.ingest.active import active_features, mean_units_active
from circuit_atlas.ingest.edge_attribution import PairWeights
from circuit_atlas.ingest.graph_rows import choose_edge_floor
from circuit_atlas.ingest.node_effects import UnitEffects
from circuit_atlas.ingest.selection import Shape, SiteNodes, choose_nodes, taking_part
from circuit_atlas.ingest.sites import Site, site_from_name

EMBED, RESID = site_from_name("embed"), site_from_name("resid_0")
D_SAE = 3
SHAPE = Shape(torch.tensor([0, 1]), length=2)
WIDTHS = {EMBED: D_SAE, RESID: D_SAE}


def effects(*rows: tuple[int, int, int, float, float]) -> UnitEffects:
    """Rows of (example, position, unit, effect, activation on clean)."""
    example, position, unit, effect, clean = map(torch.tensor, zip(*rows, strict=True))
    return UnitEffects(example, position, unit, effect, clean, torch.zeros(len(rows)))


FOUND = {
    # Feature 0 acts at both positions of both examples, with signs that cancel at the second; 3 is the error.
    EMBED: effects(
        (0, 0, 0, 1.0, 2.0), (1, 0, 0, 3.0, 4.0), (0, 1, 0, -1.0, 1.0), (1, 1, 0, 1.0, 0.0), (0, 1, 3, 0.5, 1.0)
    ),
    RESID: effects((0, 0, 1, -4.0, 1.0), (1, 1, 2, 0.25, 0.0)),
}


def choose(*, keep: bool, floor: float = 0.0, most: int = 100) -> tuple[dict[Site, SiteNodes], float]:
    return choose_nodes(FOUND, WIDTHS, SHAPE, keep=keep, floor=floor, most=most)


def units(chosen: dict[Site, SiteNodes]) -> dict[tuple[str, int, int], float]:
    """Mean effect by (site, unit, position; -1 where summed)."""
    found = {}
    for site, nodes in chosen.items():
        places = nodes.units.position
        for column, unit in enumerate(nodes.units.unit.tolist()):
            place = -1 if places is None else int(places[column])
            found[site.name, unit, place] = float(nodes.effect[column])
    return found


def test_means_are_over_all_examples_position_by_position() -> None:
    chosen, floor = choose(keep=True)

    assert floor == 0.0
    assert units(chosen) == {  # (embed, 0, 1) has a mean of zero and is no node
        ("embed", 0, 0): 2.0,
        ("embed", 3, 1): 0.25,
        ("resid_0", 1, 0): -2.0,
        ("resid_0", 2, 1): 0.125,
    }


def test_positions_are_summed_before_the_mean() -> None:
    chosen, _ = choose(keep=False)

    assert units(chosen) == {
        ("embed", 0, -1): 2.0,
        ("embed", 3, -1): 0.25,
        ("resid_0", 1, -1): -2.0,
        ("resid_0", 2, -1): 0.125,
    }
    embed = chosen[EMBED]
    assert embed.effects.tolist() == [[0.0, 0.5], [4.0, 0.0]]
    assert embed.activation.tolist() == [3.5, 0.5]  # (2 + 1 + 4 + 0) / 2 examples, 1 / 2
    assert embed.standard_error.tolist() == pytest.approx([2.0, 0.25])  # sqrt(2/1 · (2² + 2²)) / 2


def test_a_floor_is_exclusive() -> None:
    chosen, floor = choose(keep=True, floor=0.25)

    assert floor == 0.25
    assert set(units(chosen)) == {("embed", 0, 0), ("resid_0", 1, 0)}


@pytest.mark.parametrize(("most", "left"), [(1, 0), (2, 2), (3, 3), (4, 4), (5, 4)])
def test_at_most_so_many_nodes_are_left_and_of_equal_ones_all_or_none(most: int, left: int) -> None:
    chosen, floor = choose(keep=True, most=most)
    found = units(chosen)

    assert len(found) == left
    assert all(abs(effect) > floor for effect in found.values())


def test_a_set_floor_wins_over_the_most_nodes() -> None:
    chosen, _ = choose(keep=True, floor=0.01, most=1)
    assert len(units(chosen)) == 4


def test_the_strongest_node_of_a_site_comes_first() -> None:
    chosen, _ = choose(keep=True)
    for nodes in chosen.values():
        sizes = nodes.effect.abs().tolist()
        assert sizes == sorted(sizes, reverse=True)


def test_the_edge_floor_leaves_at_most_so_many_edges() -> None:
    weights = torch.tensor([[0.5, -2.0], [0.0, 1.0]])
    edges = {
        (EMBED, RESID): PairWeights(weights, weights),
        (RESID, None): PairWeights(torch.tensor([[0.5, 3.0]]), weights[:1]),
    }

    assert choose_edge_floor(edges, 0.7, 1) == pytest.approx(0.7)
    assert choose_edge_floor(edges, 0.0, 5) == 0.0
    assert choose_edge_floor(edges, 0.0, 3) == 0.5
    assert choose_edge_floor(edges, 0.0, 0) == 3.0
    assert choose_edge_floor({}, 0.0, 0) == 0.0


def test_a_unit_takes_part_only_where_its_own_effect_exceeds_the_floor() -> None:
    chosen, floor = choose(keep=False, floor=0.2)
    parts = taking_part(FOUND, chosen, WIDTHS, SHAPE, 0.9, keep=False)

    assert set(units(chosen)) == {("embed", 0, -1), ("embed", 3, -1), ("resid_0", 1, -1)}
    assert floor == pytest.approx(0.2)
    assert parts[EMBED][:, :, 0].tolist() == [[True, True], [True, True]]  # each of its effects is 1 or more
    assert not parts[EMBED][:, :, 1].any()  # the error's effect, 0.5, is not
    assert parts[RESID][:, :, 0].tolist() == [[True, False], [False, False]]


def test_active_features_are_those_of_the_data_with_their_frequency() -> None:
    kept = active_features(FOUND[EMBED], D_SAE, SHAPE, keep=True)
    summed = active_features(FOUND[EMBED], D_SAE, SHAPE, keep=False)

    assert list(zip(kept.place.tolist(), kept.feature.tolist(), strict=True)) == [(0, 0), (1, 0)]
    assert kept.frequency.tolist() == [1.0, 1.0]
    assert kept.activation.tolist() == [3.0, 1.0]  # where it is active on clean alone
    assert (summed.place.tolist(), summed.feature.tolist(), summed.frequency.tolist()) == ([0], [0], [1.0])
    assert summed.activation.tolist() == pytest.approx([7 / 3])


def test_the_universe_counts_units_active_on_clean_inputs() -> None:
    assert mean_units_active(FOUND, WIDTHS, SHAPE, keep=True) == {EMBED: 2.0, RESID: 0.5}
    assert mean_units_active(FOUND, WIDTHS, SHAPE, keep=False) == {EMBED: 1.5, RESID: 0.5}


def test_one_item_has_no_standard_error() -> None:
    chosen, _ = choose_nodes(FOUND, WIDTHS, Shape(torch.tensor([0, 0]), 2), keep=True, floor=0.0, most=9)
    assert all(math.isnan(error) for nodes in chosen.values() for error in nodes.standard_error.tolist())
