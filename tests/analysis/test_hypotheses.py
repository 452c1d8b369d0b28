"""Tests of a circuit: figures worked out by hand, p-values of scipy's own paired tests, and rates on planted cases."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from circuit_atlas.analysis import false_discovery
from circuit_atlas.analysis.hypotheses import equivalence, independence, minimality
from circuit_atlas.cypher import CircuitRows, Store, connect
from circuit_atlas.errors import QueryError, UnknownCircuitError
from tests.graphs import SVA, SVA_EDGES, circuit, small_circuits
from tests.store_fixtures import ENGINES, Filled

pytestmark = pytest.mark.slow

FULL = [3.0, 4.0, 5.0, 6.0]
EMPTY = [0.0, 1.0, 0.0, 1.0]
KEPT = [2.9, 4.2, 4.8, 6.3]
COMPLEMENT = [0.5, 1.25, 0.25, 1.5]
WITHOUT = {"embed/feature/5/1": [1.0, 2.0, 3.5, 4.0], "mlp_0/error/4": [3.1, 4.1, 4.9, 6.3]}


ROUNDED = {"embed/feature/5/1": [one - 1e-7 for one in KEPT]}
"""A unit whose removal shifts every example by what float32 rounds."""


def made(
    name: str,
    lists: Mapping[str, Sequence[float] | None],
    removals: Mapping[str, Sequence[float]] | None = None,
    items: Sequence[int] | None = None,
    **more: Any,
) -> CircuitRows:
    """A circuit with one measurement of these lists, and removals beside it."""
    rows = circuit(name, SVA, SVA_EDGES)
    (first,) = rows.nodes["Measurement"]
    whole = {**first, **lists, "items": items, **more}
    others = [
        {**whole, "id": f"{first['id']}{n}", "kind": "removal", "removed": unit, "circuit": list(kept)}
        for n, (unit, kept) in enumerate((removals or {}).items())
    ]
    measured = [whole, *({**one, "complement": None} for one in others)]
    ends = {pair: rows.relationships[pair][0]["to"] for pair in rows.relationships if pair.source == "Measurement"}
    links = {pair: [{"from": one["id"], "to": to} for one in measured] for pair, to in ends.items()}
    return dataclasses.replace(
        rows, nodes={**rows.nodes, "Measurement": measured}, relationships={**rows.relationships, **links}
    )


LISTS = {"full": FULL, "empty": EMPTY, "circuit": KEPT, "complement": COMPLEMENT}


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """The circuits on each engine."""
    rows = [
        made("four", LISTS, WITHOUT),
        made("paired", LISTS, WITHOUT, items=[3, 3, 8, 8]),
        made("downwards", {name: [-one for one in some] for name, some in LISTS.items()}),
        made("unlisted", dict.fromkeys(LISTS)),
        made("rounded", {**LISTS, "complement": [one + 1e-7 for one in EMPTY]}, ROUNDED),
        *small_circuits(),
    ]
    filled = Filled(request, tmp_path_factory.mktemp("hypotheses"), rows)
    yield filled
    filled.close()


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, stores: Mapping[str, Store]) -> Store:
    """The store of each engine."""
    return stores[request.param]


def p_of(values: Sequence[float], alternative: str) -> float:
    return float(stats.ttest_1samp(values, 0.0, alternative=alternative).pvalue)


def test_equivalence_within_a_share_of_the_span(store: Store) -> None:
    (row,) = equivalence(store, "four", margin_share=0.1).to_dict("records")
    # Differences -0.1, 0.2, -0.2, 0.3: mean 0.05; spans 3, 3, 5, 5: mean 4, margin 0.4.
    assert (row["circuit"], row["task"], row["n_items"], row["n_nodes"]) == ("four", "four", 4, 3)
    assert row["difference"] == pytest.approx(0.05)
    assert row["margin"] == pytest.approx(0.4)
    above = p_of([-0.1 + 0.3, 0.2 + 0.3, -0.2 + 0.5, 0.3 + 0.5], "greater")
    below = p_of([-0.1 - 0.3, 0.2 - 0.3, -0.2 - 0.5, 0.3 - 0.5], "less")
    assert row["p_value"] == row["q_value"] == pytest.approx(max(above, below))
    bounds = stats.ttest_1samp([-0.1, 0.2, -0.2, 0.3], 0.0).confidence_interval(0.9)
    assert (row["low"], row["high"]) == pytest.approx((bounds.low, bounds.high))
    assert row["equivalent"] == (max(above, below) <= 0.05)
    (upside_down,) = equivalence(store, "downwards", margin_share=0.1).to_dict("records")
    assert upside_down["p_value"] == pytest.approx(row["p_value"])
    assert upside_down["margin"] == pytest.approx(0.4)


def test_equivalence_within_units_of_the_metric(store: Store) -> None:
    (row,) = equivalence(store, "four", margin=0.5, alpha=0.1).to_dict("records")
    assert row["p_value"] == pytest.approx(p_of([-0.6, -0.3, -0.7, -0.2], "less"))
    assert row["equivalent"]
    (narrow,) = equivalence(store, "four", margin=0.06).to_dict("records")
    assert not narrow["equivalent"]


def test_examples_of_one_item_count_as_one(store: Store) -> None:
    (row,) = equivalence(store, "paired", margin=0.5).to_dict("records")
    assert row["n_items"] == 2
    # As many examples an item: the same as testing the items' means, 0.05 and 0.05.
    assert (row["low"], row["high"]) == pytest.approx((0.05, 0.05))
    (rest,) = independence(store, "paired").to_dict("records")
    assert rest["p_value"] == pytest.approx(p_of([0.375, 0.375 + 1e-12], "two-sided"), abs=1e-6)


def test_the_rest_is_held_against_the_empty_circuit(store: Store) -> None:
    (row,) = independence(store, "four").to_dict("records")
    gaps = [0.5, 0.25, 0.25, 0.5]
    assert row["difference"] == pytest.approx(0.375)
    assert row["share"] == pytest.approx(0.375 / 4)
    assert row["p_value"] == pytest.approx(p_of(gaps, "two-sided"))
    bounds = stats.ttest_1samp(gaps, 0.0).confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx((bounds.low, bounds.high))
    assert row["carries"]


def test_each_unit_left_out(store: Store) -> None:
    table = minimality(store, "four")
    assert table["removed"].tolist() == list(WITHOUT)
    ps = [p_of([k - w for k, w in zip(KEPT, without, strict=True)], "greater") for without in WITHOUT.values()]
    assert table["p_value"].tolist() == pytest.approx(ps)
    assert table["q_value"].tolist() == pytest.approx([2 * ps[0], ps[1]])
    assert table["hurt"].tolist() == pytest.approx([(1.9 + 2.2 + 1.3 + 2.3) / 4, (-0.2 + 0.1 - 0.1) / 4])
    assert table["hurt_share"].tolist() == pytest.approx([1.925 / 4, -0.05 / 4])
    assert table["needed"].tolist() == [True, False]
    assert table.attrs["query"] == "measurement_items"
    assert store.query("measurements", circuit="four")["kind"].tolist() == ["circuit"]  # removals are not listed


def test_several_circuits_are_adjusted_together(store: Store) -> None:
    together = independence(store, ["four", "paired", "downwards"])
    alone = [float(independence(store, name)["p_value"].iloc[0]) for name in ("four", "paired", "downwards")]
    assert together["p_value"].tolist() == pytest.approx(alone)
    assert together["q_value"].tolist() == pytest.approx(false_discovery(alone))


@pytest.mark.slow
def test_both_engines_give_the_same_tables(stores: Mapping[str, Store]) -> None:
    for ask in (equivalence, independence, minimality):
        one, other = (ask(stores[engine], ["four", "paired"]) for engine in ("ladybug", "neo4j"))
        pd.testing.assert_frame_equal(one, other)
        assert one.attrs == other.attrs


def test_benjamini_hochberg_by_hand() -> None:
    # The fifteen p-values of the paper's own example (Benjamini and Hochberg 1995, section 3.2): four at 5 %.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    p += [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    q = false_discovery(p)
    assert sum(one <= 0.05 for one in q) == 4
    assert q[3] == pytest.approx(0.0095 * 15 / 4)
    assert q[6] == pytest.approx(min(0.0298 * 15 / 7, 0.0344 * 15 / 8))
    assert q == pytest.approx(stats.false_discovery_control(p))
    assert false_discovery(p, any_dependence=True) == pytest.approx(stats.false_discovery_control(p, method="by"))
    mixed = false_discovery([0.5, math.nan, 0.01])
    assert [mixed[0], mixed[2]] == pytest.approx([0.5, 0.02])
    assert math.isnan(mixed[1])
    assert len(false_discovery([])) == 0


@pytest.mark.slow
def test_rates_on_planted_circuits(tmp_path: Path) -> None:
    """Of circuits at the very edge of the margin one in twenty is called equivalent; of circuits within, nearly all."""
    random = np.random.default_rng(5)
    circuits = []
    for number in range(300):
        full, empty = random.normal(4.0, 1.0, 40), random.normal(0.0, 1.0, 40)
        off = 0.1 * (full - empty).mean() if number % 2 else 0.0
        kept = full - 0.1 * (full - empty) if number % 2 else full - off
        kept = kept + random.normal(0.0, 0.4, 40)
        lists = {"full": full.tolist(), "empty": empty.tolist(), "circuit": kept.tolist(), "complement": None}
        circuits.append(made(f"c{number:03}", lists))
    with connect(str(tmp_path / "planted.lbug")) as place:
        place.write(circuits, one_transaction=True)
        ps = [float(equivalence(place, f"c{number:03}")["p_value"].iloc[0]) for number in range(300)]
    assert 0.015 < np.mean([p <= 0.05 for p in ps[1::2]]) < 0.10
    assert np.mean([p <= 0.05 for p in ps[::2]]) > 0.95


@pytest.mark.slow
def test_false_discoveries_on_planted_units(tmp_path: Path) -> None:
    """Of units called needed, few are not: 5 of 25 units of each circuit hurt, by two standard deviations."""
    random = np.random.default_rng(9)
    circuits = []
    for number in range(60):
        noise = {f"mlp_0/feature/{unit}/4": random.normal(0.0, 0.5, 20) for unit in range(25)}
        kept = random.normal(4.0, 1.0, 20)
        lists = {"full": (kept + 0.5).tolist(), "empty": [0.0] * 20, "circuit": kept.tolist(), "complement": None}
        removals = {unit: (kept + off - (place < 5)).tolist() for place, (unit, off) in enumerate(noise.items())}
        circuits.append(made(f"c{number:02}", lists, removals))
    with connect(str(tmp_path / "planted.lbug")) as place:
        place.write(circuits, one_transaction=True)
        tables = [minimality(place, f"c{number:02}") for number in range(60)]
    real = {f"mlp_0/feature/{unit}/4" for unit in range(5)}
    called = [set(table.loc[table["needed"], "removed"]) for table in tables]
    assert np.mean([len(some - real) / max(1, len(some)) for some in called]) < 0.07
    assert np.mean([len(some & real) / 5 for some in called]) > 0.99
    # Without adjusting, one in twenty of the others would be called too.
    bare = [(table.loc[~table["removed"].isin(real), "p_value"] <= 0.05).mean() for table in tables]
    assert 0.03 < np.mean(bare) < 0.07


@pytest.mark.parametrize(
    ("ask", "name", "options", "said"),
    [
        (minimality, "sva", {}, "'sva' has no removals: make them with circuit-atlas hypotheses --leave-out"),
        (equivalence, "unlisted", {}, "no measurements with the metric of every example"),
        (equivalence, "four", {"margin": 0.0}, "margin must be a finite number above 0"),
        (equivalence, "four", {"margin_share": -0.1}, "margin must be a finite number above 0"),
        (independence, "four", {"alpha": 0.6}, "below 0.5"),
        (independence, [], {}, "at least one circuit"),
    ],
)
def test_what_cannot_be_tested_is_said(
    ask: Any, name: Any, options: dict[str, Any], said: str, stores: Mapping[str, Store]
) -> None:
    with pytest.raises(QueryError, match=said):
        ask(stores["ladybug"], name, **options)


def test_an_unknown_circuit_and_a_wrong_p_value(stores: Mapping[str, Store]) -> None:
    with pytest.raises(UnknownCircuitError, match="did you mean 'four'"):
        equivalence(stores["ladybug"], "fuor")
    with pytest.raises(QueryError, match="below 0 or above 1"):
        false_discovery([0.5, 1.5])


def test_one_item_cannot_be_tested(tmp_path: Path) -> None:
    with connect(str(tmp_path / "one.lbug")) as place:
        place.write([made("one", LISTS, items=[1, 1, 1, 1])])
        (row,) = equivalence(place, "one").to_dict("records")
    assert math.isnan(row["p_value"])
    assert math.isnan(row["q_value"])
    assert not row["equivalent"]


def test_rounding_is_no_effect_however_often_it_is_the_same(store: Store) -> None:
    (unit,) = minimality(store, "rounded").to_dict("records")
    assert (unit["hurt"], unit["p_value"], unit["needed"]) == (0.0, 1.0, False)
    (rest,) = independence(store, "rounded").to_dict("records")
    assert (rest["difference"], rest["p_value"], rest["carries"]) == (0.0, 1.0, False)
