"""Links between circuits: what like prompts alone make alike is no link, one mechanism with noise is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bench.communities import CIRCUITS, HALVES, PAIRS, jaccard, same, stored
from circuit_atlas.analysis.null import shared_features
from circuit_atlas.analysis.structure import communities
from circuit_atlas.analysis.structure.communities import partition
from circuit_atlas.analysis.structure.links import excess_links
from circuit_atlas.cypher import CircuitRows, connect
from circuit_atlas.errors import QueryError
from tests.graphs import circuit

STORES = 12


@pytest.mark.slow
def test_circuits_of_like_prompts_with_mechanisms_of_their_own_form_no_community() -> None:
    """On two kinds of prompts: likeness cuts the circuits by these, excess links none of them."""
    planted = [stored(number, same_prompts=False, mechanism=False) for number in range(STORES)]
    assert sum(same(partition(jaccard(one)), HALVES) for one in planted) >= STORES - 1
    # Any link at all is a false discovery, which 1 store in 20 may have.
    assert sum(bool(excess_links(one, PAIRS, CIRCUITS).any()) for one in planted) <= 2


@pytest.mark.slow
def test_mechanisms_with_noise_are_communities_though_the_prompts_are_the_same() -> None:
    planted = [stored(number, same_prompts=True, mechanism=True) for number in range(STORES)]
    assert sum(same(partition(excess_links(one, PAIRS, CIRCUITS)), HALVES) for one in planted) >= STORES - 1


@pytest.mark.slow
def test_a_link_weighs_what_is_shared_beyond_chance_over_the_features_of_either() -> None:
    choices = stored(0, same_prompts=True, mechanism=True)
    weight = excess_links(choices, PAIRS, CIRCUITS)
    counted = shared_features(choices[0], choices[1])
    sets = [set(choices[place].feature[choices[place].chosen].tolist()) for place in (0, 1)]
    assert counted.observed == len(sets[0] & sets[1])
    assert weight[0, 1] == weight[1, 0] == pytest.approx((counted.observed - counted.expected) / len(sets[0] | sets[1]))
    assert not excess_links(choices, [], CIRCUITS).any()


def on_one_data_set(random: np.random.Generator, *, mechanism: bool) -> list[CircuitRows]:
    """Six circuits of 40 of 250 features active on the same prompts, of which halves may have 20 in common."""
    often = np.round(random.uniform(0.05, 1.0, 250), 3)
    common = [random.choice(250, 20, replace=False, p=often / often.sum()) for _ in range(2)]
    rows = []
    for number in range(6):
        own = common[number % 2] if mechanism else common[0][:0]
        rest = np.setdiff1d(np.arange(250), own)
        drawn = random.choice(rest, 40 - len(own), replace=False, p=often[rest] / often[rest].sum())
        units = [("embed", int(one), 2, float(random.uniform(0.5, 1.5))) for one in sorted({*own, *drawn})]
        made = circuit(f"c{number}", units, [(0, -1, 1.0)])  # type: ignore[arg-type]
        active = {"feature_indices": list(range(250)), "frequency": often.tolist(), "mean_activation": [1.0] * 250}
        candidates = [{**row, **active} for row in made.nodes["Candidates"]]
        rows.append(dataclasses.replace(made, nodes={**made.nodes, "Candidates": candidates}))
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", [True, False])
def test_communities_of_a_store_are_by_mechanism(mechanism: bool, tmp_path: Path) -> None:
    with connect(f"ladybug:{tmp_path / 'atlas.lbug'}") as store:
        store.write(on_one_data_set(np.random.default_rng(3), mechanism=mechanism), one_transaction=True)
        found = communities(store)
        with pytest.raises(QueryError, match="a null of links by likeness"):
            communities(store, draws=9)
        with pytest.raises(QueryError, match="links is 'hubs'; choose one of excess, likeness"):
            communities(store, links="hubs")
    about = found.circuits.attrs
    assert (about["links"], about["n_pairs"], about["without_null"]) == ("excess", 15, [])
    groups = {frozenset(one) for one in found.circuits.groupby("community")["circuit"].apply(list)}
    if mechanism:
        assert groups == {frozenset({"c0", "c2", "c4"}), frozenset({"c1", "c3", "c5"})}
        assert about["n_linked"] == 6
        # All share features with both halves; none is linked to the other, so none mixes them.
        assert found.mixtures.groupby("circuit").size().tolist() == [2] * 6
        assert not found.circuits["mixes"].any()
    else:
        assert groups == {frozenset({f"c{number}"}) for number in range(6)}
        assert np.isnan(about["modularity"])
    assert {"candidates", "feature_uses", "node_uses"} <= {one["query"] for one in found.circuits.attrs["queries"]}
