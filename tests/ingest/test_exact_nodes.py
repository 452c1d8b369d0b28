"""Exact effects of chosen nodes are those of one literal intervention at a time, and stand on the chosen ones alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from bench import literal
from circuit_atlas.cypher import connect
from circuit_atlas.ingest.batches import batches
from tests.ingest.tiny import D_SAE
from tests.ingest.tiny_runs import TinyRun, UnitKey, run_tiny

pytestmark = pytest.mark.slow


def measured(run: TinyRun) -> dict[UnitKey, float]:
    return {key: row["exact_effect"] for key, row in run.nodes().items() if row["exact_effect"] is not None}


def by_hand(run: TinyRun, node: UnitKey, first: int | None = None) -> float:
    """Move one node at all of its positions, an example at a time, and take the mean change of the metric."""
    site, unit, position = node
    found = []
    for example in run.examples[:first]:
        (batch,) = batches([example], 1)
        clean, patch = (literal.states(run.subject, batch, patch=end)[site] for end in (False, True))
        features, error = (t.clone() for t in clean)
        here = slice(None) if position is None else slice(position, position + 1)
        if unit < D_SAE:
            features[:, here, unit] = patch[0][:, here, unit]
        else:
            error[:, here] = patch[1][:, here]
        with torch.no_grad():
            after = literal.metric_with(run.subject, batch, site, (features, error))
            before = run.subject.metric(run.subject.model.run(batch.clean), batch)
        found.append(float(after - before))
    return sum(found) / len(found)


@pytest.mark.parametrize(
    "settings",
    [
        {"positions": "keep", "method": "atp", "lengths": (5, 5, 5, 5)},
        {"positions": "sum", "method": "ig", "lengths": (4, 6, 5, 5, 4)},
        {"positions": "keep", "method": "ig", "pairs": False, "lengths": (5, 5, 5)},
    ],
    ids=["kept", "summed", "zero"],
)
def test_measured_nodes_have_the_effect_of_moving_them_alone(tmp_path: Path, settings: dict[str, Any]) -> None:
    run = run_tiny(tmp_path, max_nodes=80, max_edges=0, exact_nodes=12, exact_node_sample=6, **settings)
    found = measured(run)
    assert len(found) == 18
    for node, effect in found.items():
        assert effect == pytest.approx(by_hand(run, node), abs=2e-5), node
    assert max(map(abs, found.values())) > 1e-2
    if settings.get("pairs", True):
        assert any(unit == D_SAE for _, unit, _ in found)


def test_the_strongest_are_measured_and_others_are_drawn(tmp_path: Path) -> None:
    run = run_tiny(tmp_path, method="atp", max_nodes=80, max_edges=0, exact_nodes=10, exact_node_sample=5)
    order = sorted(run.nodes(), key=lambda node: -abs(run.nodes()[node]["effect"]))
    found = measured(run)
    assert set(order[:10]) < found.keys()
    assert len(found.keys() - set(order[:10])) == 5
    again = run_tiny(tmp_path / "b", method="atp", max_nodes=80, max_edges=0, exact_node_sample=5, seed=7)
    assert len(measured(again)) == 5


def test_first_examples_alone(tmp_path: Path) -> None:
    run = run_tiny(tmp_path, method="atp", max_nodes=30, max_edges=0, exact_nodes=4, exact_examples=2)
    for node, effect in measured(run).items():
        assert effect == pytest.approx(by_hand(run, node, first=2), abs=2e-5)


def test_a_store_keeps_them(tmp_path: Path) -> None:
    run = run_tiny(tmp_path, method="atp", max_nodes=30, max_edges=0, exact_nodes=4)
    with connect(str(tmp_path / "atlas.lbug")) as store:
        store.write([run.circuit.rows])
        table = store.query("nodes", circuit=run.circuit.name)
    assert int(table["exact_effect"].notna().sum()) == 4
