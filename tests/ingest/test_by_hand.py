"""A model of width 2 whose effects and edges are computed by hand, in the comments.

One Llama layer; the words A = (1, 1) and B = (1, -1). Queries and keys are zero, so attention is uniform; values and
output copy coordinate 2, twice over; the MLP writes nothing. On the prompt "A A" (clean) and "B A" (patch), at the last
position:

    attention   (0, 2 · mean of coordinate 2): clean (0, 2), patch (0, 0)       [RMSNorm leaves A and B as they are]
    resid_0     (1, 1) + attention: clean (1, 3), patch (1, 1)
    metric      w · x / r with w = (0, -1), r² = |x|² / 2: clean -3/√5, patch -1

Both dictionaries, at embed and resid_0, have the one feature relu(coordinate 2) with the decoder (0, 1).

Gradient of the metric at resid_0 = x, last position: (w - x (w · x) / (2 r²)) / r; at clean (0.3, -0.1) / √5.
Gradient at embed, first position: coordinate 2 of the attention falls by half of what RMSNorm, whose Jacobian at A is
½ [[1, -1], [-1, 1]], makes of x: 2 · ½ · (-½, ½), times -0.1 / √5, so (0.05, -0.05) / √5.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from circuit_atlas.cypher.rows import Pair
from circuit_atlas.ingest import DiscoveredCircuit, DiscoverSettings, discover
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.dictionary_files import Suite
from circuit_atlas.ingest.model_files import load_model
from circuit_atlas.ingest.preparation import Loaded
from circuit_atlas.ingest.sites import site_from_name

ROOT5 = math.sqrt(5)
WORDS = ("A", "B", "clean", "patch")


def write_model(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=2,
        intermediate_size=2,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        rms_norm_eps=1e-12,
        tie_word_embeddings=False,
    )
    model: Any = LlamaForCausalLM(config)
    layer = model.model.layers[0]
    with torch.no_grad():
        for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.mlp.down_proj):
            projection.weight.zero_()
        layer.self_attn.v_proj.weight.copy_(torch.tensor([[0.0, 0.0], [0.0, 1.0]]))
        layer.self_attn.o_proj.weight.copy_(torch.tensor([[0.0, 0.0], [0.0, 2.0]]))
        model.model.embed_tokens.weight.copy_(torch.tensor([[1.0, 1.0], [1.0, -1.0], [1.0, 1.0], [1.0, 1.0]]))
        model.lm_head.weight.copy_(torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="B"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)


def second_coordinate() -> Any:
    """Dictionary of one feature: relu(coordinate 2), written back to it."""
    import sae_lens

    sae = sae_lens.StandardSAE(sae_lens.StandardSAEConfig(d_in=2, d_sae=1))
    with torch.no_grad():
        for name, value in (
            ("W_enc", [[0.0], [1.0]]),
            ("W_dec", [[0.0, 1.0]]),
            ("b_enc", [0.0]),
            ("b_dec", [0.0, 0.0]),
        ):
            getattr(sae, name).copy_(torch.tensor(value))
    return sae.requires_grad_(False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("by_hand")
    write_model(folder / "model")
    pair = {"clean_prefix": "A A", "patch_prefix": "B A", "clean_answer": " clean", "patch_answer": " patch"}
    (folder / "pair.jsonl").write_text(json.dumps(pair))
    return folder


def run(folder: Path, **settings: Any) -> DiscoveredCircuit:
    sites = [site_from_name(name) for name in ("embed", "resid_0")]
    dictionaries = {site: SparseDictionary.holding(site, second_coordinate(), "by hand") for site in sites}
    loaded = Loaded(load_model(str(folder / "model")), Suite("by hand", dictionaries))
    whole: dict[str, Any] = {"held_out_share": 0.0, "measure_thresholds": 0}
    return discover(
        DiscoverSettings(model="m", dictionaries="d", examples=str(folder / "pair.jsonl"), **whole | settings),
        loaded=loaded,
    )


def effects(circuit: DiscoveredCircuit) -> dict[str, float]:
    """Effect by unit and position, as the end of its key has it; effects of rounding left out."""
    start = len(circuit.rows.circuit_id) + 1
    rows = {row["id"][start:]: row["effect"] for row in circuit.rows.nodes["CircuitNode"]}
    return {unit: effect for unit, effect in rows.items() if abs(effect) > 1e-6}


def edges(circuit: DiscoveredCircuit) -> dict[tuple[str, str], float]:
    start = len(circuit.rows.circuit_id) + 1
    rows = circuit.rows.relationships[Pair("EDGE", "CircuitNode", "CircuitNode")]
    found = {(row["from"][start:], row["to"][start:]): row["weight"] for row in rows}
    return {ends: weight for ends, weight in found.items() if abs(weight) > 1e-6}


def test_effects_at_clean(folder: Path) -> None:
    """Each is change of the unit times gradient along it.

    embed feature, first position: relu(1) to relu(-1), (0 - 1) · -0.05 / √5; its error: (1, 0) to (1, -1), so
    (0, -1) · gradient, the same. resid_0 feature, last position: (1 - 3) · -0.1 / √5; its error does not change.
    """
    assert effects(run(folder, method="atp")) == pytest.approx(
        {
            "embed/feature/0/0": 0.05 / ROOT5,
            "embed/error/0": 0.05 / ROOT5,
            "resid_0/feature/0/1": 0.2 / ROOT5,
            "target/*": 3 / ROOT5 - 1,
        },
        abs=1e-6,
    )


def test_edges_at_clean(folder: Path) -> None:
    """Coordinate 2 of resid_0, last position, falls by ½ when that of embed, first position, falls by 1.

    So both units of the embedding have (-0.1 / √5) · ½ · -1 into the feature of resid_0. Into its error (which is
    coordinate 1) nothing leads; the target sees resid_0 alone, at its effect.
    """
    feature = "resid_0/feature/0/1"
    assert edges(run(folder, method="atp")) == pytest.approx(
        {
            ("embed/feature/0/0", feature): 0.05 / ROOT5,
            ("embed/error/0", feature): 0.05 / ROOT5,
            (feature, "target/*"): 0.2 / ROOT5,
        },
        abs=1e-6,
    )


def test_integrated_gradients_in_two_steps(folder: Path) -> None:
    """resid_0: halfway from (1, 3) to (1, 1) lies (1, 2), where r² = 5/2 and the gradient is (0.4, -0.2) / r."""
    found = effects(run(folder, method="ig", steps=2))

    assert found["resid_0/feature/0/1"] == pytest.approx(-2 * (-0.1 / ROOT5 - 0.2 / math.sqrt(2.5)) / 2, abs=1e-6)


def test_integrated_gradients_in_many_steps_reach_the_exact_effect(folder: Path) -> None:
    """The error of resid_0 does not change, so its one feature carries the whole change of the metric, 3/√5 - 1.

    The grid has the clean end alone, so N steps miss by (1 - 0.2 / √5) / 2N: the gradient at patch is (0.5, -0.5).
    """
    found = effects(run(folder, method="ig", steps=2000))

    assert found["resid_0/feature/0/1"] == pytest.approx(3 / ROOT5 - 1 - (1 - 0.2 / ROOT5) / 4000, abs=1e-5)


def test_the_metric_and_its_sign(folder: Path) -> None:
    (circuit,) = run(folder, method="atp").rows.nodes["Circuit"]

    assert circuit["metric_clean"] == pytest.approx(-3 / ROOT5)
    assert circuit["metric_patch"] == pytest.approx(-1.0)
    assert circuit["accuracy"] == circuit["right_sign"] == 1.0
