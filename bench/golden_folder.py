"""A folder of golden outputs of the published implementation: a model, dictionaries, data and arrays.

Its form: `model/` (a Hugging Face checkpoint), `dictionaries/<site>/ae.safetensors` (the published format, or JumpReLU
with `W_enc`, `b_enc`, `threshold`, `W_dec`, `b_dec`), `data.json` (token ids), and `.npz` files of effects and edges.
For Gemma 2 the published code's sites are the embedding before its scale, attention at z, the MLP behind its norm.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from circuit_atlas.errors import DataError
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.model_files import load_model
from circuit_atlas.ingest.sites import Site, site_from_hook, site_from_name

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class GoldenFolder:
    """What a golden folder holds, ready to run."""

    path: Path
    model: LanguageModel
    dictionaries: Mapping[Site, SparseDictionary]

    def arrays(self, name: str) -> Arrays:
        """Return the arrays of one `.npz` file."""
        with np.load(self.path / f"{name}.npz") as file:
            return dict(file)

    def pairs(self, count: int | None = None) -> Batch:
        """Return the first `count` pairs as one batch (all, where None)."""
        data = json.loads((self.path / "data.json").read_text())["pairs"]
        return _batch({key: data[key][:count] for key in ("clean", "patch", "clean_answer", "patch_answer")})

    def single(self, count: int | None = None) -> Batch:
        """Return the first `count` single inputs as one batch (all, where None)."""
        data = json.loads((self.path / "data.json").read_text())["single"]
        return _batch({key: data[key][:count] for key in ("clean", "clean_answer")})


def open_golden(path: Path) -> GoldenFolder:
    """Load a golden folder.

    Raises:
        DataError: it is not one.

    """
    if not (path / "model").is_dir() or not (path / "data.json").is_file():
        raise DataError(f"{path} is not a golden folder: it has no model/ or no data.json")
    model = load_model(str(path / "model"))
    kind = str(json.loads((path / "model" / "config.json").read_text())["model_type"])
    found = [_dictionary(file, kind) for file in sorted((path / "dictionaries").glob("*/ae.safetensors"))]
    return GoldenFolder(path, model, {d.site: d for d in sorted(found, key=lambda d: d.site)})


def _batch(data: dict[str, Any]) -> Batch:
    tensors = {key: torch.tensor(value) for key, value in data.items()}
    order = torch.arange(len(tensors["clean"]))
    return Batch(
        clean=tensors["clean"],
        clean_answer=tensors["clean_answer"],
        patch=tensors.get("patch"),
        patch_answer=tensors.get("patch_answer"),
        indices=order,
        items=order,
    )


def _site(folder: str, kind: str) -> Site:
    """Site of a dictionary's folder, such as `attn_out_layer0`, in a model of some kind."""
    site = site_from_name(re.sub(r"_(?:out_)?layer", "_", folder).replace("_out_", "_"))
    if kind != "gemma2" or site.component in ("embed", "resid"):
        return site
    return site_from_hook(
        f"blocks.{site.layer}." + ("attn.hook_z" if site.component == "attn" else "ln2_post.hook_out")
    )


def _dictionary(file: Path, kind: str) -> SparseDictionary:
    from sae_lens import JumpReLUSAE, JumpReLUSAEConfig, StandardSAE, StandardSAEConfig

    weights = load_file(file)
    site = _site(file.parent.name, kind)
    if "threshold" in weights:
        d_in, d_sae = weights["W_enc"].shape
        sae: Any = JumpReLUSAE(JumpReLUSAEConfig(d_in=d_in, d_sae=d_sae, apply_b_dec_to_input=False))
        sae.load_state_dict(weights)
    else:
        d_sae, d_in = weights["encoder.weight"].shape
        sae = StandardSAE(StandardSAEConfig(d_in=d_in, d_sae=d_sae, apply_b_dec_to_input=True))
        sae.load_state_dict(
            {
                "W_enc": weights["encoder.weight"].T.contiguous(),
                "b_enc": weights["encoder.bias"],
                "W_dec": weights["decoder.weight"].T.contiguous(),
                "b_dec": weights["bias"],
            }
        )
    if kind == "gemma2" and site.component == "embed":
        _scale_input(sae, d_in**0.5)
    sae.requires_grad_(False)
    return SparseDictionary.holding(site, sae, str(file))


def _scale_input(sae: Any, scale: float) -> None:
    """Let a dictionary read and write its activation times a scale, with the same features.

    Gemma scales the embedding inside the module that looks words up, so that what is before has no hook.
    """
    sae.W_enc.data /= scale
    sae.W_dec.data *= scale
    sae.b_dec.data *= scale
