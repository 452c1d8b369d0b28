"""Leaving each unit out: the metric of every example is that of a literal run, and minimality reads what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bench import literal
from circuit_atlas.analysis.hypotheses import minimality
from circuit_atlas.cypher import Store, connect
from circuit_atlas.errors import MeasureError
from circuit_atlas.ingest import MeasureSettings, measure_removals
from circuit_atlas.ingest.batches import batches
from circuit_atlas.ingest.dictionary_files import Suite
from circuit_atlas.ingest.examples import split_by_item
from circuit_atlas.ingest.preparation import Loaded
from circuit_atlas.ingest.sites import Site
from tests.ingest.tiny import D_SAE
from tests.ingest.tiny_runs import TinyRun, UnitKey, run_tiny, unit_key

pytestmark = pytest.mark.slow

LENGTH = 5


@pytest.fixture
def run(tmp_path: Path) -> TinyRun:
    return run_tiny(
        tmp_path,
        method="atp",
        lengths=(LENGTH,) * 8,
        max_nodes=40,
        max_edges=0,
        held_out_share=0.5,
        measure_thresholds=1,
        random_circuits=0,
        name="tiny",
    )


def removals(store: Store, run: TinyRun, **settings: Any) -> list[Any]:
    loaded = Loaded(run.subject.model, Suite("random", run.subject.dictionaries))
    asked = MeasureSettings("tiny", **settings)
    return measure_removals(store, asked, load_subject=lambda _: loaded).rows


def by_hand(run: TinyRun, kept: set[UnitKey]) -> list[float]:
    """Metric of every held-out example with only these units computing, the embedding for free."""
    held, train = _split(run)
    sites = [site for site in run.subject.dictionaries if site.component != "embed"]
    states = {site: _means(run, train, site) for site in sites}
    masks = {site: torch.zeros(LENGTH, D_SAE + 1, dtype=torch.bool) for site in sites}
    for site, unit, position in kept:
        masks[site][position, unit] = True
    return literal.ablated(run.subject, held, masks, states).tolist()


def _split(run: TinyRun) -> tuple[Any, Any]:
    """Held-out and training examples, as discovery splits them."""
    examples = [token.example for token in run.examples]
    train, held = split_by_item(examples, 0.5, 0)
    of = {token.example.where: token for token in run.examples}
    return tuple(batches([of[e.where] for e in some], 99)[0] for some in (held, train))  # type: ignore[return-value]


def _means(run: TinyRun, train: Any, site: Site) -> tuple[Tensor, Tensor]:
    ends = [literal.states(run.subject, train, patch=end)[site] for end in (False, True)]
    features, errors = (torch.cat([end[part] for end in ends]).mean(0) for part in (0, 1))
    return features, errors


def test_every_removal_is_a_literal_run(tmp_path: Path, run: TinyRun) -> None:
    nodes = {
        key: row
        for key, row in ((unit_key(row), row) for row in run.rows("CircuitNode") if row["kind"] != "target")
        if key[0].component != "embed"
    }
    threshold = sorted(abs(row["effect"]) for row in nodes.values())[-9]
    kept = {key for key, row in nodes.items() if abs(row["effect"]) > threshold}
    start = len(run.circuit.rows.circuit_id) + 1
    with connect(str(tmp_path / "atlas.lbug")) as store:
        store.write([run.circuit.rows])
        first, *rest = removals(store, run, thresholds=(threshold,))
        assert (first["kind"], first["n_nodes"]) == ("circuit", 8)
        assert first["circuit"] == pytest.approx(by_hand(run, kept), abs=1e-4)
        assert {row["removed"] for row in rest} == {nodes[key]["id"][start:] for key in kept}
        unit_of = {row["id"][start:]: key for key, row in nodes.items()}
        for row in rest:
            without = kept - {unit_of[row["removed"]]}
            assert row["n_nodes"] == 7
            assert row["circuit"] == pytest.approx(by_hand(run, without), abs=1e-4)
            assert len(row["items"]) == len(row["full"]) == 4
        table = minimality(store, "tiny")
        assert sorted(table["removed"]) == sorted(row["removed"] for row in rest)
        measured = {row["removed"]: sum(row["circuit"]) / 4 for row in rest}
        sign = 1 if first["m_full"] > first["m_empty"] else -1
        for row in table.to_dict("records"):
            assert row["hurt"] == pytest.approx(sign * (sum(first["circuit"]) / 4 - measured[row["removed"]]))
        again = removals(store, run, thresholds=(threshold,))
        assert [row["id"] for row in again] == [row["id"] for row in (first, *rest)]
        assert len(minimality(store, "tiny")) == 8
        assert store.check() == []


def test_errors_that_are_all_kept_are_not_left_out(tmp_path: Path, run: TinyRun) -> None:
    with connect(str(tmp_path / "atlas.lbug")) as store:
        store.write([run.circuit.rows])
        for errors in ("keep", "remove"):
            rows = removals(store, run, thresholds=(0.0,), errors=(errors,))
            assert not any("error" in row["removed"] for row in rows[1:])
        usual = removals(store, run)
        assert len(usual) == usual[0]["n_nodes"] + 1 == 21  # a quarter of the units active on an example
        default = removals(store, run, thresholds=(0.0,), level="sum")
        assert any("error" in row["removed"] for row in default[1:])
        assert all(row["removed"].endswith("/*") for row in default[1:])


@pytest.mark.parametrize(
    ("thresholds", "said"),
    [((0.1, 0.2), "at one threshold, but 2 are given"), ((1e9,), "no node of 'tiny' has an absolute effect above")],
)
def test_what_cannot_be_measured_is_said(
    tmp_path: Path, run: TinyRun, thresholds: tuple[float, ...], said: str
) -> None:
    with connect(str(tmp_path / "atlas.lbug")) as store:
        store.write([run.circuit.rows])
        with pytest.raises(MeasureError, match=said):
            removals(store, run, thresholds=thresholds)


def test_a_start_layer_behind_every_node_is_refused(tmp_path: Path) -> None:
    options: dict[str, Any] = {"held_out_share": 0.5, "measure_thresholds": 1, "random_circuits": 0}
    run = run_tiny(tmp_path, method="atp", lengths=(LENGTH,) * 8, max_nodes=1, max_edges=0, name="tiny", **options)
    assert [site.layer for site, *_ in run.nodes()] == [0]
    with connect(f"ladybug:{tmp_path / 'atlas.lbug'}") as store:
        store.write([run.circuit.rows])
        with pytest.raises(MeasureError, match="no node of 'tiny' stands where units are ablated: choose another"):
            removals(store, run, start_layers=(1,))
