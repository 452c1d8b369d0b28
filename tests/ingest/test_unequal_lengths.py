"""Templates of unequal length, positions summed: nothing is padded, so a mix is the mean of each example alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from circuit_atlas.cypher.rows import Pair
from circuit_atlas.ingest import DiscoveredCircuit, DiscoverSettings, discover
from circuit_atlas.ingest.dictionary_files import Suite
from circuit_atlas.ingest.preparation import Loaded
from tests.ingest.tiny import make_subject
from tests.ingest.tiny_runs import write_examples

LENGTHS = (3, 5, 4, 5)


def _found(loaded: Loaded, examples: Path) -> DiscoveredCircuit:
    settings = DiscoverSettings(
        model="m",
        dictionaries="d",
        examples=str(examples),
        positions="sum",
        held_out_share=0.0,
        measure_thresholds=0,
        max_nodes=100_000,
        max_edges=1_000_000,
        node_floor=1e-12,
        edge_floor=1e-12,
    )
    return discover(settings, loaded=loaded)


def _effects(circuit: DiscoveredCircuit) -> dict[str, float]:
    start = len(circuit.rows.circuit_id)
    return {row["id"][start:]: row["effect"] for row in circuit.rows.nodes["CircuitNode"]}


def _weights(circuit: DiscoveredCircuit) -> dict[tuple[str, str], float]:
    start = len(circuit.rows.circuit_id)
    rows = circuit.rows.relationships[Pair("EDGE", "CircuitNode", "CircuitNode")]
    return {(row["from"][start:], row["to"][start:]): row["weight"] for row in rows}


def _mean(parts: list[dict[Any, float]]) -> dict[Any, float]:
    return {key: sum(part.get(key, 0.0) for part in parts) / len(parts) for key in set().union(*parts)}


def test_a_mix_of_lengths_is_the_mean_of_each_example_alone(tmp_path: Path) -> None:
    subject = make_subject(tmp_path / "model", "llama", "topk", "none")
    loaded = Loaded(subject.model, Suite("made here", dict(sorted(subject.dictionaries.items()))))
    examples = write_examples(tmp_path / "all.jsonl", pairs=True, lengths=LENGTHS)
    together = _found(loaded, examples)
    alone = []
    for number, line in enumerate(examples.read_text().splitlines()):
        one = tmp_path / f"{number}.jsonl"
        one.write_text(line)
        alone.append(_found(loaded, one))
    effects, weights = _mean([_effects(c) for c in alone]), _mean([_weights(c) for c in alone])
    assert len(effects) > 100
    ours = _effects(together)
    for unit, effect in effects.items():
        assert ours.get(unit, 0.0) == pytest.approx(effect, abs=1e-5)
    found = _weights(together)
    strong = {ends: weight for ends, weight in weights.items() if abs(weight) > 1e-4}
    assert len(strong) > 1_000
    for ends, weight in strong.items():
        assert found.get(ends, 0.0) == pytest.approx(weight, abs=1e-5), ends
