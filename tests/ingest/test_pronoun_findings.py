"""What docs/findings.md says of the pronoun circuits of stories260K holds; `pytest -s` prints its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest

from bench.pronouns import OTHER, A, B, make, show, tables
from circuit_atlas.analysis.joint import joint_ablation
from circuit_atlas.cypher import Store, connect
from tests.fixtures_folder import needs_fixtures

pytestmark = [pytest.mark.slow, needs_fixtures("models/stories260K", "models/stories260K-saes")]

BOTH, ONLY_A, ONLY_B = f"{A} ∩ {B}", f"{A} ∖ {B}", f"{B} ∖ {A}"


@dataclass(frozen=True)
class Found:
    """The store, and the tables of it."""

    store: Store
    tables: Mapping[str, pd.DataFrame]

    def rows(self, title: str, by: str) -> dict[Any, dict[str, Any]]:
        """Rows of a table by one of its columns."""
        rows = self.tables[title].to_dict("records")
        return {row[by]: {str(name): value for name, value in row.items()} for row in rows}

    def left(self, circuit: str, task: str, which: str) -> float:
        """What is left of a task with one circuit `kept` alone, or `ablated` alone."""
        table = self.tables["the experiment"]
        (value,) = table.loc[(table["circuit"] == circuit) & (table["task"] == task), which]
        return float(value)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Found]:
    folder = tmp_path_factory.mktemp("pronouns")
    with connect(f"ladybug:{folder / 'atlas.lbug'}") as store:
        make(store, folder)
        made = tables(store)
        show(made)
        yield Found(store, made)


def test_they_share_more_features_and_edges_than_their_activity_makes_them_share(found: Found) -> None:
    features = found.rows("features and errors of the two", "kind")["feature"]
    assert features["jaccard"] == pytest.approx(0.30, abs=0.03)
    assert features["weighted_jaccard"] == pytest.approx(0.34, abs=0.03)
    null = found.tables["what activity alone would make them share"]
    assert (null["z"] > 8.0).all()
    assert (null["p_value"] < 0.001).all()
    strongest = found.rows("their strongest features", "size")[100]
    assert strongest["n_shared"] > 2 * strongest["expected"]
    assert strongest["n_same_sign"] == strongest["n_shared"]


def test_errors_carry_much_of_the_one_and_of_the_other_it_cannot_be_said(found: Found) -> None:
    def at_400(name: str) -> dict[str, dict[str, Any]]:
        table = found.tables[f"{name}, with its errors and without any"]
        return {row["errors"]: row for row in table[table["n_nodes"] > 300].to_dict("records")}  # type: ignore[misc]

    subject, possessive = at_400(A), at_400(B)
    assert subject["default"]["faithfulness"] > 0.8
    assert subject["remove"]["high"] < subject["default"]["low"]
    assert subject["default"]["random_95"] < 0.2  # the same errors with other features carry next to nothing
    assert possessive["remove"]["low"] < possessive["default"]["faithfulness"] < possessive["remove"]["high"]


def test_what_they_share_is_needed_by_both_and_enough_for_neither(found: Found) -> None:
    for task in (A, B):
        assert found.left(BOTH, task, "kept") < 0.2
        assert found.left(BOTH, task, "ablated") < 0.4
        assert found.left(BOTH, task, "ablated") < found.left(BOTH, task, "ablated_random") - 0.1
        assert found.left(BOTH, task, "random_leaves_more") == 1.0
    assert found.left(BOTH, OTHER, "ablated") > 0.85
    assert found.left(BOTH, OTHER, "random_leaves_more") == 0.0


def test_each_needs_what_it_has_alone_and_the_other_does_not(found: Found) -> None:
    for own, task, other in ((ONLY_A, A, B), (ONLY_B, B, A)):
        assert found.left(own, task, "ablated") < 0.2
        assert found.left(own, other, "ablated") > 0.8
        assert found.left(own, OTHER, "ablated") > 0.85
        assert found.left(own, task, "kept") < 0.1


def test_a_circuit_patched_at_once_does_what_the_model_patched_does(found: Found) -> None:
    for name in (A, B):
        for row in found.tables[f"{name}, its units patched together"].to_dict("records"):
            assert 0.95 < row["share"] < 1.15
            assert row["change"] == pytest.approx(row["cut_effect"], rel=0.2)
        sites = joint_ablation(found.store, name).sites
        together = sites[(sites["ablation"] == "patch") & (sites["n_nodes"] > 300)]
        # Added up over all layers effects would promise several times what patching all of them does.
        assert together["effect"].sum() > 3 * together["change"].iloc[0]
        assert together["n_site"].sum() == together["n_nodes"].iloc[0]
