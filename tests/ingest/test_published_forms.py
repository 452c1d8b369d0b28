"""What a download leaves is loaded: each form of the presets' releases, by SAELens' own loader, without a network.

The cache is laid out as the hub's client does it, in another process that may not ask the network; what the loaded
dictionary computes is compared with its definition, in numpy, on the weights that were written.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from circuit_atlas.ingest.presets import Entry, presets
from tests.ingest.published import Array, Weights, publish_gemma_scope, publish_hook_z, publish_saelens
from tests.ingest.tiny import save_tokenizer
from tests.source_tree import ROOT

pytestmark = pytest.mark.slow

TOKENS = 5


@dataclass(frozen=True)
class Case:
    """One dictionary as published.

    Attributes:
        preset: preset that names it.
        site: where it sits.
        hook: the hook at which it must be read, in this model.
        model: kind of model.
        d_sae: features of the one written here.
        acts: its features by definition, from weights, input and the model's own constants.

    """

    preset: str
    site: str
    hook: str
    model: str
    d_sae: int
    acts: Callable[[Weights, Array, Path], Array]

    @property
    def entry(self) -> Entry:
        """What the preset says of it."""
        return next(e for e in presets()[self.preset].entries if e.site.name == self.site)


def centred(weights: Weights, x: Array, _: Path) -> Array:
    return weights.relu(x - x.mean(-1, keepdims=True))


def without_value_biases(weights: Weights, x: Array, model: Path) -> Array:
    """Attention's weights sum to one, so that z holds the values of a zero after the norm, whatever is attended to."""
    from safetensors.numpy import load_file

    state = load_file(model / "model.safetensors")
    joint = "transformer.h.1.attn.c_attn"
    _, _, values = np.split(state[f"{joint}.weight"], 3, axis=1)
    constant: Array = state["transformer.h.1.ln_1.bias"] @ values + np.split(state[f"{joint}.bias"], 3)[2]
    return weights.relu(x - constant)


def normalised(weights: Weights, x: Array, _: Path) -> Array:
    """Layer norm as SAELens does it, and features in units of the activation."""
    shifted = x - x.mean(-1, keepdims=True)
    scale = shifted.std(-1, keepdims=True, ddof=1)
    acts: Array = weights.topk(shifted / (scale + 1e-5), 4) * scale
    return acts


CASES = {
    "Pythia embedding": Case("pythia-70m-deduped", "embed", "blocks.0.hook_in", "neox", 48, lambda w, x, _: w.relu(x)),
    "Pythia attention": Case(
        "pythia-70m-deduped", "attn_1", "blocks.1.attn.hook_out", "neox", 48, lambda w, x, _: w.relu(x)
    ),
    "GPT-2 residual": Case("gpt2-small", "resid_0", "blocks.0.hook_out", "gpt2", 48, centred),
    "GPT-2 z": Case("gpt2-small", "attn_1", "blocks.1.attn.hook_z", "gpt2", 48, without_value_biases),
    "GPT-2 TopK": Case("gpt2-small-topk", "mlp_1", "blocks.1.mlp.hook_out", "gpt2", 48, normalised),
    "Gemma embedding": Case(
        "gemma-2-2b", "embed", "blocks.0.hook_in", "gemma", 4_096, lambda w, x, _: w.jump(x / np.sqrt(np.float32(2304)))
    ),
    "Gemma z": Case(
        "gemma-2-2b", "attn_1", "blocks.1.attn.hook_z", "gemma", 16_384, lambda w, x, _: w.jump(x)
    ),
}  # fmt: skip


