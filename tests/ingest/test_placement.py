"""Where a dictionary sits: behind Gemma 2's norms where its hook's old name says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from circuit_atlas.errors import ModelError
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.model_files import load_model
from circuit_atlas.ingest.placement import place
from circuit_atlas.ingest.sites import site_from_name
from tests.ingest.tiny import save_tokenizer

TOKENS = torch.tensor([[1, 2, 3, 4]])


def gemma(folder: Path) -> LanguageModel:
    """A tiny random Gemma 2 whose norms scale by other than one."""
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=20,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=6,
        pad_token_id=0,
    )
    model: Any = Gemma2ForCausalLM(config)
    for name, weight in model.named_parameters():
        if "layernorm" in name:
            weight.data = torch.randn_like(weight)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return load_model(str(folder))


@pytest.mark.parametrize(
    ("hook", "name", "module"),
    [
        ("blocks.1.hook_mlp_out", "mlp_1", "post_feedforward_layernorm"),
        ("blocks.1.hook_attn_out", "attn_1", "post_attention_layernorm"),
        ("blocks.1.mlp.hook_out", "mlp_1", "mlp"),
        ("blocks.0.hook_resid_post", "resid_0", ""),
        ("blocks.1.hook_resid_pre", "resid_0", ""),
    ],
)
def test_a_place_is_what_the_hook_means_in_the_original_model(
    hook: str, name: str, module: str, tmp_path: Path
) -> None:
    """Compare with what a hook of torch on the original module sees."""
    model = gemma(tmp_path)
    site = place(hook, model)
    original: Any = model.bridge.original_model
    layer = original.model.layers[site.layer]
    seen: list[Any] = []
    handle = (layer.get_submodule(module) if module else layer).register_forward_hook(
        lambda _module, _inputs, output: seen.append(output[0] if isinstance(output, tuple) else output)
    )
    found = model.activations(TOKENS, [site])[site]
    handle.remove()
    assert site.name == name
    assert torch.allclose(found, seen[-1].reshape(found.shape), atol=1e-6)


def test_what_is_behind_the_norm_is_added_to_the_stream_and_what_is_before_it_is_not(tmp_path: Path) -> None:
    model = gemma(tmp_path)
    sites = [place(f"blocks.1.{hook}", model) for hook in ("hook_attn_out", "hook_mlp_out")]
    stream = [site_from_name("resid_0"), site_from_name("resid_1")]
    before, after = model.activations(TOKENS, stream).values()
    attention, mlp = model.activations(TOKENS, sites).values()
    unnormed = model.activations(TOKENS, [place("blocks.1.mlp.hook_out", model)]).popitem()[1]
    assert torch.allclose(before + attention + mlp, after, atol=1e-5)
    assert not torch.allclose(before + attention + unnormed, after, atol=1e-2)


def test_without_norms_behind_them_the_old_names_are_the_usual_places(tmp_path: Path) -> None:
    from tests.cli.toy import make_model
    from tests.ingest.tiny import D_MODEL

    model = load_model(str(make_model(tmp_path)))
    assert model.d_model == D_MODEL
    for hook, name in (("hook_attn_out", "attn_1"), ("hook_mlp_out", "mlp_1")):
        assert place(f"blocks.1.{hook}", model).hook_name == site_from_name(name).hook_name


def test_an_embedding_without_its_positions_is_no_site(tmp_path: Path) -> None:
    from tests.ingest.test_trained_on import gpt2

    model = gpt2(tmp_path)
    assert place("blocks.0.hook_resid_pre", model).name == "embed"
    with pytest.raises(ModelError, match=r"the hook hook_embed of .* is before positions are added"):
        place("hook_embed", model)


def test_where_positions_turn_queries_and_keys_the_embedding_is_the_stream(tmp_path: Path) -> None:
    model = gemma(tmp_path)
    embedding = model.bridge.original_model.get_input_embeddings()(TOKENS)
    assert torch.equal(model.activations(TOKENS, [place("hook_embed", model)]).popitem()[1], embedding)
