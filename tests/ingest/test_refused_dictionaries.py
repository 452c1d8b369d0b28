"""Broken dictionaries: one line that names the file, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from circuit_atlas.errors import ModelError
from circuit_atlas.ingest.dictionary_files import load_suite
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.model_files import load_model
from tests.cli.toy import D_SAE, make_dictionaries, make_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    """The toy's model."""
    return load_model(str(make_model(tmp_path_factory.mktemp("model"))))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Good dictionaries, of which a test breaks `resid_1`."""
    return make_dictionaries(tmp_path / "dictionaries")


def _refusal(folder: Path, model: LanguageModel) -> str:
    with pytest.raises(ModelError) as refused:
        load_suite(str(folder), model)
    line = str(refused.value)
    assert "\n" not in line
    assert "resid_1" in line
    return line


def _configured(folder: Path, **changed: Any) -> Path:
    file = folder / "resid_1" / "cfg.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    return folder


def _weighed(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> Path:
    file = folder / "resid_1" / "sae_weights.safetensors"
    weights = {name: weight.clone() for name, weight in load_file(file).items()}
    change(weights)
    save_file(weights, file)
    return folder


@pytest.mark.parametrize("k", [D_SAE + 1, 0, -1, None, "4", 2.5, True])
def test_a_k_that_is_no_number_of_features(folder: Path, model: LanguageModel, k: object) -> None:
    line = _refusal(_configured(folder, k=k), model)
    assert f"k is {json.dumps(k)}; it must be a whole number from 1 to d_sae, which is {D_SAE}" in line


def test_every_feature_may_fire(folder: Path, model: LanguageModel) -> None:
    assert len(load_suite(str(_configured(folder, k=D_SAE)), model).sites) == 2


def test_metadata_that_is_no_object(folder: Path, model: LanguageModel) -> None:
    assert "metadata is 'x', and must be a JSON object" in _refusal(_configured(folder, metadata="x"), model)


def test_a_configuration_that_is_no_object(folder: Path, model: LanguageModel) -> None:
    (folder / "resid_1" / "cfg.json").write_text("[1, 2]")
    assert "holds no JSON object" in _refusal(folder, model)


def test_the_form_in_which_one_is_trained(folder: Path, model: LanguageModel) -> None:
    line = _refusal(_configured(folder, architecture="batchtopk"), model)
    assert "says batchtopk, the form in which a dictionary is trained; save it for inference" in line


def test_a_kind_that_nobody_knows(folder: Path, model: LanguageModel) -> None:
    line = _refusal(_configured(folder, architecture="topmost"), model)
    assert "says 'topmost', and SAELens knows " in line
    assert "jumprelu" in line


def test_weights_of_other_shapes_are_told_with_both(folder: Path, model: LanguageModel) -> None:
    line = _refusal(_weighed(folder, lambda weights: weights.update(b_enc=torch.zeros(7))), model)
    assert "cannot be loaded" in line
    assert "b_enc" in line
    assert "[7]" in line
    assert f"[{D_SAE}]" in line


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["b_enc", "W_dec"])
def test_weights_that_are_no_numbers(folder: Path, model: LanguageModel, name: str, value: float) -> None:
    line = _refusal(_weighed(folder, lambda weights: weights[name].view(-1)[3:4].fill_(value)), model)
    assert f"weights that are not finite (NaN or infinity), in {name}" in line
