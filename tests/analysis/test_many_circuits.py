"""Families of features and communities of circuits, worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from circuit_atlas.analysis import overlap_matrix
from circuit_atlas.analysis.structure import communities, feature_families
from circuit_atlas.analysis.structure.communities import best_modularity
from circuit_atlas.analysis.structure.shuffled import deal, likeness, shuffled_modularities
from circuit_atlas.cypher import CircuitRows, Store, connect
from circuit_atlas.errors import QueryError
from tests.graphs import circuit, small_circuits
from tests.queries.test_random_graphs import random_circuit

pytestmark = pytest.mark.slow

FEATURES = {"a1": (1, 2), "a2": (1, 2), "b1": (3, 4), "b2": (3, 4), "m": (1, 2, 3)}
"""Features of the embedding that each circuit uses; `m` shares two with the a's and one with the b's."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path: Path = tmp_path_factory.mktemp("many") / "atlas.lbug"
    with connect(f"ladybug:{path}") as opened:
        for name, features in FEATURES.items():
            units = [("embed", feature, 2, 1.0) for feature in features]
            opened.write([circuit(name, units, [(0, -1, 1.0)])])  # type: ignore[arg-type]
        yield opened


@pytest.mark.slow
def test_communities_are_those_that_share_features(store: Store) -> None:
    found = communities(store, links="likeness")
    table = found.circuits.set_index("circuit")
    assert table["community"].to_dict() == {"a1": 1, "a2": 1, "m": 1, "b1": 2, "b2": 2}
    assert table["n_members"].tolist() == [3, 3, 3, 2, 2]
    assert (table["kind"] == "contrastive").all()
    # Jaccard: a1 and a2 1, m and an a 2/3, b1 and b2 1, m and a b 1/4.
    assert [*table[["within", "outside"]].loc["m"]] == pytest.approx([2 / 3, 1 / 4])
    assert [*table[["within", "outside"]].loc["a1"]] == pytest.approx([5 / 6, 0.0])
    assert (table["stability"] == 1.0).all()
    inside, degree, whole = np.array([7 / 3, 1.0]), np.array([14 / 3 + 1 / 2, 5 / 2]), 7 / 3 + 1 + 1 / 2
    modularity = (inside / whole - (degree / (2 * whole)) ** 2).sum()
    assert found.circuits.attrs["modularity"] == pytest.approx(modularity)


def test_a_circuit_that_mixes_communities_shares_features_with_each_alone(store: Store) -> None:
    found = communities(store, links="likeness")
    rows = found.mixtures[["circuit", "community", "n_linked", "n_features", "n_shared", "n_only", "share"]]
    assert [tuple(row) for row in rows.itertuples(index=False)] == [
        ("a1", 1, 2, 2, 2, 2, 1.0),
        ("a2", 1, 2, 2, 2, 2, 1.0),
        ("b1", 1, 1, 2, 1, 0, 0.0),  # feature 3, with m; b2 has it too
        ("b1", 2, 1, 2, 2, 1, 0.5),
        ("b2", 1, 1, 2, 1, 0, 0.0),
        ("b2", 2, 1, 2, 2, 1, 0.5),
        ("m", 1, 2, 3, 2, 2, pytest.approx(2 / 3)),
        ("m", 2, 2, 3, 1, 1, pytest.approx(1 / 3)),
    ]
    mixes = found.circuits.set_index("circuit")["mixes"]
    assert mixes[mixes].index.tolist() == ["m"]
    assert not communities(store, links="likeness", least_share=0.5).circuits["mixes"].any()


@pytest.mark.slow
def test_likeness_is_that_of_the_query(tmp_path: Path) -> None:
    names = ["r1", "r2", "r3"]
    with connect(f"ladybug:{tmp_path / 'atlas.lbug'}") as opened:
        opened.write([circuit(name, *random_circuit(name, 25)) for name in names])
        uses, wanted = opened.query("feature_uses"), overlap_matrix(opened, measure="weighted_jaccard")
    of = uses["circuit"].map(names.index).to_numpy(np.int64)
    feature = np.unique(uses["feature"].to_numpy(str), return_inverse=True)[1]
    found = likeness(of, feature, np.abs(uses["effect"].to_numpy(float)), 3)
    assert np.allclose(found, wanted.to_numpy(float))


def test_dealing_keeps_how_many_features_a_circuit_and_how_many_circuits_a_feature_has() -> None:
    random = np.random.default_rng(0)
    pairs = sorted(
        {(int(c), int(f)) for c, f in zip(random.integers(0, 6, 60), random.integers(0, 20, 60), strict=True)}
    )
    of, feature = np.array(pairs).T
    dealt = [deal(of, feature, random) for _ in range(20)]
    for one in dealt:
        assert len(set(zip(of.tolist(), one.tolist(), strict=True))) == len(pairs)
        assert sorted(one.tolist()) == sorted(feature.tolist())
    assert len({tuple(one) for one in dealt}) == 20
    assert deal(np.zeros(3, int), np.arange(3), random).tolist() == [0, 1, 2]


