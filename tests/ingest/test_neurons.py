"""Neuron circuits: neurons are features of an identity dictionary, and their effects are those of the plain model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from circuit_atlas.errors import ModelError
from circuit_atlas.ingest import DiscoverSettings, discover
from circuit_atlas.ingest.dictionary_files import load_suite
from circuit_atlas.ingest.model_files import load_model
from tests.ingest.tiny import make_subject
from tests.ingest.tiny_runs import write_examples


@pytest.fixture(params=["neox", "llama"])
def family(request: pytest.FixtureRequest) -> str:
    """Family of the model."""
    return str(request.param)


def _module(model: Any, family: str, component: str) -> Any:
    """Return what reads the neurons of layer 0 of the original model."""
    block = model.gpt_neox.layers[0] if family == "neox" else model.model.layers[0]
    if component == "mlp":
        return block.mlp.dense_4h_to_h if family == "neox" else block.mlp.down_proj
    return block.attention.dense if family == "neox" else block.self_attn.o_proj


def _logits(model: Any, tokens: Tensor, module: Any, change: Callable[[Tensor], Tensor]) -> Tensor:
    handle = module.register_forward_pre_hook(lambda _, inputs: (change(inputs[0]),))
    try:
        with torch.no_grad():
            return Tensor(model(tokens).logits[:, -1])
    finally:
        handle.remove()


@pytest.mark.parametrize("component", ["mlp", "attn"])
def test_effects_are_those_of_setting_a_neuron_of_the_original_model(
    tmp_path: Path, family: str, component: str
) -> None:
    from transformers import AutoModelForCausalLM

    tokenizer = make_subject(tmp_path / "model", family, "topk", "none").model.tokenizer
    examples = write_examples(tmp_path / "e.jsonl", pairs=True, lengths=(4, 4, 4))
    found = discover(
        DiscoverSettings(
            model=str(tmp_path / "model"),
            dictionaries="neurons",
            examples=str(examples),
            method="exact",
            held_out_share=0.0,
            measure_thresholds=0,
        )
    )
    lines = [line for line in (examples.read_text()).splitlines() if line]
    rows = [json.loads(line) for line in lines]
    clean, patch = (torch.tensor([tokenizer(row[key])["input_ids"] for row in rows]) for key in PREFIXES)
    right, wrong = (torch.tensor([tokenizer(row[key])["input_ids"][-1] for row in rows]) for key in ANSWERS)
    model: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    module, seen = _module(model, family, component), []

    def note(x: Tensor) -> Tensor:
        seen.append(x.clone())
        return x

    def metric(change: Callable[[Tensor], Tensor]) -> Tensor:
        last = _logits(model, clean, module, change)
        return last.gather(1, wrong[:, None]) - last.gather(1, right[:, None])

    before = metric(note)
    _logits(model, patch, module, note)
    nodes = [dict(row) for row in found.rows.nodes["CircuitNode"]]
    chosen = [n for n in nodes if (n["kind"], n["component"], n["layer"]) == ("feature", component, 0)]
    assert len(chosen) > 20
    for node in chosen[:: len(chosen) // 6]:

        def change(x: Tensor, at: tuple[Any, ...] = (slice(None), node["position"], node["feature_index"])) -> Tensor:
            x = x.clone()
            x[at] = seen[1][at]
            return x

        assert node["effect"] == pytest.approx(float((metric(change) - before).mean()), abs=3e-5)


PREFIXES, ANSWERS = ("clean_prefix", "patch_prefix"), ("clean_answer", "patch_answer")


def test_every_site_has_its_neurons_and_leaves_no_error(tmp_path: Path, family: str) -> None:
    make_subject(tmp_path / "model", family, "topk", "none")
    model = load_model(str(tmp_path / "model"))
    suite = load_suite("neurons", model)
    widths = {site.name: dictionary.d_sae for site, dictionary in suite.dictionaries.items()}
    assert widths == {
        name: 32 if name.startswith("mlp") else 16
        for name in ("embed", "attn_0", "mlp_0", "resid_0", "attn_1", "mlp_1", "resid_1")
    }
    for site, x in model.activations(torch.tensor([[1, 2, 3]]), suite.sites).items():
        dictionary = suite.dictionaries[site]
        assert torch.equal(dictionary.error(x, dictionary.encode(x)), torch.zeros_like(x))


def test_a_name_that_is_nearly_neurons_is_no_folder(tmp_path: Path, family: str) -> None:
    make_subject(tmp_path / "model", family, "topk", "none")
    with pytest.raises(ModelError, match="neuron"):
        load_suite("neuron", load_model(str(tmp_path / "model")))
