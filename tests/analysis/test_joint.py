"""What ablating a circuit's units together does, worked out by hand; the same on both engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import pytest

from circuit_atlas.analysis.joint import joint_ablation
from circuit_atlas.cypher import Store
from circuit_atlas.errors import QueryError
from tests.graphs import SUBJECT, SUBJECT_EDGES, circuit, with_measurements
from tests.store_fixtures import ENGINES, Filled

PATCHED: dict[str, Any] = {
    "full": [-2.0, -4.0], "empty": [3.0, 3.0], "circuit": [2.0, 2.0], "complement": [0.0, 1.0], "items": [0, 1],
    "ablation": "patch", "means_over": "none", "node_threshold": 0.3, "n_nodes": 3, "level": "keep",
    "data_digest": "d",
}  # fmt: skip
RANDOM = [[-1.5, -3.5], [-2.0, -1.0], [-2.0, -4.0]]
MEASURED = [
    PATCHED,
    *({**PATCHED, "kind": "random", "seed": n, "complement": rest} for n, rest in enumerate(RANDOM)),
    {**PATCHED, "kind": "random", "seed": 7, "complement": None},
    {**PATCHED, "kind": "random", "seed": 8, "node_threshold": 0.8, "complement": [9.0, 9.0]},
    {
        **PATCHED,
        "ablation": "mean",
        "means_over": "clean+patch",
        "start_layer": 1,
        "n_nodes": 2,
        "complement": [-2.0, -3.0],
    },
    {**PATCHED, "errors": "remove"},
    {**PATCHED, "level": "sum"},
    {**PATCHED, "node_threshold": 0.1, "complement": None},
]


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Store]]:
    made = [
        with_measurements(circuit(name, SUBJECT, SUBJECT_EDGES), some)
        for name, some in (("joint", MEASURED), ("alone", MEASURED[-1:]))
    ]
    filled = Filled(request, tmp_path_factory.mktemp("joint"), made)
    yield filled
    filled.close()


def test_rows_of_other_data_name_them(stores: Mapping[str, Store]) -> None:
    found = joint_ablation(stores["ladybug"], "joint", resamples=10)
    assert (found.sets["data_digest"] == "d").all()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_change_stands_beside_random_ones_and_the_strongest_cut(engine: str, stores: Mapping[str, Store]) -> None:
    found = joint_ablation(stores[engine], "joint", resamples=500)
    mean, patch = found.sets.to_dict("records")
    assert (patch["ablation"], patch["n_nodes"], patch["change"], patch["whole"]) == ("patch", 3, 3.5, 6.0)
    assert patch["share"] == pytest.approx(3.5 / 6.0)
    # Two items: a resample has the one twice, the other twice, or both.
    assert (patch["low"], patch["high"]) == (2.0, 5.0)
    assert (patch["n_random"], patch["random_change"], patch["random_most"]) == (3, 0.5, 1.5)
    assert (patch["cut"], patch["cut_effect"]) == ("resid_1", 2.75)
    assert (mean["ablation"], mean["start_layer"], mean["change"], mean["n_random"]) == ("mean", 1, 0.5, 0)
    assert pd.isna(mean["random_change"])


@pytest.mark.parametrize("engine", ENGINES)
def test_effects_are_summed_site_by_site(engine: str, stores: Mapping[str, Store]) -> None:
    sites = joint_ablation(stores[engine], "joint", resamples=10).sites
    columns = ["ablation", "site", "is_cut", "n_site", "effect", "absolute_effect"]
    assert [tuple(row) for row in sites[columns].itertuples(index=False)] == [
        ("mean", "resid_1", True, 2, 2.75, 2.75),
        ("patch", "mlp_0", False, 1, -1.0, 1.0),
        ("patch", "resid_1", True, 2, 2.75, 2.75),
    ]
    assert sites["ratio"].tolist() == pytest.approx([0.5 / 2.75, -3.5, 3.5 / 2.75])
    patched = sites[sites["ablation"] == "patch"]
    assert patched["n_site"].sum() == patched["n_nodes"].iloc[0]


def test_a_circuit_whose_complement_was_not_run_is_refused(stores: Mapping[str, Store]) -> None:
    with pytest.raises(QueryError, match="measure alone --ablation patch --ablate-random") as caught:
        joint_ablation(stores["ladybug"], "alone")
    assert "\n" not in str(caught.value)
    with pytest.raises(QueryError, match="resamples is 0"):
        joint_ablation(stores["ladybug"], "joint", resamples=0)


@pytest.mark.slow
def test_both_engines_give_the_same_rows(stores: Mapping[str, Store]) -> None:
    one, other = (joint_ablation(store, "joint") for store in stores.values())
    pd.testing.assert_frame_equal(one.sets, other.sets)
    pd.testing.assert_frame_equal(one.sites, other.sites)
    assert one.sets.attrs == other.sets.attrs
