"""What discovery refuses, and how soon: one line that names the culprit, before loading anything where it can be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from circuit_atlas.errors import AtlasError, AttributionError, DataError, ModelError
from circuit_atlas.ingest import DiscoverSettings, discover, plan
from tests.cli.toy import LAYERS, PAIRS, make_dictionaries, make_examples, make_model
from tests.ingest.tiny import make_subject


@pytest.fixture
def good(tmp_path: Path) -> dict[str, Any]:
    """Settings of a quick good run."""
    return {
        "model": str(make_model(tmp_path / "model")),
        "dictionaries": str(make_dictionaries(tmp_path / "dictionaries")),
        "examples": str(make_examples(tmp_path / "examples.jsonl")),
        "held_out_share": 0.25,
        "steps": 2,
        "measure_thresholds": 0,
    }


def refusal(kind: type[AtlasError], **settings: Any) -> str:
    """The one line that discovery ends with."""
    with pytest.raises(kind) as refused:
        discover(DiscoverSettings(**settings))
    line = str(refused.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("run", [discover, plan])
def test_a_broken_line_is_told_before_the_model_is_looked_for(run: Any, tmp_path: Path) -> None:
    examples = make_examples(tmp_path / "examples.jsonl", ['{"clean_prefix": '])
    with pytest.raises(DataError, match="line 1: not JSON"):
        run(DiscoverSettings(model="./no-model", dictionaries="./none", examples=str(examples)))


def test_a_held_out_file_is_read_before_the_model_is_looked_for(tmp_path: Path) -> None:
    examples, held_out = make_examples(tmp_path / "examples.jsonl"), make_examples(tmp_path / "held_out.jsonl", [])
    settings = {"model": "./no-model", "dictionaries": "./none", "examples": str(examples), "held_out": str(held_out)}
    assert "held_out.jsonl is empty" in refusal(DataError, **settings)


def test_a_model_that_is_not_loaded_without_its_tokenizer(good: dict[str, Any]) -> None:
    for file in Path(good["model"]).glob("tokenizer*"):
        file.unlink()
    line = refusal(ModelError, **good)
    assert line.startswith(f"{good['model']} has no tokenizer files: put tokenizer_config.json and tokenizer.json")


def test_a_tokenizer_of_which_files_are_missing(good: dict[str, Any]) -> None:
    (Path(good["model"]) / "tokenizer.json").unlink()
    line = refusal(ModelError, **good)
    assert "cannot be loaded from tokenizer_config.json: put" in line


def test_a_model_that_is_loaded_without_a_tokenizer(good: dict[str, Any], tmp_path: Path) -> None:
    make_subject(tmp_path / "neox", "neox", "topk", "none")
    for file in (tmp_path / "neox").glob("tokenizer*"):
        file.unlink()
    line = refusal(DataError, **good | {"model": str(tmp_path / "neox")})
    assert "the model folder has no tokenizer files (tokenizer.json" in line


def test_edges_that_are_no_numbers_though_effects_are(good: dict[str, Any]) -> None:
    """A feature of constant activation: no effect, but a Jacobian that overflows through the error of its site."""
    unused = 0  # a direction of the stream that the model never writes to
    path = Path(good["model"]) / "model.safetensors"
    weights = load_file(path)
    weights["model.embed_tokens.weight"][:, unused] = 0.0
    for layer in range(LAYERS):
        weights[f"model.layers.{layer}.self_attn.o_proj.weight"][unused] = 0.0
        weights[f"model.layers.{layer}.mlp.down_proj.weight"][unused] = 0.0
    save_file(weights, path, metadata={"format": "pt"})
    path = Path(good["dictionaries"]) / "resid_1" / "sae_weights.safetensors"
    dictionary = load_file(path)
    dictionary["W_enc"][:, 0] = torch.eye(len(dictionary["b_dec"]))[unused] * 1e20
    dictionary["W_dec"][0] = torch.eye(len(dictionary["b_dec"]))[unused + 1] * 1e20
    dictionary["b_enc"][0] = 100.0
    save_file(dictionary, path)

    assert "weights of edges from resid_0 to resid_1 are not finite" in refusal(AttributionError, **good)


def test_accuracy_of_single_prompts_is_the_share_whose_answer_is_the_top_token(good: dict[str, Any]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(good["model"])
    model: Any = AutoModelForCausalLM.from_pretrained(good["model"])
    prompts = [prompt for texts in PAIRS for prompt in texts]
    with torch.no_grad():
        top = [
            int(model(**tokenizer(p, return_tensors="pt", return_token_type_ids=False)).logits[0, -1].argmax())
            for p in prompts
        ]
    words = tokenizer.convert_ids_to_tokens(top)
    answers = [*words[:3], *("fast" if word != "fast" else "dog" for word in words[3:])]
    lines = [json.dumps({"clean_prefix": p, "clean_answer": f" {a}"}) for p, a in zip(prompts, answers, strict=True)]
    make_examples(Path(good["examples"]), lines)

    (circuit,) = discover(DiscoverSettings(**good | {"held_out_share": 0.0})).rows.nodes["Circuit"]
    assert circuit["accuracy"] == 3 / 8
    assert circuit["ablation"] == "zero"


def test_accuracy_of_pairs_is_the_share_with_the_right_order(good: dict[str, Any]) -> None:
    (circuit,) = discover(DiscoverSettings(**good | {"held_out_share": 0.0})).rows.nodes["Circuit"]
    lines = [json.loads(line) for line in Path(good["examples"]).read_text().splitlines()]
    swapped = [line | {"clean_answer": line["patch_answer"], "patch_answer": line["clean_answer"]} for line in lines]
    make_examples(Path(good["examples"]), [json.dumps(line) for line in swapped])
    (other,) = discover(DiscoverSettings(**good | {"held_out_share": 0.0})).rows.nodes["Circuit"]

    assert circuit["accuracy"] + other["accuracy"] == 1.0


def test_a_transcoder_is_no_dictionary(good: dict[str, Any]) -> None:
    import sae_lens

    folder = next(Path(good["dictionaries"]).glob("*/cfg.json")).parent
    width = json.loads((folder / "cfg.json").read_text())["d_in"]
    sizes: dict[str, Any] = {"d_in": width, "d_out": width, "d_sae": 8, "apply_b_dec_to_input": False}
    sae_lens.Transcoder(sae_lens.TranscoderConfig(**sizes)).save_model(folder)
    line = refusal(ModelError, **good)
    assert line.startswith(f"{folder} holds a transcoder: it reads one site and writes another")


def test_a_topk_without_k(good: dict[str, Any]) -> None:
    cfg = next(Path(good["dictionaries"]).glob("*/cfg.json"))
    said = json.loads(cfg.read_text()) | {"architecture": "topk"}
    said.pop("k", None)
    cfg.write_text(json.dumps(said))
    assert "says topk but no k" in refusal(ModelError, **good)
