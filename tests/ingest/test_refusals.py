"""What discovery refuses, and how soon: one line that names the culprit, before loading anything where it can be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from circuit_atlas.errors import AtlasError, AttributionError, DataError, ModelError, SettingsError
from circuit_atlas.ingest import DiscoverSettings, discover, plan
from circuit_atlas.ingest.measuring.grid import first_sizes, spread_sizes
from tests.cli.toy import LAYERS, PAIRS, WORDS, make_dictionaries, make_examples, make_model
from tests.ingest.test_interrupted import Notes
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


def test_a_floor_above_every_effect(good: dict[str, Any]) -> None:
    rows = discover(DiscoverSettings(**good)).rows.nodes["CircuitNode"]
    largest = max(abs(row["effect"]) for row in rows if row["kind"] != "target")
    line = refusal(AttributionError, **good | {"node_floor": 1e9})
    assert (
        f"no node is left: the largest absolute effect is {largest:.4g}, and none exceeds the node floor 1e+09" in line
    )


@pytest.mark.parametrize("rotary", [True, False])
def test_a_prompt_that_is_longer_than_the_context(good: dict[str, Any], rotary: bool) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    if rotary:
        file = Path(good["model"]) / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"max_position_embeddings": 7}))
    else:
        config = GPT2Config(vocab_size=12, n_embd=16, n_layer=LAYERS, n_head=2, n_positions=7)
        GPT2LMHeadModel(config).save_pretrained(good["model"])
    lines = Path(good["examples"]).read_text().splitlines()
    long = json.dumps(
        json.loads(lines[3])
        | {
            f"{end}_prefix": f"the man near the dog near the {noun}"
            for end, noun in (("clean", "man"), ("patch", "men"))
        }
    )
    make_examples(Path(good["examples"]), [*lines, long])
    line = refusal(DataError, **good | {"positions": "sum", "held_out_share": 0.0})
    assert line.endswith("examples.jsonl, line 5: 8 tokens, but the model's context holds 7; shorten it")


def test_ends_that_are_the_same_tokens_though_not_the_same_text(good: dict[str, Any]) -> None:
    lines = Path(good["examples"]).read_text().splitlines()
    told = json.loads(lines[1])
    make_examples(Path(good["examples"]), [lines[0], json.dumps(told | {"patch_prefix": told["clean_prefix"] + " "})])
    line = refusal(DataError, **good | {"held_out_share": 0.0})
    assert "line 2: clean_prefix and patch_prefix are the same tokens ['the', 'man', 'near', 'the', 'dog']" in line


def test_answers_that_are_the_same(good: dict[str, Any]) -> None:
    lines = [json.loads(line) for line in Path(good["examples"]).read_text().splitlines()]
    lines[2]["patch_answer"] = lines[2]["clean_answer"]
    make_examples(Path(good["examples"]), list(map(json.dumps, lines)))
    settings = good | {"held_out_share": 0.0}
    assert "line 3: clean_answer and patch_answer are the same" in refusal(DataError, **settings)
    discover(DiscoverSettings(**settings, metric="negative-logit"))  # which reads one of them


def test_words_that_the_model_does_not_know_are_told_once(good: dict[str, Any]) -> None:
    lines = [json.loads(line) for line in Path(good["examples"]).read_text().splitlines()]
    for line in lines[1:3]:
        line["clean_prefix"] = line["clean_prefix"].replace("near", "beside")
    make_examples(Path(good["examples"]), list(map(json.dumps, lines)))
    notes = Notes()
    discover(DiscoverSettings(**good | {"held_out_share": 0.0}), reporter=notes)
    (told,) = (line for line in notes.lines if "does not know" in line)
    assert told.startswith(
        "warning: 2 of 4 examples have words that the model does not know, and reads as <unk> (first: "
    )
    assert told.endswith("line 2)")


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_activations_that_overflow_are_told_at_the_first_site(good: dict[str, Any], layer: int, value: float) -> None:
    file = Path(good["model"]) / "model.safetensors"
    weights = load_file(file)
    weights[f"model.layers.{layer}.mlp.down_proj.weight"][0, 0] = value
    save_file(weights, file, metadata={"format": "pt"})
    assert f"activations at resid_{layer} are not finite" in refusal(AttributionError, **good)


def test_logits_that_overflow_behind_every_site(good: dict[str, Any]) -> None:
    file = Path(good["model"]) / "model.safetensors"
    weights = load_file(file)
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, file, metadata={"format": "pt"})
    line = refusal(AttributionError, **good)
    assert "what the metric 'logit difference' reads is not finite" in line


def test_a_metric_that_is_no_number_on_one_example(good: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        "import torch\n"
        "def broken(logits, batch):\n"
        "    value = logits[:, -1, 5]\n"
        f"    return torch.where(batch.clean[:, 1] == {WORDS.index('dog')}, value * float('nan'), value)\n"
    )
    line = refusal(AttributionError, **good | {"metric": f"{tmp_path / 'm.py'}:broken", "held_out_share": 0.0})
    assert line.startswith("the metric 'm.py:broken")
    assert "gives nan on 'the dog near the men'" in line


def test_a_first_layer_behind_which_nothing_is_ablated(good: dict[str, Any]) -> None:
    line = refusal(SettingsError, **good | {"start_layer": LAYERS})
    assert f"start_layer is {LAYERS}, which leaves no layer of model to ablate: it has layers 0 to 1" in line
    shutil.rmtree(Path(good["dictionaries"]) / "resid_1")
    line = refusal(SettingsError, **good | {"start_layer": 1, "measure_thresholds": 1})
    assert "start_layer is 1, but no dictionary sits there or later" in line


def test_as_many_sizes_are_measured_as_asked_for(good: dict[str, Any]) -> None:
    found = discover(DiscoverSettings(**good | {"measure_thresholds": 9, "random_circuits": 0}))
    sizes = {row["node_threshold"] for row in found.rows.nodes["Measurement"] if row["errors"] == "default"}
    assert len(sizes) == 9


@pytest.mark.parametrize(
    ("count", "universe", "most", "sizes"),
    [
        (5, 160, 1_000, [10, 20, 40, 80, 160]),
        (2, 160, 1_000, [20, 40]),
        (6, 160, 1_000, [1, 10, 20, 40, 80, 160]),
        (7, 160, 1_000, [1, 3, 10, 20, 40, 80, 160]),
        (9, 8, 1_000, [1, 2, 3, 4, 5, 6, 7, 8]),
        (9, 160, 4, [1, 2, 3, 4]),
        (9, 160, 0, []),
    ],
)
def test_sizes_beyond_the_first_shares_fill_the_widest_gaps(
    count: int, universe: float, most: int, sizes: list[int]
) -> None:
    assert first_sizes(count, universe, most) == sizes


@pytest.mark.parametrize(
    ("count", "most", "sizes"),
    [(1, 100, [100]), (2, 100, [1, 100]), (3, 100, [1, 10, 100]), (9, 2, [1, 2]), (1, 0, [])],
)
def test_no_more_sizes_are_spread_than_asked_for(count: int, most: int, sizes: list[int]) -> None:
    assert spread_sizes(count, most) == sizes


def test_resampling_expects_no_sign(good: dict[str, Any]) -> None:
    """Random inputs may move the metric either way; that is neither judged nor warned of."""
    notes = Notes()
    found = discover(DiscoverSettings(**good | {"ablation": "resample", "held_out_share": 0.0}), reporter=notes)
    (circuit,) = found.rows.nodes["Circuit"]
    assert circuit["ablation"] == "resample"
    assert circuit["right_sign"] is None
    assert not any("does not move the metric as expected" in line for line in notes.lines)
    patched = discover(DiscoverSettings(**good | {"held_out_share": 0.0})).rows.nodes["Circuit"][0]
    assert patched["right_sign"] is not None
