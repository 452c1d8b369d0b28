"""A model of Pythia-70M's shape with random weights, 19 random dictionaries of width 32,768 and examples, as files.

Nothing is downloaded and nothing is read but what is written here; the same seed gives the same files. The bias of each
dictionary is set so that about `ACTIVE` features fire on a token of the examples.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.model_files import load_model
from circuit_atlas.ingest.sites import COMPONENTS, Site, site_from_name

LAYERS, WIDTH, HEADS, VOCABULARY, FEATURES, ACTIVE = 6, 512, 8, 50_304, 32_768, 75


@dataclass(frozen=True)
class Workload:
    """Folders and files of one workload, and its shape."""

    folder: Path
    features: int
    vocabulary: int

    @property
    def model(self) -> Path:
        """Checkpoint folder."""
        return self.folder / "model"

    @property
    def dictionaries(self) -> Path:
        """Folder of SAELens dictionaries."""
        return self.folder / "dictionaries"

    def examples(self, count: int, length: int) -> Path:
        """Write `count` pairs of `length` tokens; returns the file."""
        file = self.folder / f"pairs-{count}-{length}.jsonl"
        rng = random.Random(0)
        rows = [json.dumps(self._pair(rng, length)) for _ in range(count)]
        file.write_text("\n".join(rows) + "\n", encoding="utf-8")
        return file

    def _pair(self, rng: random.Random, length: int) -> dict[str, str]:
        words = rng.sample(range(2, self.vocabulary), length + 3)
        other = [*words[: length // 2], words[-1], *words[length // 2 + 1 : length]]
        clean, patch = (" ".join(f"w{w}" for w in some) for some in (words[:length], other))
        answers = {"clean_answer": f" w{words[length]}", "patch_answer": f" w{words[length + 1]}"}
        return {"clean_prefix": clean, "patch_prefix": patch, **answers}


def make(folder: Path, *, features: int = FEATURES, vocabulary: int = VOCABULARY, active: int = ACTIVE) -> Workload:
    """Write model, tokenizer and dictionaries into an empty folder; `features` is the width of each dictionary."""
    made = Workload(folder, features, vocabulary)
    _write_model(made)
    model = load_model(str(made.model))
    tokens = torch.randint(2, vocabulary, (8, 7), generator=torch.Generator().manual_seed(1))
    for site, x in model.activations(tokens, _sites()).items():
        _write_dictionary(made, model, site, x.flatten(0, 1), active)
    return made


def _sites() -> list[Site]:
    names = [f"{component}_{layer}" for layer in range(LAYERS) for component in COMPONENTS]
    return [site_from_name(name) for name in ("embed", *names)]


def _write_model(made: Workload) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    configuration = GPTNeoXConfig(
        vocab_size=made.vocabulary,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
        max_position_embeddings=2_048,
        rotary_pct=0.25,
        use_parallel_residual=True,
        bos_token_id=0,
        eos_token_id=0,
        initializer_range=0.05,
    )
    GPTNeoXForCausalLM(configuration).save_pretrained(made.model)
    words = {"<end>": 0, "<unk>": 1, **{f"w{i}": i for i in range(2, made.vocabulary)}}
    tokenizer: Any = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    named = {"eos_token": "<end>", "bos_token": "<end>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(made.model)


def _write_dictionary(made: Workload, model: LanguageModel, site: Site, x: Tensor, active: int) -> None:
    generator = torch.Generator().manual_seed(1 + 10 * (site.layer + 1) + site.rank)
    decoder = torch.randn(made.features, model.d_model, generator=generator)
    decoder /= decoder.norm(dim=1, keepdim=True)
    encoder = decoder.T.contiguous()
    before = x @ encoder
    threshold = before.flatten().kthvalue(before.numel() - active * len(x)).values
    weights = {
        "W_enc": encoder,
        "b_enc": -threshold.expand(made.features).contiguous(),
        "W_dec": decoder,
        "b_dec": torch.zeros(model.d_model),
    }
    configuration = {
        "architecture": "standard",
        "d_in": model.d_model,
        "d_sae": made.features,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"hook_name": site.hook_name},
    }
    folder = made.dictionaries / site.name
    folder.mkdir(parents=True)
    save_file(weights, folder / "sae_weights.safetensors")
    (folder / "cfg.json").write_text(json.dumps(configuration), encoding="utf-8")
