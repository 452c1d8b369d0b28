"""Random circuits, and faithfulness as a quotient: by hand."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor

from circuit_atlas.ingest.active import ActiveFeatures
from circuit_atlas.ingest.measuring.circuit import Active, MeasuredCircuit, Members
from circuit_atlas.ingest.measuring.conditions import Errors
from circuit_atlas.ingest.measuring.node_sets import SiteUnits, UnitSet, random_circuit
from circuit_atlas.ingest.measuring.runs import plan_runs, ratio
from circuit_atlas.ingest.sites import site_from_name

SITE = site_from_name("resid_0")
D_SAE = 12
CANDIDATES = {0: [1, 2, 3, 5], 1: [0, 4, 7, 8, 9, 11]}
"""Features active at each position."""


def circuit(frequency: dict[int, float] | None = None) -> MeasuredCircuit:
    place = torch.tensor([place for place, features in CANDIDATES.items() for _ in features])
    feature = torch.tensor([feature for features in CANDIDATES.values() for feature in features])
    often = torch.tensor([(frequency or {}).get(int(index), 0.5) for index in feature])
    active = Active({SITE: ActiveFeatures(place, feature, often, often)}, {SITE: 5.0})
    return MeasuredCircuit({}, active, places=2)


def node_set(features: dict[int, list[int]], errors: list[int]) -> UnitSet:
    keys = [place * (D_SAE + 1) + feature for place, chosen in features.items() for feature in chosen]
    keys += [place * (D_SAE + 1) + D_SAE for place in errors]
    return {SITE: SiteUnits(torch.tensor(sorted(keys)), 2, D_SAE + 1)}


def drawn_mask(circuit: MeasuredCircuit, units: UnitSet, seed: int) -> Tensor:
    return random_circuit(circuit, units, seed)[SITE].mask()


KEPT = node_set({0: [2, 3], 1: [0, 7, 11]}, errors=[1])


@pytest.mark.parametrize("seed", range(5))
def test_as_many_features_at_each_place_the_same_errors_and_only_candidates(seed: int) -> None:
    drawn = drawn_mask(circuit(), KEPT, seed)

    assert drawn[:, :-1].sum(1).tolist() == [2, 3]
    assert drawn[:, -1].tolist() == [False, True]
    for place, features in CANDIDATES.items():
        assert set(drawn[place, :-1].nonzero().flatten().tolist()) <= set(features)


def test_draws_are_seeded_and_differ_by_seed() -> None:
    draws = [drawn_mask(circuit(), KEPT, seed) for seed in range(8)]

    assert torch.equal(draws[3], drawn_mask(circuit(), KEPT, 3))
    assert len({tuple(draw.flatten().tolist()) for draw in draws}) > 4


def test_what_is_asked_for_is_left_as_it_is() -> None:
    before = KEPT[SITE].mask()
    random_circuit(circuit(), KEPT, 0)

    assert torch.equal(before, KEPT[SITE].mask())


def test_features_are_drawn_by_frequency() -> None:
    """Of four candidates, two are on almost every example: they are drawn almost always."""
    often = circuit({1: 1.0, 2: 1e-4, 3: 1.0, 5: 1e-4})
    draws = [drawn_mask(often, KEPT, seed)[0] for seed in range(50)]

    assert sum(bool(draw[1] and draw[3]) for draw in draws) > 45


def elsewhere(frequency: dict[int, float]) -> MeasuredCircuit:
    """The features 0 to 19 are active at the one place, each so often, on data that are not the circuit's own."""
    often = torch.tensor(list(frequency.values()))
    found = ActiveFeatures(torch.zeros(len(often), dtype=torch.long), torch.tensor(list(frequency)), often, often)
    return MeasuredCircuit({}, Active({SITE: found}, {SITE: 5.0}), places=1, elsewhere=True)


