"""Random dictionaries in the forms in which the presets' releases are published, and what they compute, in numpy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from tests.ingest.hub_cache import add

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Weights:
    """Weights of one dictionary: encoder [d_in, d_sae], decoder [d_sae, d_in], biases and thresholds."""

    W_enc: Array
    b_enc: Array
    W_dec: Array
    b_dec: Array
    threshold: Array

    @classmethod
    def random(cls, seed: int, d_in: int, d_sae: int, filled: int = 64) -> Weights:
        """Draw weights; beyond `filled` features they are zero, as only that many need be told apart."""
        draw, some = np.random.default_rng(seed), min(filled, d_sae)
        encoder, decoder = np.zeros((d_in, d_sae), np.float32), np.zeros((d_sae, d_in), np.float32)
        encoder[:, :some] = draw.normal(size=(d_in, some)) / d_in**0.5
        decoder[:some] = draw.normal(size=(some, d_in))
        b_enc, threshold = np.zeros(d_sae, np.float32), np.full(d_sae, 1e6, np.float32)
        b_enc[:some] = draw.normal(size=some) * 0.3
        threshold[:some] = np.abs(draw.normal(size=some)) * 0.3
        return cls(encoder, b_enc, decoder, draw.normal(size=d_in).astype(np.float32), threshold)

    def relu(self, x: Array) -> Array:
        """Features of a dictionary whose decoder's bias is subtracted from the input."""
        return np.maximum((x - self.b_dec) @ self.W_enc + self.b_enc, 0.0)

    def jump(self, x: Array) -> Array:
        """Features that are as large as their pre-activation where that exceeds their threshold."""
        before = x @ self.W_enc + self.b_enc
        return before * (before > self.threshold)

    def topk(self, x: Array, k: int) -> Array:
        """The k largest pre-activations that are positive; the decoder's bias is subtracted from the input."""
        before = np.maximum((x - self.b_dec) @ self.W_enc + self.b_enc, 0.0)
        least = np.sort(before, axis=-1)[:, -k, None]
        return np.where(before >= least, before, 0.0)

    def decode(self, acts: Array) -> Array:
        """What features reconstruct."""
        return acts @ self.W_dec + self.b_dec

    @property
    def named(self) -> dict[str, Array]:
        """Weights without thresholds under SAELens' names."""
        return {"W_enc": self.W_enc, "b_enc": self.b_enc, "W_dec": self.W_dec, "b_dec": self.b_dec}


def publish_saelens(
    cache: Path, repository: str, path: str, weights: Weights, hook: str, **cfg: Any
) -> None:  # fmt: skip
    """Put cfg.json, in the form of SAELens before 6.0, and sae_weights.safetensors into a folder of a repository."""
    d_in, d_sae = weights.W_enc.shape
    said = {
        "architecture": "standard",
        "d_in": d_in,
        "d_sae": d_sae,
        "activation_fn_str": "relu",
        "apply_b_dec_to_input": True,
        "finetuning_scaling_factor": False,
        "context_size": 128,
        "model_name": "model",
        "hook_name": hook,
        "hook_layer": 0,
        "hook_head_index": None,
        "prepend_bos": True,
        "dataset_path": "dataset",
        "normalize_activations": "none",
        "dtype": "torch.float32",
        "device": "cpu",
        "sae_lens_training_version": None,
    }
    config, tensors = cache / "cfg.json", cache / "weights"
    config.write_text(json.dumps(said | cfg))
    save_file(weights.named, tensors)
    add(cache, repository, f"{path}/cfg.json", config)
    add(cache, repository, f"{path}/sae_weights.safetensors", tensors)


def publish_gemma_scope(cache: Path, repository: str, path: str, weights: Weights) -> None:
    """Put params.npz into a folder of a repository."""
    params = cache / "params.npz"
    arrays: dict[str, Any] = {name.replace("W_", "w_"): value for name, value in weights.named.items()}
    np.savez(params, **arrays, threshold=weights.threshold)
    add(cache, repository, f"{path}/params.npz", params)


def publish_hook_z(cache: Path, repository: str, path: str, weights: Weights, layer: int) -> None:
    """Put a state of torch and its configuration, named alike, into the root of a repository."""
    state, config = cache / "state", cache / "config"
    torch.save({name: torch.from_numpy(value) for name, value in weights.named.items()}, state)
    d_in, d_sae = weights.W_enc.shape
    said = {"act_size": d_in, "dict_size": d_sae, "act_name": f"blocks.{layer}.attn.hook_z", "enc_dtype": "fp32"}
    config.write_text(json.dumps(said | {"site": "z", "layer": layer, "concat_heads": True}))
    add(cache, repository, path, state)
    add(cache, repository, path.removesuffix(".pt") + "_cfg.json", config)