def make_model(kind: str, folder: Path) -> Path:
    """Write a random checkpoint of two blocks; GPT-2's is as wide as the published one."""
    import torch
    from transformers import Gemma2Config, Gemma2ForCausalLM, GPT2Config, GPT2LMHeadModel, GPTNeoXConfig
    from transformers import GPTNeoXForCausalLM as Neox

    torch.manual_seed(1)
    sizes: dict[str, Any] = {"vocab_size": 20, "num_hidden_layers": 2, "num_attention_heads": 2}
    small: dict[str, Any] = sizes | {"hidden_size": 16, "intermediate_size": 32}
    built: dict[str, Callable[[], Any]] = {
        "neox": lambda: Neox(GPTNeoXConfig(**small)),
        "gemma": lambda: Gemma2ForCausalLM(Gemma2Config(**small, num_key_value_heads=1, head_dim=8)),
        "gpt2": lambda: GPT2LMHeadModel(
            GPT2Config(vocab_size=20, n_layer=2, n_head=12, n_embd=768, n_positions=32, bos_token_id=0, eos_token_id=0)
        ),
    }
    model = built[kind]()
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            weight.data = torch.randn_like(weight)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def publish(cache: Path, case: Case, weights: Weights) -> None:
    """Write the case's dictionary as its release has it."""
    entry = case.entry
    repository, files = entry.place
    if entry.format == "gemma-scope":
        publish_gemma_scope(cache, repository, files[0].removesuffix("/params.npz"), weights)
    elif entry.format == "hook-z":
        publish_hook_z(cache, repository, files[0], weights, entry.site.layer)
    else:
        more: dict[str, Any] = {}
        if case.acts is normalised:
            more = {
                "activation_fn_str": "topk",
                "activation_fn_kwargs": {"k": 4},
                "normalize_activations": "layer_norm",
            }
        publish_saelens(cache, repository, files[0].removesuffix("/cfg.json"), weights, entry.hook, **more)


@dataclass(frozen=True)
class Loaded:
    """What went into a case and what came out."""

    weights: Weights
    x: Array
    model: Path
    found: Any


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Loaded]:
    """Publish every case and load them all in one process without a network."""
    folder = tmp_path_factory.mktemp("published")
    cache = folder / "hub"
    cache.mkdir()
    models = {kind: make_model(kind, folder / kind) for kind in ("neox", "gpt2", "gemma")}
    jobs, given = [], {}
    for number, (name, case) in enumerate(CASES.items()):
        entry = case.entry
        weights = Weights.random(number, entry.d_in, case.d_sae)
        publish(cache, case, weights)
        x = np.random.default_rng(100 + number).normal(size=(TOKENS, entry.d_in)).astype(np.float32)
        x *= 48 if case.site == "embed" and case.model == "gemma" else 1  # as large as a scaled embedding
        np.save(folder / f"{number}.npy", x)
        jobs.append(
            {
                "model": str(models[case.model]),
                "release": entry.release,
                "id": entry.id,
                "input": str(folder / f"{number}.npy"),
                "output": str(folder / f"{number}.npz"),
            }
        )
        given[name] = (weights, x, models[case.model], folder / f"{number}.npz")
    (folder / "jobs.json").write_text(json.dumps(jobs))
    environment = os.environ | {"HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "tests.ingest.load_offline", str(folder / "jobs.json")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: Loaded(w, x, model, np.load(output)) for name, (w, x, model, output) in given.items()}


@pytest.mark.parametrize("name", CASES)
def test_features_are_those_of_the_definition(name: str, loaded: dict[str, Loaded]) -> None:
    case, one = CASES[name], loaded[name]
    expected = case.acts(one.weights, one.x, one.model)
    assert 0.05 < (expected[:, :48] > 0).mean() < 0.95
    np.testing.assert_allclose(one.found["acts"], expected, atol=2e-4, rtol=1e-3)
    assert str(one.found["hook"]) == case.hook


@pytest.mark.parametrize("name", CASES)
def test_decoding_gives_back_what_the_features_stand_for(name: str, loaded: dict[str, Loaded]) -> None:
    """Directions are the decoder's, with Gemma Scope's embedding in units of the scaled embedding."""
    case, one = CASES[name], loaded[name]
    acts = case.acts(one.weights, one.x, one.model)
    directions = one.weights.W_dec * (np.sqrt(2304) if case.model == "gemma" and case.site == "embed" else 1)
    found = one.found["decoded"] - one.found["decoded"][:1]
    np.testing.assert_allclose(found, acts @ directions - (acts @ directions)[:1], atol=2e-3, rtol=1e-3)