def test_on_other_data_a_random_circuit_is_as_quiet_as_the_circuit() -> None:
    """Ten features fire seldom and ten always; 20 to 23 never. Of each kind as many are drawn as are in."""
    rare, common = dict.fromkeys(range(10), 0.1), dict.fromkeys(range(10, 20), 1.0)
    kept = {SITE: SiteUnits(torch.tensor([0, 1, 2, 3, 19, 21, 22, 30]), 1, 31)}  # 30: the error
    seen: set[int] = set()
    for seed in range(40):
        drawn = random_circuit(elsewhere(rare | common), kept, seed)[SITE].mask()[0].nonzero().flatten().tolist()
        assert [sum(unit < 10 for unit in drawn), sum(10 <= unit < 20 for unit in drawn)] == [4, 1]
        assert [unit for unit in drawn if unit >= 20] == [30]
        seen.update(drawn)
    assert seen == {*range(20), 30}


def test_strata_of_other_data_hold_eight_or_more_and_part_no_equals() -> None:
    """Seven frequencies of three features each: strata of 9, then 12, for what would be left is fewer than eight."""
    often = {place: 0.1 * (place // 3 + 1) for place in range(21)}
    kept = {SITE: SiteUnits(torch.tensor([0, 20]), 1, 31)}
    draws = [
        random_circuit(elsewhere(often), kept, seed)[SITE].mask()[0].nonzero().flatten().tolist() for seed in range(200)
    ]
    assert {low for low, _ in draws} == set(range(9))
    assert {high for _, high in draws} == set(range(9, 21))


def test_no_more_are_drawn_than_there_are() -> None:
    drawn = drawn_mask(circuit(), node_set({0: list(range(D_SAE))}, errors=[]), 0)

    assert drawn[0].nonzero().flatten().tolist() == CANDIDATES[0]


@pytest.mark.parametrize("mode", get_args(Errors))
def test_a_random_circuit_is_ablated_with_the_errors_that_the_circuit_is_ablated_with(mode: Errors) -> None:
    unit, place = torch.tensor([2, 3, 0, D_SAE]), torch.tensor([0, 0, 1, 1])
    nodes = Members(unit, place, torch.tensor([4.0, 3.0, 2.0, 1.0]))
    whole = MeasuredCircuit({SITE: nodes}, circuit().active, places=2)
    chosen, drawn = plan_runs(whole, [SITE], {SITE: D_SAE}, [0.5], [mode], [0], ablate_random=True)

    assert chosen.complement is not None
    assert drawn.complement is not None
    errors = chosen.complement[SITE].mask()[:, -1]
    assert drawn.complement[SITE].mask()[:, -1].tolist() == errors.tolist()
    assert drawn.kept[SITE].mask()[:, -1].tolist() == chosen.kept[SITE].mask()[:, -1].tolist()
    # Features are in the one or the other, however errors are treated.
    features = drawn.kept[SITE].mask()[:, :-1], drawn.complement[SITE].mask()[:, :-1]
    assert bool((features[0] ^ features[1]).all())
    expected = {"keep": [True, True], "remove": [False, False], "default": [True, False]}
    assert errors.tolist() == expected.get(mode, [True, mode == "nb_remove"])


def test_faithfulness_is_a_quotient_of_means() -> None:
    """Means: circuit 2.5, empty 1, full 3, so 1.5 / 2; the mean of the quotients would be 0.625."""
    full, empty = torch.tensor([5.0, 1.0]), torch.tensor([1.0, 1.0])

    assert ratio(torch.tensor([4.0, 1.0]), empty, full) == pytest.approx(0.75)
    assert ratio(full, empty, full) == 1.0
    assert ratio(empty, empty, full) == 0.0
    assert ratio(torch.tensor([0.0, 0.0]), empty, full) == pytest.approx(-0.5)


def test_faithfulness_is_undefined_where_the_whole_model_does_nothing() -> None:
    same = torch.tensor([3.0, 5.0])

    assert ratio(torch.tensor([9.0, 9.0]), same, same) is None
    assert ratio(torch.tensor([9.0, 9.0]), same.flip(0), same) is None
    assert ratio(same, same + 1e-9, same) is None
    assert ratio(same, torch.zeros(2), torch.full((2,), 1e-3)) == pytest.approx(4e3)
    # A metric that is small, as a probability can be, is no less defined; one that cancels is no more.
    assert ratio(torch.full((2,), 1e-8), torch.zeros(2), torch.full((2,), 4e-8)) == pytest.approx(0.25)
    cancelling = torch.tensor([3.0, -3.0])
    assert ratio(torch.tensor([9.0, 9.0]), cancelling + torch.tensor([1e-6, 0.0]), cancelling) is None
