"""What makes a circuit another one: everything that changes what is found, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from circuit_atlas.ingest import DiscoverSettings, discover
from tests.cli.toy import PAIRS, make_dictionaries, make_examples, make_model, pair


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """Settings of a quick run."""
    return {
        "model": str(make_model(tmp_path / "model")),
        "dictionaries": str(make_dictionaries(tmp_path / "dictionaries")),
        "examples": str(tmp_path / "examples.jsonl"),
        "held_out_share": 0.0,
        "measure_thresholds": 0,
        "method": "atp",
        "max_nodes": 20,
    }


def _circuit(settings: dict[str, Any], *more: dict[str, Any], **changed: Any) -> Any:
    """The circuit's row, with what each line of the examples holds besides."""
    lines = [json.loads(pair(*texts)) for texts in PAIRS]
    named = more or ({},) * len(lines)
    make_examples(Path(settings["examples"]), [json.dumps(a | b) for a, b in zip(lines, named, strict=True)])
    return discover(DiscoverSettings(**settings | changed)).rows.nodes["Circuit"][0]


def _roles(*names: str) -> list[dict[str, Any]]:
    return [{"roles": list(names)}] * len(PAIRS)


def test_the_same_twice_is_the_same_circuit(settings: dict[str, Any]) -> None:
    assert _circuit(settings)["id"] == _circuit(settings)["id"]


def test_other_items_are_another_circuit(settings: dict[str, Any]) -> None:
    """Standard errors are over items."""
    own = _circuit(settings)
    shared = _circuit(settings, *({"item": str(number // 2)} for number in range(len(PAIRS))))
    assert (own["n_items"], shared["n_items"]) == (4, 2)
    assert own["id"] != shared["id"]
    assert own["data_digest"] != shared["data_digest"]


def test_other_roles_are_another_circuit_where_nodes_stand_for_them(settings: dict[str, Any]) -> None:
    one, other = _roles("a", "b", "c", "d", "e"), _roles("a", "b", "c", "c", "e")
    assert _circuit(settings, *one, positions="role")["id"] != _circuit(settings, *other, positions="role")["id"]
    assert _circuit(settings, *one, positions="sum")["id"] == _circuit(settings, *other, positions="sum")["id"]


def test_another_tokenizer_is_another_circuit(settings: dict[str, Any]) -> None:
    """Two words change places in the vocabulary: the same texts are other tokens."""
    before = _circuit(settings)["id"]
    file = Path(settings["model"]) / "tokenizer.json"
    told = json.loads(file.read_text())
    words = told["model"]["vocab"]
    words["near"], words["."] = words["."], words["near"]
    file.write_text(json.dumps(told))
    assert _circuit(settings)["id"] != before


def test_another_step_of_the_same_vocabulary_is_another_circuit(settings: dict[str, Any]) -> None:
    before = _circuit(settings)["id"]
    file = Path(settings["model"]) / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"normalizer": {"type": "Lowercase"}}))
    assert _circuit(settings)["id"] != before
