"""Nodes aligned by role: templates of unequal length share a node for each role, as summing by hand shares it."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from circuit_atlas.cypher import connect
from circuit_atlas.errors import DataError, MeasureError
from circuit_atlas.ingest import (
    DiscoveredCircuit,
    DiscoverSettings,
    MeasureSettings,
    discover,
    measure,
    measure_removals,
)
from circuit_atlas.ingest.dictionary_files import Suite
from circuit_atlas.ingest.preparation import Loaded
from tests.ingest.noted import Noted
from tests.ingest.tiny import make_subject
from tests.ingest.tiny_runs import EDGE, write_examples

pytestmark = pytest.mark.slow

ROLES = (("start", "noun", "verb"), ("start", "noun", "noun", "of", "verb"), ("start", "of", "noun", "verb"))
Unit = tuple[str, int | None, str, str | None]
"""Component, layer, kind with index, and role."""


def _examples(folder: Path) -> Path:
    file = write_examples(folder / "e.jsonl", pairs=True, lengths=tuple(map(len, ROLES)))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    rows = [{**line, "roles": list(roles)} for line, roles in zip(lines, ROLES, strict=True)]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def _loaded(folder: Path) -> Loaded:
    subject = make_subject(folder / "model", "llama", "topk", "none")
    return Loaded(subject.model, Suite("made here", dict(sorted(subject.dictionaries.items()))))


def _find(loaded: Loaded, examples: Path, positions: str, **settings: Any) -> DiscoveredCircuit:
    store = settings.pop("store", None)
    common: dict[str, Any] = {
        "held_out_share": 0.0,
        "measure_thresholds": 0,
        "max_nodes": 100_000,
        "max_edges": 1_000_000,
        "node_floor": 1e-12,
        "edge_floor": 1e-12,
    }
    wanted = {**common, **settings, "positions": positions}
    return discover(
        DiscoverSettings(model="m", dictionaries="d", examples=str(examples), **wanted), loaded=loaded, store=store
    )


def _unit(row: Any, role: str | None) -> Unit:
    return row["component"], row["layer"], f"{row['kind']} {row['feature_index']}", role


def _by_role(circuit: DiscoveredCircuit, roles: tuple[str, ...] | None, of: str) -> tuple[dict[Any, float], ...]:
    """Effects by unit and role, and edges (a property of them) by both ends; positions become roles where given."""
    rows = [{"feature_index": None, "position": None, **row} for row in circuit.rows.nodes["CircuitNode"]]
    units = {}
    for row in rows:
        role = row.get("role") if roles is None else None if row["position"] is None else roles[row["position"]]
        units[row["id"]] = _unit(row, role)
    effects: dict[Any, float] = defaultdict(float)
    for row in rows:
        effects[units[row["id"]]] += row["effect"]
    edges: dict[Any, float] = defaultdict(float)
    for edge in circuit.rows.relationships[EDGE]:
        edges[units[edge["from"]], units[edge["to"]]] += edge[of]
    return effects, edges


def _alone(loaded: Loaded, examples: Path, **settings: Any) -> list[tuple[dict[Any, float], ...]]:
    """Each example alone with positions kept, summed by role by hand."""
    found = []
    for number, line in enumerate(examples.read_text().splitlines()):
        one = examples.with_name(f"{number}.jsonl")
        one.write_text(line)
        found.append(_by_role(_find(loaded, one, "keep", **settings), ROLES[number], "weight"))
    return found


def _mean(parts: list[dict[Any, float]]) -> dict[Any, float]:
    return {key: sum(part.get(key, 0.0) for part in parts) / len(parts) for key in set().union(*parts)}


@pytest.mark.parametrize("method", ["ig", "exact"])
def test_effects_and_edges_are_those_of_each_example_summed_by_role(tmp_path: Path, method: str) -> None:
    loaded, examples = _loaded(tmp_path), _examples(tmp_path)
    effects, edges = _by_role(_find(loaded, examples, "role", method=method), None, "weight")
    alone = _alone(loaded, examples, method=method)
    expected_effects, expected_edges = (_mean([part[i] for part in alone]) for i in range(2))
    assert {unit[3] for unit in effects} == {"start", "noun", "of", "verb", None}
    for unit, effect in expected_effects.items():
        assert effects.get(unit, 0.0) == pytest.approx(effect, abs=2e-5), unit
    strong = {ends: weight for ends, weight in expected_edges.items() if abs(weight) > 1e-4}
    assert len(strong) > 1_000
    for ends, weight in strong.items():
        assert edges.get(ends, 0.0) == pytest.approx(weight, abs=2e-5), ends


def test_a_role_of_one_token_has_the_exact_effects_of_its_position(tmp_path: Path) -> None:
    """Every token of the first example has a role of its own: its edges by intervention are those of its positions."""
    loaded, examples = _loaded(tmp_path), _examples(tmp_path)
    one = tmp_path / "one.jsonl"
    one.write_text(examples.read_text().splitlines()[0])
    settings: dict[str, Any] = {
        "max_nodes": 60,
        "node_floor": 0.0,
        "exact_nodes": 25,
        "exact_edges": 40,
        "max_edges": 60,
        "edge_floor": 0.0,
    }
    found = [_find(loaded, one, positions, **settings) for positions in ("role", "keep")]
    by_role = _by_role(found[0], None, "weight")
    kept = _by_role(found[1], ROLES[0], "weight")
    for ours, theirs in zip(by_role, kept, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)
    measured = [sorted(e["exact_weight"] for e in c.rows.relationships[EDGE] if e["exact_weight"]) for c in found]
    assert len(measured[0]) == 40
    assert measured[0] == pytest.approx(measured[1], abs=1e-5)
    nodes = [sorted(n["exact_effect"] for n in c.rows.nodes["CircuitNode"] if n.get("exact_effect")) for c in found]
    assert len(nodes[0]) == 25
    assert nodes[0] == pytest.approx(nodes[1], abs=1e-5)


def test_measured_with_its_nodes_by_role_and_kept_in_a_store(tmp_path: Path) -> None:
    loaded, examples = _loaded(tmp_path), _examples(tmp_path)
    lines = examples.read_text().splitlines()
    examples.write_text("\n".join(lines * 3))
    with connect(str(tmp_path / "atlas.lbug")) as store:
        circuit = _find(
            loaded, examples, "role", held_out=str(examples), measure_thresholds=3, max_nodes=500, max_edges=500,
            random_circuits=2, node_floor=0.0, edge_floor=0.0, name="by role", store=store
        )  # fmt: skip
        nodes = store.query("nodes", circuit="by role")
        left_out = measure_removals(store, MeasureSettings("by role"), load_subject=lambda _: loaded).rows[1:]
        assert store.check() == []
    roles = set(nodes["role"].dropna())
    assert roles == {"start", "noun", "of", "verb"}
    assert nodes["position"].isna().all()
    assert set(nodes[nodes["is_first_token"]]["role"]) == {"start"}
    assert circuit.rows.nodes["Measurement"]
    keys = {f"{circuit.rows.circuit_id}/{row['removed']}" for row in left_out}
    assert len(keys) == len(left_out) > 10
    assert keys <= set(nodes["id"])


def _renamed(examples: Path, **names: str) -> Path:
    """The same examples with roles of other names."""
    rows = [json.loads(line) for line in examples.read_text().splitlines()]
    rows = [{**row, "roles": [names.get(role, role) for role in row["roles"]]} for row in rows]
    file = examples.with_name("-".join([*names, "renamed.jsonl"]))
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_nodes_at_roles_that_other_examples_lack_are_left_out_and_named(tmp_path: Path) -> None:
    loaded, examples = _loaded(tmp_path), _examples(tmp_path)
    part = _renamed(examples, of="in")
    other = _renamed(examples, start="a", noun="b", of="c", verb="d")
    asked = MeasureSettings(
        "by role", examples=str(part), held_out=str(part), level="role", sizes=1, random_circuits=1, errors=("default",)
    )
    said = Noted()
    with connect(str(tmp_path / "atlas.lbug")) as store:
        _find(loaded, examples, "role", max_nodes=50, max_edges=50, name="by role", store=store)
        roles = store.query("nodes", circuit="by role").query("kind != 'target'")["role"]
        found = measure(store, asked, reporter=said, load_subject=lambda _: loaded)
        elsewhere = dataclasses.replace(asked, examples=str(other), held_out=str(other))
        with pytest.raises(MeasureError, match="no node of 'by role' stands at a role of these examples"):
            measure(store, elsewhere, load_subject=lambda _: loaded)
        own = dataclasses.replace(asked, examples=str(examples), held_out=str(examples))
        quiet = Noted()
        measure(store, own, reporter=quiet, load_subject=lambda _: loaded)
    lost = int((roles == "of").sum())
    assert 0 < lost < len(roles)
    why = "they stand at roles that these examples do not have: of"
    assert said.lines == [f"{lost} of {len(roles)} nodes of 'by role' are left out: {why}"]
    assert max(row["n_nodes"] for row in found.rows) <= len(roles) - lost
    assert quiet.lines == []


def test_roles_are_demanded_of_every_example(tmp_path: Path) -> None:
    loaded, examples = _loaded(tmp_path), _examples(tmp_path)
    lines = [json.loads(line) for line in examples.read_text().splitlines()]
    del lines[1]["roles"]
    examples.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(DataError, match=r"line 2: positions are aligned by role, but it has no 'roles'"):
        _find(loaded, examples, "role")
