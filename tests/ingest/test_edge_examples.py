"""Weights of edges on every example, where they are asked for: their mean is the weight, and a store keeps them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from circuit_atlas.cypher import connect
from circuit_atlas.ingest import DiscoverSettings, discover
from circuit_atlas.ingest.dictionary_files import Suite
from circuit_atlas.ingest.preparation import Loaded
from tests.ingest.tiny import make_subject
from tests.ingest.tiny_runs import EDGE, write_examples

pytestmark = pytest.mark.slow


def _find(folder: Path, **settings: Any) -> Any:
    subject = make_subject(folder / "model", "neox", "topk", "none")
    loaded = Loaded(subject.model, Suite("made here", dict(sorted(subject.dictionaries.items()))))
    examples = write_examples(folder / "e.jsonl", pairs=True, lengths=(4, 4, 4, 4))
    common: dict[str, Any] = {"held_out_share": 0.0, "measure_thresholds": 0, "max_edges": 200, "batch_size": 3}
    store = settings.pop("store", None)
    wanted = DiscoverSettings(model="m", dictionaries="d", **{"examples": str(examples), **common, **settings})
    return discover(wanted, loaded=loaded, store=store)


@pytest.mark.parametrize("selection", ["mean", "per-example"])
def test_the_mean_over_examples_is_the_weight(tmp_path: Path, selection: str) -> None:
    found = _find(tmp_path, edge_values="examples", selection=selection)
    rows = found.rows.relationships[EDGE]
    assert len(rows) == 200
    for row in rows:
        assert len(row["weights"]) == 4
        assert sum(row["weights"]) / 4 == pytest.approx(row["weight"], abs=1e-6)
    assert any(max(row["weights"]) - min(row["weights"]) > 1e-3 for row in rows)


@pytest.mark.parametrize("positions", ["sum", "role"])
def test_standard_errors_of_an_item_whose_examples_differ_in_length(tmp_path: Path, positions: str) -> None:
    """Items {1, 2}, {3, 4}, each a prompt of 4 tokens and one of 6, which run in different batches."""
    examples = tmp_path / "roles.jsonl"
    written = write_examples(examples, pairs=True, lengths=(4, 6, 4, 6)).read_text().splitlines()
    roles = [["start", *["word"] * (length - 2), "last"] for length in (4, 6, 4, 6)]
    lines = [json.loads(line) | {"roles": role} for line, role in zip(written, roles, strict=True)]
    examples.write_text("\n".join(map(json.dumps, lines)))
    rows = _find(tmp_path, examples=str(examples), edge_values="examples", positions=positions).rows
    for edge in rows.relationships[EDGE]:
        first, second = ((edge["weights"][i] + edge["weights"][i + 1] - 2 * edge["weight"]) for i in (0, 2))
        # Two items: sqrt(2 / 1 · Σ residual²) / 4 examples.
        assert edge["weight_se"] == pytest.approx((2 * (first**2 + second**2)) ** 0.5 / 4, rel=1e-3, abs=1e-6)


def test_each_example_alone_has_its_own_weight(tmp_path: Path) -> None:
    found = _find(tmp_path / "all", edge_values="examples", edge_floor=1e-3, node_floor=1e-3, max_edges=100_000)
    lines = (tmp_path / "all" / "e.jsonl").read_text().splitlines()
    (tmp_path / "all" / "one.jsonl").write_text(lines[2])
    subject = make_subject(tmp_path / "again", "neox", "topk", "none")
    loaded = Loaded(subject.model, Suite("made here", dict(sorted(subject.dictionaries.items()))))
    alone = discover(
        DiscoverSettings(
            model="m",
            dictionaries="d",
            examples=str(tmp_path / "all" / "one.jsonl"),
            held_out_share=0.0,
            measure_thresholds=0,
            node_floor=1e-9,
            edge_floor=1e-9,
        ),
        loaded=loaded,
    )
    start, other = len(found.rows.circuit_id), len(alone.rows.circuit_id)
    single = {(r["from"][other:], r["to"][other:]): r["weight"] for r in alone.rows.relationships[EDGE]}
    strong = [r for r in found.rows.relationships[EDGE] if abs(r["weights"][2]) > 1e-2]
    assert len(strong) > 20
    for row in strong:
        assert row["weights"][2] == pytest.approx(single[row["from"][start:], row["to"][start:]], abs=1e-5)


def test_a_store_keeps_them_and_does_without(tmp_path: Path) -> None:
    text = "MATCH ()-[e:EDGE]->() RETURN e.weight AS weight, e.weights AS weights"
    for number, values in enumerate(("examples", "mean")):
        with connect(str(tmp_path / f"{number}.lbug")) as store:
            _find(tmp_path / str(number), edge_values=values, store=store)
            rows = store.rows(text, {})
        assert len(rows) == 200
        for row in rows:
            if values == "mean":
                assert row["weights"] is None
            else:
                assert sum(row["weights"]) / 4 == pytest.approx(row["weight"], abs=1e-6)
