"""A block with LayerNorm and an MLP, written by hand: exact effects and edges equal what NumPy says of the formulas.

One GPT-2 layer of width 4 whose attention writes nothing, on a prompt of one word:

    x = word,  n(x) = (x - mean) / std,  mlp(x) = W2ᵀ relu(W1ᵀ n(x) + b1) + b2,  metric = u · n(x + mlp(x))

The Jacobian of n is (1 - 11ᵀ/4 - n nᵀ/4) / std. Each dictionary has a feature for each coordinate, all of them active.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from circuit_atlas.ingest import DiscoveredCircuit, DiscoverSettings, discover
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.dictionary_files import Suite
from circuit_atlas.ingest.model_files import load_model
from circuit_atlas.ingest.preparation import Loaded
from circuit_atlas.ingest.sites import site_from_name
from tests.ingest.handmade.test_attention import Node, edges, nodes

Array = NDArray[np.float64]
WORDS = ("A", "B", "clean", "patch")
CLEAN, PATCH = np.array([3.0, 1.0, 2.0, 0.5]), np.array([2.2, 1.6, 1.1, 1.4])
W1 = np.array([[0.6, -0.4, 0.2], [-0.3, 0.5, 0.7], [0.4, 0.3, -0.6], [-0.2, -0.5, 0.1]])
B1 = np.array([0.2, 0.1, -2.5])  # the third neuron sleeps on both words
W2 = np.array([[0.5, -0.3, 0.2, 0.4], [-0.2, 0.6, 0.3, -0.1], [0.3, 0.1, -0.4, 0.2]])
B2 = np.array([1.0, 1.2, 0.9, 1.1])
U = np.array([0.7, -0.9, 0.3, 0.4])


def norm(x: Array) -> Array:
    """LayerNorm without weight and bias."""
    found: Array = (x - x.mean()) / x.std()
    return found


def norm_jacobian(x: Array) -> Array:
    """Its Jacobian."""
    n = norm(x)
    found: Array = (np.eye(4) - 0.25 - np.outer(n, n) / 4) / x.std()
    return found


def mlp(x: Array) -> Array:
    """What the MLP writes."""
    found: Array = np.maximum(norm(x) @ W1 + B1, 0) @ W2 + B2
    return found


def metric(stream: Array) -> float:
    """The metric of the stream after the block."""
    return float(U @ norm(stream))


def _load(folder: Path) -> Loaded:
    import sae_lens
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    config = GPT2Config(
        vocab_size=len(WORDS),
        n_positions=4,
        n_embd=4,
        n_layer=1,
        n_head=1,
        n_inner=3,
        activation_function="relu",
        layer_norm_epsilon=1e-12,
        tie_word_embeddings=False,
    )
    model: Any = GPT2LMHeadModel(config)
    block = model.transformer.h[0]
    with torch.no_grad():
        for parameter in (model.transformer.wpe.weight, *block.attn.parameters(), model.lm_head.weight):
            parameter.zero_()
        values = ((block.mlp.c_fc.weight, W1), (block.mlp.c_fc.bias, B1), (block.mlp.c_proj.weight, W2))
        for parameter, value in (*values, (block.mlp.c_proj.bias, B2)):
            parameter.copy_(torch.from_numpy(value))
        model.transformer.wte.weight[:2] = torch.from_numpy(np.stack([CLEAN, PATCH])).float()
        model.lm_head.weight[3] = torch.from_numpy(U).float()
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="B"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)

    def coordinates() -> Any:
        sae = sae_lens.StandardSAE(sae_lens.StandardSAEConfig(d_in=4, d_sae=4))
        with torch.no_grad():
            for parameter in sae.parameters():
                parameter.zero_()
            sae.W_enc.copy_(torch.eye(4))
            sae.W_dec.copy_(torch.eye(4))
        return sae.requires_grad_(False)

    sites = [site_from_name(name) for name in ("embed", "mlp_0", "resid_0")]
    dictionaries = {site: SparseDictionary.holding(site, coordinates(), "by hand") for site in sites}
    return Loaded(load_model(str(folder)), Suite("by hand", dictionaries))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> DiscoveredCircuit:
    """The circuit with exact node effects."""
    folder = tmp_path_factory.mktemp("norm")
    line = {"clean_prefix": "A", "patch_prefix": "B", "clean_answer": " clean", "patch_answer": " patch"}
    (folder / "pair.jsonl").write_text(json.dumps(line))
    settings = DiscoverSettings(
        model="m",
        dictionaries="d",
        examples=str(folder / "pair.jsonl"),
        method="exact",
        held_out_share=0.0,
        measure_thresholds=0,
        node_floor=1e-5,
        edge_floor=1e-5,
    )
    return discover(settings, loaded=_load(folder / "model"))


def _moved(start: Array, end: Array, coordinate: int) -> Array:
    found = start.copy()
    found[coordinate] = end[coordinate]
    return found


def test_exact_effects_of_every_unit(found: DiscoveredCircuit) -> None:
    written, other = mlp(CLEAN), mlp(PATCH)
    stream, patched = CLEAN + written, PATCH + other
    assert min(*written, *other, *stream, *patched) > 0  # every feature is active
    before = metric(stream)
    expected: dict[Node, float] = {}
    for i in range(4):
        x = _moved(CLEAN, PATCH, i)
        expected["embed", i, 0] = metric(x + mlp(x)) - before
        expected["mlp_0", i, 0] = metric(CLEAN + _moved(written, other, i)) - before
        expected["resid_0", i, 0] = metric(_moved(stream, patched, i)) - before
    assert nodes(found) == pytest.approx(expected, abs=3e-6)


def test_every_edge_through_the_norms_and_the_mlp(found: DiscoveredCircuit) -> None:
    stream = CLEAN + mlp(CLEAN)
    outer = norm_jacobian(stream) @ U
    awake = np.diag((norm(CLEAN) @ W1 + B1 > 0).astype(float))
    through_mlp = (W1 @ awake @ W2).T @ norm_jacobian(CLEAN)
    change = PATCH - CLEAN
    of_mlp, of_stream = mlp(PATCH) - mlp(CLEAN), PATCH + mlp(PATCH) - stream
    expected: dict[tuple[Node, Node | None], float] = {}
    for i in range(4):
        for j in range(4):
            expected[("embed", i, 0), ("mlp_0", j, 0)] = outer[j] * through_mlp[j, i] * change[i]
        expected[("embed", i, 0), ("resid_0", i, 0)] = outer[i] * change[i]
        expected[("mlp_0", i, 0), ("resid_0", i, 0)] = outer[i] * of_mlp[i]
        expected[("resid_0", i, 0), None] = outer[i] * of_stream[i]
    assert edges(found) == pytest.approx(expected, abs=3e-6)
