"""The arithmetic of sharing: figures, the exact tail, strata, odds, draws and sums, each against something else."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from scipy.stats import false_discovery_control, hypergeom, spearmanr

from bench.planted import plant
from circuit_atlas.analysis import false_discovery
from circuit_atlas.analysis.null import chances, features_of
from circuit_atlas.analysis.ranks import rank_correlation
from circuit_atlas.analysis.sharing.candidates import Active
from circuit_atlas.analysis.sharing.codes import Codes, anywhere, encode_features, feature_of, site_of
from circuit_atlas.analysis.sharing.exact import count_shared, shared_distribution
from circuit_atlas.analysis.sharing.figures import FIGURES, figures
from circuit_atlas.analysis.sharing.many import clustered
from circuit_atlas.analysis.sharing.matching import Matching, choice, match
from circuit_atlas.analysis.sharing.matrix import HUB, rank_correlations, sums
from circuit_atlas.analysis.sharing.odds import log_odds, log_sizes
from circuit_atlas.analysis.sharing.relabel import deal, draws, side
from circuit_atlas.analysis.sharing.strata import strata_of
from circuit_atlas.analysis.sharing.uses import ERROR, FEATURE, Uses


def test_figures_of_two_small_vectors() -> None:
    a, b = np.array([2.0, -1.0, 0.5, 0.0, 4.0]), np.array([1.0, 2.0, 0.25, 3.0, 0.0])
    found = dict(zip(FIGURES, figures(a, b), strict=True))
    assert found == {
        "n_a": 4, "n_b": 4, "n_shared": 3, "n_same_sign": 2,
        "jaccard": 3 / 5, "containment_a": 3 / 4, "containment_b": 3 / 4,
        "weight_a": 7.5, "weight_b": 6.25, "shared_weight_a": 3.5, "shared_weight_b": 3.25,
        "weighted_jaccard": (1 + 1 + 0.25) / (2 + 2 + 0.5 + 3 + 4),
        "weighted_containment_a": 3.5 / 7.5, "weighted_containment_b": 3.25 / 6.25,
        "same_sign": 2 / 3,
        "rank_correlation": pytest.approx(0.5),  # 2, 1, 0.5 against 1, 2, 0.25
    }  # fmt: skip


def test_figures_without_anything_are_null() -> None:
    found = dict(zip(FIGURES, figures(np.zeros(3), np.zeros(3)), strict=True))
    assert found["n_a"] == 0
    for name in ("jaccard", "containment_a", "weighted_jaccard", "same_sign", "rank_correlation"):
        assert np.isnan(found[name])


def test_spearman_is_scipys_with_ties() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        one, other = random.integers(0, 6, (2, 15)).astype(float)
        assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert np.isnan(rank_correlation(np.ones(5), np.arange(5.0)))


def test_with_equal_odds_the_tail_is_hypergeometric_stratum_by_stratum() -> None:
    chosen = np.zeros((2, 20), bool)
    chosen[0, [0, 1, 2, 10, 11]] = True
    chosen[1, [2, 3, 11, 12, 13]] = True
    strata = [np.arange(10), np.arange(10, 20)]
    found = shared_distribution(strata, np.zeros(20), np.zeros(20), *chosen)
    wanted = np.convolve(hypergeom.pmf(range(3), 10, 3, 2), hypergeom.pmf(range(3), 10, 2, 3))
    assert found == pytest.approx(wanted)
    counted = count_shared(2, found)
    assert counted.p_value == pytest.approx(wanted[3:].sum() + wanted[2] / 2)
    assert counted.expected == pytest.approx(0.6 + 0.6)


def test_with_odds_of_their_own_the_tail_is_that_of_every_choice_counted_out() -> None:
    random = np.random.default_rng(1)
    odds = random.normal(size=(2, 6))
    chosen = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 1, 1]], bool)
    found = shared_distribution([np.arange(6)], *odds, *chosen)
    wanted = np.zeros(3)
    for one in itertools.combinations(range(6), 3):
        for other in itertools.combinations(range(6), 2):
            wanted[len({*one} & {*other})] += np.exp(odds[0, list(one)].sum() + odds[1, list(other)].sum())
    assert found == pytest.approx(wanted / wanted.sum())


def test_where_nothing_is_left_to_chance_the_p_value_says_nothing() -> None:
    everything = np.ones(3, bool)
    found = count_shared(3, shared_distribution([np.arange(3)], np.zeros(3), np.zeros(3), everything, everything))
    assert (found.expected, found.spread, found.p_value) == (3.0, 0.0, 0.5)
    assert np.isnan(found.z)


def test_strata_hold_alike_features_and_all_of_them() -> None:
    random = np.random.default_rng(2)
    one = random.normal(size=200)
    strata = strata_of(one, one + 0.01 * random.normal(size=200))
    assert sorted(np.concatenate(strata)) == list(range(200))
    assert all(8 <= len(some) < 16 for some in strata)
    # Both odds go together, so strata are narrow in each: no wider than their share of the ranks, and a little.
    ranks = np.argsort(np.argsort(one))
    assert max(np.ptp(ranks[some]) for some in strata) < 25
    assert len(strata_of(one[:5], one[:5])) == 1


def test_the_odds_find_what_choice_depends_on() -> None:
    random = np.random.default_rng(3)
    frequency = np.exp(np.minimum(0.0, random.normal(-1.5, 1.0, 2000)))
    active = Active(np.arange(2000), frequency, np.exp(random.normal(size=2000)))
    truth = 1.5 * np.log(frequency) - 1.0
    chosen = (random.random(2000) < 1 / (1 + np.exp(-truth))).astype(float)
    (fitted,) = log_odds([active], [chosen])
    assert np.corrcoef(fitted, truth)[0, 1] > 0.95
    assert np.abs(fitted - truth)[truth > -4.0].mean() < 0.4


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_odds_are_finite_where_a_circuit_chose_none_or_all_or_one_kind_of_activity_is_met(share: float) -> None:
    active = Active(np.arange(30), np.ones(30), np.zeros(30))
    assert np.isfinite(log_odds([active], [np.full(30, share)])[0]).all()


def test_q_values_are_scipys_and_leave_out_what_has_no_p_value() -> None:
    p_values = np.array([0.01, np.nan, 0.04, 0.03, 0.5, 0.03])
    found = false_discovery(p_values)
    known = ~np.isnan(p_values)
    assert found[known] == pytest.approx(false_discovery_control(p_values[known]))
    assert np.isnan(found[1])


def random_uses(random: np.random.Generator, circuits: int, items: int, share: float) -> Uses:
    has = random.random((circuits, items)) < share
    has[:, :5] = True  # more circuits than `HUB` have these
    circuit, item = np.nonzero(has)
    value = random.normal(size=len(item)).round(3)
    return Uses(circuit, np.full(len(item), FEATURE), item, value, np.arange(items), Codes("feature"))


def test_sums_over_all_pairs_are_those_of_each_pair() -> None:
    uses = random_uses(np.random.default_rng(4), HUB + 8, 60, 0.2)
    n = HUB + 8
    found, ranked = sums(uses, n), rank_correlations(uses, n)
    dense = np.zeros((n, 60))
    dense[uses.circuit, uses.item] = uses.value
    for a, b in itertools.product(range(n), repeat=2):
        wanted = dict(zip(FIGURES, figures(dense[a], dense[b]), strict=True))
        assert found.n_shared[a, b] == wanted["n_shared"]
        assert found.n_same_sign[a, b] == wanted["n_same_sign"]
        assert found.shared[a, b] == pytest.approx(wanted["shared_weight_a"])
        smaller = np.minimum(np.abs(dense[a]), np.abs(dense[b])).sum()
        assert found.smaller[a, b] == pytest.approx(smaller, rel=1e-6)
        if a != b:
            assert ranked[a, b] == pytest.approx(wanted["rank_correlation"], nan_ok=True)


def test_the_strongest_are_kept_kind_by_kind_as_many_as_both_have() -> None:
    uses = Uses(
        circuit=np.array([0, 0, 0, 0, 1, 1, 1]),
        kind=np.array([FEATURE, FEATURE, FEATURE, ERROR, FEATURE, FEATURE, ERROR]),
        item=np.array([0, 1, 2, 3, 0, 1, 3]),
        value=np.array([1.0, -3.0, 2.0, 0.1, 0.5, 0.5, 0.2]),
        items=np.arange(4),
        codes=Codes("feature"),
    )
    kept = uses.strongest(3)
    assert list(zip(kept.circuit, kept.item, strict=True)) == [(0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 3)]
    assert uses.strongest(3, equal=False).item.tolist() == [0, 1, 2, 3, 0, 1, 3]
    assert uses.strongest(1).item.tolist() == [1, 3, 0, 3]  # of equal strength the first
    assert uses.strongest(None) is uses


def test_codes_of_units_can_be_read_again() -> None:
    codes = encode_features("mlp", 11, np.array([0, 65_535]))
    assert feature_of(codes).tolist() == [0, 65_535]
    assert [one.tolist() for one in site_of(codes)] == [[2, 2], [11, 11]]
    assert (anywhere(codes) == codes).all()


def test_features_are_dealt_within_their_strata_as_often_as_their_odds_say() -> None:
    matching = Matching(
        feature=np.arange(6),
        log_odds=np.array([[0.0, 0.0, np.log(4.0), 0.0, 0.0, 0.0], np.zeros(6)]),
        chosen=np.zeros((2, 6), bool),
        strata=(np.array([0, 1, 2]), np.array([3, 4, 5])),
        log_size=np.zeros((2, 6)),
    )
    dealt = deal(matching, 0, np.array([0, 3, 4]), 20_000, np.random.default_rng(5))
    assert (dealt[:, 0] < 3).all()
    assert (dealt[:, 1:] >= 3).all()
    assert (dealt[:, 1] != dealt[:, 2]).all()
    assert np.mean(dealt[:, 0] == 2) == pytest.approx(4 / 6, abs=0.02)
    for place in (3, 4, 5):
        assert np.mean(dealt[:, 1] == place) == pytest.approx(1 / 3, abs=0.02)


def test_draws_say_of_nodes_what_the_exact_tail_says() -> None:
    planted = plant(np.random.default_rng(6), same_data=False, mechanism=False)
    choices = [choice(some, features_of(planted.nodes, n)) for n, some in enumerate(planted.active)]
    matching = match(*choices)
    counted = count_shared(int(matching.chosen.all(axis=0).sum()), matching.distribution())
    of_roles = Uses(**{**vars(planted.nodes), "codes": Codes("role")})  # a level without an exact tail
    drawn = chances(of_roles, None, (choices[0], choices[1]), 4000, 0, figure="n_shared")[0]
    assert drawn.observed == counted.observed
    assert drawn.expected == pytest.approx(counted.expected, abs=0.5)
    assert drawn.spread == pytest.approx(counted.spread, rel=0.05)
    assert drawn.p_value == pytest.approx(counted.p_value, abs=0.03)


def test_like_circuits_stand_together() -> None:
    likeness = np.full((4, 4), 0.1)
    likeness[0, 2] = likeness[2, 0] = 0.8
    likeness[1, 3] = likeness[3, 1] = 0.6
    order, tree = clustered(likeness)
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({0, 2}), frozenset({1, 3})}
    assert tree[:, 2].tolist() == pytest.approx([0.2, 0.4, 0.9])
    assert clustered(np.ones((1, 1)))[0] == [0]


@pytest.mark.slow
def test_the_null_is_as_often_wrong_as_it_says_and_finds_a_planted_mechanism() -> None:
    from bench.overlap import edge_p_value, node_p_value, weighted_p_value

    def share(count: int, *, same_data: bool, mechanism: bool) -> float:
        seeds = (np.random.default_rng((7, n)) for n in range(count))
        cases = [plant(random, same_data=same_data, mechanism=mechanism) for random in seeds]
        return float(np.mean([node_p_value(one) < 0.05 for one in cases]))

    # 99.9 % of 200 cases with a true share of 5 % lie between these.
    least, most = 0.005, 0.105
    for same_data in (True, False):
        assert least <= share(200, same_data=same_data, mechanism=False) <= most
    assert share(60, same_data=True, mechanism=True) >= 0.9
    apart = [plant(np.random.default_rng((8, n)), same_data=True, mechanism=False) for n in range(200)]
    assert least <= np.mean([edge_p_value(one, n) < 0.05 for n, one in enumerate(apart)]) <= most
    strong = [plant(np.random.default_rng((9, n)), same_data=True, mechanism=False, strong=True) for n in range(80)]
    cut = [dataclasses.replace(one, edges=one.edges.strongest(200)) for one in strong]
    assert np.mean([edge_p_value(one, n) < 0.05 for n, one in enumerate(cut)]) <= 0.15
    # Effects dealt as they are, whatever activity makes of them, call 18 % of such pairs sharing.
    assert np.mean([weighted_p_value(one, n) < 0.05 for n, one in enumerate(strong)]) <= 0.11


def test_sizes_that_activity_makes_are_found_of_features_that_were_not_chosen() -> None:
    """Sizes are power laws of frequency and activation, with other slopes at each of two sites, known of a third."""
    random = np.random.default_rng(4)
    active = [Active(np.arange(300), random.uniform(0.01, 1, 300), random.exponential(size=300) + 0.1) for _ in "ab"]
    sizes = [one.frequency**x * one.activation**y for one, (x, y) in zip(active, ((0.3, 1.1), (0.8, 0.5)), strict=True)]
    chosen = [random.random(300) < 1 / 3 for _ in active]
    found = log_sizes(active, [np.where(hit, size, 0.0) for hit, size in zip(chosen, sizes, strict=True)])
    for fitted, size, hit in zip(found, sizes, chosen, strict=True):
        assert np.abs(fitted - np.log(size))[~hit].mean() < 0.1 * np.log(size).std()
    assert all(np.isfinite(one).all() for one in log_sizes(active, [np.zeros(300)] * 2))


def test_a_feature_that_takes_the_part_of_another_has_the_size_that_activity_makes_of_it() -> None:
    """Sizes made by activity alone: dealt anew they are those of the other features, so all sizes stay as they were."""
    log_size = np.log(np.stack([np.array([1.0, 2.0, 4.0, 8.0]), np.ones(4)]))
    chosen = np.array([[True, False, False, False], [True, True, True, True]])
    feature = encode_features("mlp", 0, np.arange(4))
    matching = Matching(feature, np.zeros((2, 4)), chosen, (np.arange(4),), log_size)
    values = np.array([1.0, 5.0, 5.0, 5.0, 5.0])
    uses = Uses(
        np.array([0, 1, 1, 1, 1]), np.full(5, FEATURE), np.array([0, 0, 1, 2, 3]), values, feature, Codes("feature")
    )
    one, other = side(uses, 0, matching), side(uses, 1, matching)
    shared, smaller, whole = draws(one, other, matching, 400, np.random.default_rng(0))
    assert (shared[:200] == 1).all()
    assert set(smaller[:200].round(9)) == {1.0, 2.0, 4.0, 5.0}  # 8 where the other has 5
    assert set((whole[:200] - 20.0).round(9)) == {1.0, 2.0, 4.0, 8.0}
    assert set(whole[200:].round(9)) == {21.0}


def test_of_edges_the_choice_is_to_be_an_end_of_those_compared() -> None:
    """Strong edges have active ends: fitted to these, active features are likelier and others less likely."""
    planted = plant(np.random.default_rng(3), same_data=True, mechanism=False, strong=True)
    edges = planted.edges.strongest(100)
    ends = features_of(edges, 0)
    assert set(ends) == {int(code) for item in edges.item[edges.circuit == 0] for code in edges.items[item]}
    of_ends, of_units = (choice(planted.active[0], some) for some in (ends, features_of(planted.nodes, 0)))
    active = np.concatenate([planted.active[0][site].activation for site in sorted(planted.active[0])])
    codes = np.concatenate(
        [encode_features(*site, planted.active[0][site].feature) for site in sorted(planted.active[0])]
    )
    often = active[np.argsort(codes)] > np.median(active)
    rise = [float(one.log_odds[often].mean() - one.log_odds[~often].mean()) for one in (of_ends, of_units)]
    assert rise[0] > rise[1] > 0.0


def test_weighted_jaccard_alone_is_moved_by_the_scale_of_a_metric() -> None:
    a = np.array([2.0, -1.0, 0.5, 4.0])
    found, wanted = (dict(zip(FIGURES, figures(a, scale * a), strict=True)) for scale in (2.0, 1.0))
    assert found["weighted_jaccard"] == pytest.approx(0.5)
    moved = {name for name in FIGURES if found[name] != pytest.approx(wanted[name])}
    assert moved == {"weight_b", "shared_weight_b", "weighted_jaccard"}
