"""Settings refuse what is out of range or ill-typed, by name; a settings file's paths are relative to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from circuit_atlas.errors import SettingsError
from circuit_atlas.ingest.measuring.settings import MeasureSettings
from circuit_atlas.ingest.settings import DiscoverSettings, load_settings

REQUIRED: dict[str, Any] = {"model": "m", "dictionaries": "d", "examples": "e.jsonl"}

FLOATS = ("node_floor", "edge_floor", "memory", "held_out_share")
OUT_OF_RANGE = [
    ("steps", 0, "at least 1"),
    ("batch_size", 0, "at least 1"),
    ("max_nodes", 0, "at least 1"),
    ("max_edges", -1, "at least 0"),
    ("n_examples", -1, "not be negative"),
    ("n_held_out", -1, "not be negative"),
    ("node_floor", -0.5, "not be negative"),
    ("edge_floor", -0.5, "not be negative"),
    ("measure_thresholds", -1, "not be negative"),
    ("random_circuits", -1, "not be negative"),
    ("start_layer", -1, "not be negative"),
    *((name, float(value), "a finite number") for name in FLOATS for value in ("nan", "inf", "-inf")),
    ("held_out_share", 1.0, "below 1"),
    ("held_out_share", -0.1, "at least 0"),
    ("method", "magic", "choose one of atp, ig"),
    ("positions", "drop", "choose one of keep, sum"),
    ("selection", "best", "choose one of mean, per-example"),
    ("outer_gradient", "patch", "choose one of clean, ig"),
    ("dtype", "int8", "choose one of float32, bfloat16"),
    ("model", "", "not given"),
    ("dictionaries", "", "not given"),
    ("examples", "", "not given"),
]


@pytest.mark.parametrize(("name", "value", "reason"), OUT_OF_RANGE, ids=[f"{n}={v}" for n, v, _ in OUT_OF_RANGE])
def test_a_value_out_of_range_is_refused_by_the_settings_name(name: str, value: Any, reason: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} is .*{reason}"):
        DiscoverSettings(**REQUIRED | {name: value})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["thresholds", "edge_thresholds", "target_faithfulness"])
def test_a_measurement_at_no_number_is_refused(name: str, value: float) -> None:
    given: Any = value if name == "target_faithfulness" else (0.1, value)
    with pytest.raises(SettingsError, match="not a finite number"):
        MeasureSettings(circuit="c", **{name: given})


@pytest.mark.parametrize("value", [0, 0.0])
def test_values_at_the_edge_of_their_range_are_taken(value: Any) -> None:
    settings = DiscoverSettings(**REQUIRED, node_floor=value, held_out_share=value, max_edges=int(value))

    assert settings.node_floor == settings.held_out_share == settings.max_edges == 0


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("steps", 1.5, "int"),
        ("steps", "10", "int"),
        ("seed", True, "int"),
        ("node_floor", "0.1", "float"),
        ("name", 3, "str"),
        ("method", 1, "str"),
    ],
)
def test_an_ill_typed_value_is_refused_with_the_type_it_must_have(name: str, value: Any, kind: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} is .*must be of type {kind}"):
        load_settings(None, REQUIRED | {name: value})


def test_a_whole_number_is_taken_where_a_fraction_may_stand() -> None:
    assert load_settings(None, REQUIRED | {"node_floor": 1}).node_floor == 1


def test_an_unknown_setting_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(SettingsError, match="no setting 'node_flor'; did you mean 'node_floor'"):
        load_settings(None, REQUIRED | {"node_flor": 0.1})


def test_paths_in_a_file_are_relative_to_it_where_they_exist_there(tmp_path: Path) -> None:
    folder = tmp_path / "task"
    (folder / "model").mkdir(parents=True)
    (folder / "examples.jsonl").touch()
    (folder / "held.jsonl").touch()
    file = folder / "task.toml"
    given = {"model": "model", "dictionaries": "some-release", "examples": "examples.jsonl", "held_out": "held.jsonl"}
    file.write_text("\n".join([*(f'{name} = "{value}"' for name, value in given.items()), "steps = 3"]))
    settings = load_settings(file, {"steps": 5})

    assert Path(settings.model) == folder / "model"
    assert Path(settings.examples) == folder / "examples.jsonl"
    assert Path(settings.held_out) == folder / "held.jsonl"
    assert settings.dictionaries == "some-release"  # the name of a release stays as it is
    assert settings.steps == 5  # what is given beside the file wins


def test_a_path_given_beside_the_file_is_not_taken_as_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "examples.jsonl").touch()
    file = tmp_path / "task.toml"
    file.write_text('model = "m"\ndictionaries = "d"\nexamples = "examples.jsonl"\n')

    assert load_settings(file, {"examples": "other.jsonl"}).examples == "other.jsonl"


@pytest.mark.parametrize(("text", "reason"), [(None, "there is no settings file"), ("steps = = 3", "is not TOML")])
def test_a_missing_or_broken_file_is_named(text: str | None, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "task.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match=reason) as refused:
        load_settings(file, {})
    assert "task.toml" in str(refused.value)
