"""Tiny random models with random dictionaries of several kinds, for comparison with the literal definitions."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any

import torch

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.metrics import LogitDifference, NegativeLogit
from circuit_atlas.ingest.model_files import load_model
from circuit_atlas.ingest.sites import site_from_hook, site_from_name
from circuit_atlas.ingest.subject import Subject

D_MODEL, D_SAE, VOCABULARY, LAYERS = 16, 24, 20, 2
SITES = ("embed", "attn_0", "mlp_0", "resid_0", "attn_1", "resid_1")
"""Sites with a dictionary: `mlp_1` has none, so that what passes there is direct."""


def make_subject(
    folder: Path, family: str, kind: str, normalisation: str, *, pairs: bool = True, z: bool = False
) -> Subject:
    """Write and load a random model of one family, with random dictionaries of one kind (`z`: attention's at z).

    Gemma's dictionaries of attention and MLP sit behind the norms that stand before the stream.
    """
    from transformers import (
        Gemma2Config,
        Gemma2ForCausalLM,
        GPTNeoXConfig,
        GPTNeoXForCausalLM,
        LlamaConfig,
        LlamaForCausalLM,
    )

    torch.manual_seed(3)
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": D_MODEL,
        "intermediate_size": 32,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "initializer_range": 0.4,
    }
    model: Any = {
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**sizes, num_key_value_heads=1)),
        "neox": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**sizes)),
        "gemma": lambda: Gemma2ForCausalLM(Gemma2Config(**sizes, num_key_value_heads=1, head_dim=8, pad_token_id=0)),
    }[family]()
    for name, weight in model.named_parameters():
        if family == "gemma" and "norm" in name:
            weight.data = torch.randn_like(weight) * 0.3  # by how much a norm scales beside one
    model.save_pretrained(folder)
    save_tokenizer(folder)
    sites = [site_from_name(name) for name in SITES]
    if z:
        hooks = [site.hook_name.replace("attn.hook_out", "attn.hook_z") for site in sites]
        sites = [site_from_hook(hook) for hook in hooks]
    if family == "gemma":
        behind = {"attn.hook_out": "ln1_post.hook_out", "mlp.hook_out": "ln2_post.hook_out"}
        hooks = [reduce(lambda hook, part: hook.replace(*part), behind.items(), site.hook_name) for site in sites]
        sites = [site_from_hook(hook) for hook in hooks]
    dictionaries = {
        site: SparseDictionary.holding(site, _sae(kind, normalisation, number), "made here")
        for number, site in enumerate(sites)
    }
    return Subject(load_model(str(folder)), dictionaries, LogitDifference() if pairs else NegativeLogit())


def save_tokenizer(folder: Path) -> None:
    """Write one word a token: not every architecture loads without tokenizer files."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {f"w{number:02}": number for number in range(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w00"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="w00", bos_token="w01").save_pretrained(folder)


def make_batch(*, pairs: bool = True) -> Batch:
    """Three random examples of five tokens."""
    generator = torch.Generator().manual_seed(5)
    clean, patch = torch.randint(0, VOCABULARY, (2, 3, 5), generator=generator)
    order, answers = torch.arange(3), torch.tensor([1, 2, 3])
    return Batch(clean, answers, patch if pairs else None, answers + 5 if pairs else None, order, order)


def _sae(kind: str, normalisation: str, seed: int) -> Any:
    import sae_lens

    sizes: dict[str, Any] = {"d_in": D_MODEL, "d_sae": D_SAE, "normalize_activations": normalisation}
    made: dict[str, Any] = {
        "standard": lambda: sae_lens.StandardSAE(sae_lens.StandardSAEConfig(**sizes)),
        "topk": lambda: sae_lens.TopKSAE(sae_lens.TopKSAEConfig(**sizes, k=6)),
        "rescaled topk": lambda: sae_lens.TopKSAE(
            sae_lens.TopKSAEConfig(**sizes, k=6, rescale_acts_by_decoder_norm=True)
        ),
        "abstopk": lambda: sae_lens.saes.abstopk_sae.AbsTopKSAE(
            sae_lens.saes.abstopk_sae.AbsTopKSAEConfig(**sizes, k=6)
        ),
        "gated": lambda: sae_lens.GatedSAE(sae_lens.GatedSAEConfig(**sizes)),
        "jumprelu": lambda: sae_lens.JumpReLUSAE(sae_lens.JumpReLUSAEConfig(**sizes)),
    }
    sae = made[kind]()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sae.named_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
            if name == "threshold":
                parameter.abs_()
    sae.requires_grad_(False)
    return sae
