"""Circuits made of others are left out of what is said of all circuits, and meant by a name only where no other is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from circuit_atlas.analysis import combine, compare, overlap, overlap_matrix, sharing_null
from circuit_atlas.analysis.experiment import derive
from circuit_atlas.analysis.graph import Floats
from circuit_atlas.analysis.sharing.candidates import Active, fetch_candidates, united
from circuit_atlas.analysis.structure import communities, feature_families
from circuit_atlas.cypher import CircuitRows, Pair, Store, connect
from circuit_atlas.cypher.resolve import resolve_circuit
from circuit_atlas.errors import StoreError, UnknownCircuitError
from tests.graphs import SUBJECT, SUBJECT_EDGES, circuit, small_circuits
from tests.store_fixtures import ENGINES, Filled

pytestmark = pytest.mark.slow

FOUND = ["he/object", "he/subject", "sva"]
SHARED, EITHER = "he/subject ∩ he/object", "he/subject ∪ sva"
MADE = [SHARED, EITHER]
MLP_7 = "toy/topk/mlp_0/feature/7"


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Store]]:
    path: Path = tmp_path_factory.mktemp("derived")
    filled = Filled(request, path, small_circuits())
    yield filled
    filled.close()


@pytest.fixture(params=ENGINES)
def store(stores: Mapping[str, Store], request: pytest.FixtureRequest) -> Store:
    """The three small circuits and two made of them, on each engine."""
    opened = stores[request.param]
    if len(opened.query("comparable", derived="keep")) == len(FOUND):
        opened.write([combine(opened, "intersection", "he/subject", "he/object")])
        opened.write([combine(opened, "union", "he/subject", "sva")])
    return opened


def test_queries_of_all_circuits_leave_out_those_made_of_others(store: Store) -> None:
    assert store.query("comparable")["circuit"].tolist() == FOUND
    assert store.query("comparable", derived="keep")["circuit"].tolist() == sorted([*FOUND, *MADE])
    uses = store.query("feature_uses")
    assert sorted(set(uses["circuit"])) == FOUND
    assert set(MADE) < set(store.query("feature_uses", derived="keep")["circuit"])
    counts = [store.query("hubs", **some).set_index("feature")["n_circuits"] for some in ({}, {"derived": "keep"})]
    assert [one[MLP_7] for one in counts] == [3, 5]
    for query in ("overlap_all_nodes", "overlap_all_edges"):
        named = [
            {*table["circuit_a"], *table["circuit_b"]}
            for table in (store.query(query), store.query(query, derived="keep"))
        ]
        assert named[0] <= set(FOUND)
        assert named[1] >= set(MADE)


def test_so_do_overlaps_communities_and_families(store: Store) -> None:
    assert overlap_matrix(store).columns.tolist() == FOUND
    assert len(overlap(store, null=False).pairs) == 3
    kept = overlap(store, null=False, derived="keep")
    assert len(kept.pairs) == 10
    assert kept.matrix.loc[EITHER, "sva"] == pytest.approx(2 / 5)  # of embed/1, /5, mlp_0/7, /8 and resid_1/3
    for links in ("likeness", "excess"):
        assert sorted(communities(store, links=links).circuits["circuit"]) == FOUND
        assert len(communities(store, links=links, derived="keep").circuits) == 5
    assert feature_families(store)["n_circuits"].tolist() == [3, 2]
    assert feature_families(store, derived="keep")["n_circuits"].max() == 5


def test_one_made_of_others_is_compared_where_it_is_named(store: Store) -> None:
    nodes = compare(store, SHARED, "he/object").nodes.set_index("kind")
    assert [*nodes.loc["feature", ["n_a", "n_b", "n_shared"]]] == [2, 3, 2]


@pytest.mark.parametrize(
    ("given", "name"),
    [("he/subj", "he/subject"), ("he/subject ∩", SHARED), ("he/subject ∪ s", EITHER), ("he/subject", "he/subject")],
)
def test_a_start_means_the_discovered_one_first(store: Store, given: str, name: str) -> None:
    assert resolve_circuit(store, given) == name


def test_a_start_of_several_made_of_others_is_refused(store: Store) -> None:
    with pytest.raises(UnknownCircuitError, match="'he/subject ' means 2 circuits"):
        resolve_circuit(store, "he/subject ")


def on_other_data(rows: CircuitRows) -> CircuitRows:
    """The same circuit found on data on which feature 8 is active, feature 5 never, and feature 7 more often."""
    other = {"feature_indices": [8, 7, 1], "frequency": [0.5, 0.75, 1.0], "mean_activation": [4.0, 1.0, 1.0]}
    active = [{**row, **other, "id": f"{row['id']}-2"} for row in rows.nodes["Candidates"]]
    of_sae, drew = (Pair("OF_SAE", "Candidates", "Sae"), Pair("DREW_FROM", "Circuit", "Candidates"))
    links = {
        of_sae: [{**row, "from": f"{row['from']}-2"} for row in rows.relationships[of_sae]],
        drew: [{**row, "to": f"{row['to']}-2"} for row in rows.relationships[drew]],
    }
    return dataclasses.replace(
        rows, nodes={**rows.nodes, "Candidates": active}, relationships={**rows.relationships, **links}
    )


@pytest.mark.parametrize("names", [("he/subject", "elsewhere"), ("elsewhere", "he/subject")])
def test_what_was_active_on_the_data_of_either_counts_for_what_is_made_of_both(
    names: tuple[str, str], tmp_path: Path
) -> None:
    with connect(f"ladybug:{tmp_path / 'atlas.lbug'}") as opened:
        opened.write([*small_circuits(), on_other_data(circuit("elsewhere", SUBJECT, SUBJECT_EDGES))])
        opened.write([combine(opened, "union", *names, name="both")])
        active = fetch_candidates(opened, "both")[0]["mlp", 0]
        alone = sharing_null(opened, "he/subject", "sva", edges=False, count=2)
        either = sharing_null(opened, "both", "sva", edges=False, count=2)
    assert active.feature.tolist() == [1, 5, 7, 8]
    assert active.frequency.tolist() == [1.0, 0.25, 0.5, 0.25]
    # Feature 7: 3.0 on a quarter of the one's examples, 1.0 on three quarters of the other's.
    assert active.activation.tolist() == [1.0, 2.0, 1.5, 4.0]
    assert [table.attrs["outside"][0] for table in (alone, either)] == [2, 1]  # mlp_0/8 was active for the other


def test_data_sets_put_together_are_as_if_they_were_one() -> None:
    """Against activations of each example, 20 of each data set, frequencies and means counted over all of them."""
    random = np.random.default_rng(0)
    sets = [np.where(random.random((20, 30)) < 0.2, random.exponential(size=(20, 30)), 0.0) for _ in range(3)]

    def counted(values: Floats) -> Active:
        on = np.flatnonzero((values > 0.0).any(axis=0))
        often = (values[:, on] > 0.0).mean(axis=0)
        return Active(on, often, values[:, on].sum(axis=0) / (values[:, on] > 0.0).sum(axis=0))

    found, wanted = united([counted(one) for one in sets]), counted(np.concatenate(sets))
    assert found.feature.tolist() == wanted.feature.tolist()
    assert found.frequency == pytest.approx(wanted.frequency)
    assert found.activation == pytest.approx(wanted.activation)


PAIR = ("he/subject", "he/object")


def made_of(store: Store) -> dict[str, int]:
    """Circuits made of others, with the number of their nodes."""
    found = set(store.query("comparable")["circuit"])
    table = store.query("circuits")
    return {name: n for name, n in zip(table["name"], table["n_nodes"], strict=True) if name not in found}


@pytest.mark.parametrize("engine", ENGINES)
def test_what_two_share_is_made_anew_when_they_are_others(
    request: pytest.FixtureRequest, tmp_path: Path, engine: str
) -> None:
    """The experiment at one size, at another, and at the first once more with a circuit that was found anew."""
    filled = Filled(request, tmp_path, small_circuits())
    opened = filled[engine]
    try:
        for thresholds, size in (((0.0, 0.0), 5), ((0.6, 0.6), 3)):
            made, old = derive(opened, PAIR, thresholds, size)
            assert old == []
            opened.replace(old, made)
        sizes = made_of(opened)
        assert {name: n for name, n in sizes.items() if name.endswith("(5)")} == {
            "he/subject ∩ he/object (5)": 3, "he/subject ∖ he/object (5)": 2,
            "he/object ∖ he/subject (5)": 1, "he/subject ∪ he/object (5)": 6,
        }  # fmt: skip
        assert sizes["he/subject ∩ he/object (3)"] == 1  # mlp_0/7 alone
        made, old = derive(opened, PAIR, (0.3, 0.2), 5)
        assert len(old) == 4
        with pytest.raises(StoreError, match="another circuit is already named"):
            opened.write(made)
        opened.replace(old, made)
        assert opened.check() == []
        assert made_of(opened)["he/subject ∖ he/object (5)"] == 1  # mlp_0/8 is below the threshold
        assert len(made_of(opened)) == 8
    finally:
        filled.close()


def test_a_name_of_another_kind_is_not_taken_and_nothing_is_half_written(tmp_path: Path) -> None:
    with connect(f"ladybug:{tmp_path / 'atlas.lbug'}") as opened:
        opened.write(small_circuits())
        opened.write([combine(opened, "difference", *PAIR, name="he/subject ∪ he/object (5)")])
        made, old = derive(opened, PAIR, (0.0, 0.0), 5)
        assert old == []
        with pytest.raises(StoreError, match="another circuit is already named 'he/subject ∪ he/object"):
            opened.replace(old, made)
        assert list(made_of(opened)) == ["he/subject ∪ he/object (5)"]
        with pytest.raises(UnknownCircuitError, match="no circuit with the id 'nothing'"):
            opened.replace(["nothing"], made[:1])
        assert len(made_of(opened)) == 1