def planted(random: np.random.Generator, *, apart: bool) -> list[CircuitRows]:
    """Eight circuits that draw 10 of 40 features: all from the same, or two halves of them mostly from two halves."""
    rows = []
    for number in range(8):
        odds = np.ones(40)
        if apart:
            odds[20 * (number % 2) :][:20] = 8.0
        features = random.choice(40, 10, replace=False, p=odds / odds.sum())
        units = [("embed", int(feature), 2, float(random.uniform(0.5, 1.5))) for feature in sorted(features)]
        rows.append(circuit(f"c{number}", units, [(0, -1, 1.0)]))  # type: ignore[arg-type]
    return rows


@pytest.mark.slow
def test_planted_communities_are_above_the_null_and_chance_is_not(tmp_path: Path) -> None:
    values = {}
    for apart in (True, False):
        with connect(f"ladybug:{tmp_path / str(apart)}.lbug") as opened:
            opened.write(planted(np.random.default_rng(1), apart=apart), one_transaction=True)
            found = communities(opened, links="likeness", draws=39).circuits
        values[apart] = found.attrs["p_value"]
        if apart:
            assert found.attrs["modularity"] > found.attrs["null_95"]
            assert found.groupby("community")["circuit"].apply(set).tolist() == [
                {"c0", "c2", "c4", "c6"}, {"c1", "c3", "c5", "c7"},
            ]  # fmt: skip
    assert values[True] == 1 / 40
    assert values[False] > 0.05


def hubs_alone(random: np.random.Generator) -> pd.DataFrame:
    """Uses of ten circuits that each draw 12 of 60 features, some much likelier than others, and nothing else."""
    odds = 1 / np.arange(1, 61)
    rows = [
        (f"f{feature:03d}", "embed", -1, f"c{number}", random.uniform(0.5, 1.5))
        for number in range(10)
        for feature in random.choice(60, 12, replace=False, p=odds / odds.sum())
    ]
    return pd.DataFrame(rows, columns=["feature", "component", "layer", "circuit", "effect"])


@pytest.mark.slow
def test_the_null_is_as_often_reached_as_it_says() -> None:
    names = [f"c{number}" for number in range(10)]
    p_values = []
    for store in range(120):
        uses = hubs_alone(np.random.default_rng((7, store)))
        of = np.array([names.index(name) for name in uses["circuit"]])
        feature = np.unique(uses["feature"].to_numpy(str), return_inverse=True)[1]
        alike = likeness(of, feature, uses["effect"].to_numpy(float), 10)
        dealt = shuffled_modularities(uses, names, best_modularity, 19, store)
        p_values.append((1 + (dealt >= best_modularity(alike)).sum()) / 20)
    # A twentieth of 120 stores, within two standard deviations of a binomial; and half of them.
    assert 0.01 <= np.mean(np.array(p_values) <= 0.05) <= 0.09
    assert 0.4 <= np.mean(np.array(p_values) <= 0.5) <= 0.6


def test_circuits_that_share_nothing_are_each_alone(tmp_path: Path) -> None:
    with connect(f"ladybug:{tmp_path / 'atlas.lbug'}") as opened:
        opened.write([circuit("one", [("embed", 1, 2, 1.0)], []), circuit("two", [("embed", 2, 2, 1.0)], [])])
        found = communities(opened, links="likeness")
    assert found.circuits["community"].tolist() == [1, 2]
    assert found.circuits["within"].isna().all()
    assert np.isnan(found.circuits.attrs["modularity"])
    assert found.mixtures.empty


def test_a_store_without_circuits_is_refused(tmp_path: Path) -> None:
    with connect(f"ladybug:{tmp_path / 'atlas.lbug'}") as opened, pytest.raises(QueryError, match="has no circuits"):
        communities(opened)


@pytest.mark.slow
def test_families_are_features_of_the_same_circuits_with_the_same_signs(tmp_path: Path) -> None:
    with connect(f"ladybug:{tmp_path / 'atlas.lbug'}") as opened:
        opened.write(small_circuits())
        found = feature_families(opened)
        alone = feature_families(opened, min_circuits=1)
    columns = ["n_circuits", "n_features", "positive", "negative", "mean_absolute_effect", "strongest", "names"]
    assert [tuple(row) for row in found[columns].itertuples(index=False)] == [
        (3, 1, ["he/object", "sva"], ["he/subject"], 1.0, 1.5, ["mlp_0/7"]),
        (2, 1, ["he/object", "he/subject"], [], 0.375, 0.5, ["embed/1"]),
    ]
    assert alone["names"].tolist()[2:] == [["mlp_0/8", "resid_1/3"], ["resid_1/4"], ["embed/5"]]
