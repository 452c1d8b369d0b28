"""A tiny random Llama with SAELens dictionaries, made on the spot: enough for `discover` to run or to refuse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

WORDS = ("<unk>", "<s>", "the", "man", "men", "dog", "dogs", "near", "runs", "run", "fast", ".")
D_MODEL, D_SAE, LAYERS = 16, 32, 2
PAIRS = (
    ("the man near the dogs", "the men near the dogs"),
    ("the man near the dog", "the men near the dog"),
    ("the dog near the men", "the dogs near the men"),
    ("the dog near the man", "the dogs near the man"),
)


def make_model(folder: Path, *, seed: int = 0, with_nan: bool = False) -> Path:
    """Write a Hugging Face checkpoint; `with_nan` breaks one weight of its first block."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>").save_pretrained(folder)
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(WORDS),
            hidden_size=D_MODEL,
            intermediate_size=32,
            num_hidden_layers=LAYERS,
            num_attention_heads=2,
            num_key_value_heads=2,
            initializer_range=0.5,
        )
    )
    if with_nan:
        model.model.layers[0].mlp.down_proj.weight.data[0, 0] = float("nan")
    model.save_pretrained(folder)
    return folder


def make_dictionaries(
    folder: Path, *, d_in: int = D_MODEL, hook: str = "hook_resid_post", layers: Sequence[int] = range(LAYERS)
) -> Path:
    """Write TopK dictionaries (k = 4) at one hook of each layer, in SAELens format."""
    import torch
    from safetensors.torch import save_file

    for layer in layers:
        place = folder / f"resid_{layer}"
        place.mkdir(parents=True)
        generator = torch.Generator().manual_seed(layer)
        decoder = torch.nn.functional.normalize(torch.randn(D_SAE, d_in, generator=generator), dim=1)
        weights = {
            "W_dec": decoder,
            "W_enc": decoder.T.contiguous(),
            "b_enc": torch.zeros(D_SAE),
            "b_dec": torch.zeros(d_in),
        }
        save_file(weights, place / "sae_weights.safetensors")
        config = {
            "architecture": "topk",
            "k": 4,
            "d_in": d_in,
            "d_sae": D_SAE,
            "dtype": "float32",
            "device": "cpu",
            "apply_b_dec_to_input": True,
            "normalize_activations": "none",
            "reshape_activations": "none",
            "rescale_acts_by_decoder_norm": False,
            "metadata": {"hook_name": f"blocks.{layer}.{hook}"},
        }
        (place / "cfg.json").write_text(json.dumps(config))
    return folder


def pair(clean: str, patch: str, clean_answer: str = " runs", patch_answer: str = " run") -> str:
    """One line of an examples file."""
    return json.dumps(
        {"clean_prefix": clean, "patch_prefix": patch, "clean_answer": clean_answer, "patch_answer": patch_answer}
    )


def make_examples(path: Path, lines: Sequence[str] | None = None) -> Path:
    """Write an examples file; without lines, four good pairs of five tokens."""
    path.write_text("\n".join(lines if lines is not None else [pair(*texts) for texts in PAIRS]))
    return path
