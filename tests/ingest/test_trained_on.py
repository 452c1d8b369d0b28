"""A dictionary trained on a rewritten model fires as it did there: compared with TransformerLens' own rewriting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from circuit_atlas.errors import ModelError
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.model_files import load_model, quiet
from circuit_atlas.ingest.placement import place
from circuit_atlas.ingest.releases import prepare
from circuit_atlas.ingest.trained_on import CENTRED, FOLDED, ITSELF, bring_to_model
from tests.cli.toy import make_model
from tests.ingest.tiny import save_tokenizer

TOKENS = torch.tensor([[1, 2, 3, 4, 5], [9, 8, 7, 6, 5]])
D_MODEL, D_SAE = 16, 24


def gpt2(folder: Path) -> LanguageModel:
    """A tiny random GPT-2 with biases everywhere."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocab_size": 20, "n_embd": D_MODEL, "n_layer": 2, "n_head": 2}
    model: Any = GPT2LMHeadModel(GPT2Config(**sizes, initializer_range=0.4, bos_token_id=0, eos_token_id=0))
    for name, weight in model.named_parameters():
        if name.endswith("bias") or ".ln_" in name:
            weight.data = torch.randn_like(weight)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return load_model(str(folder))


def random_dictionary(hook: str, *, subtracts: bool, kind: str = "standard", **metadata: Any) -> Any:
    """A random SAELens dictionary."""
    import sae_lens
    from sae_lens.saes.sae import SAEMetadata

    torch.manual_seed(1)
    sizes: dict[str, Any] = {"d_in": D_MODEL, "d_sae": D_SAE, "apply_b_dec_to_input": subtracts}
    said = SAEMetadata(hook_name=hook, **metadata)
    sae: Any = {
        "standard": lambda: sae_lens.StandardSAE(sae_lens.StandardSAEConfig(**sizes, metadata=said)),
        "jumprelu": lambda: sae_lens.JumpReLUSAE(sae_lens.JumpReLUSAEConfig(**sizes, metadata=said)),
        "topk": lambda: sae_lens.TopKSAE(sae_lens.TopKSAEConfig(**sizes, k=4, metadata=said)),
        "gated": lambda: sae_lens.GatedSAE(sae_lens.GatedSAEConfig(**sizes, metadata=said)),
    }[kind]()
    for weight in sae.parameters():
        weight.data = torch.randn_like(weight) * 0.4
    return sae


@pytest.mark.slow
@pytest.mark.parametrize("subtracts", [True, False])
@pytest.mark.parametrize("kind", ["standard", "jumprelu", "topk"])
@pytest.mark.parametrize(
    ("hook", "form"),
    [
        ("blocks.0.hook_resid_pre", CENTRED),
        ("blocks.1.hook_resid_post", CENTRED),
        ("blocks.1.hook_attn_out", CENTRED),
        ("blocks.0.attn.hook_z", FOLDED),
        ("blocks.1.attn.hook_z", FOLDED),
    ],
)
def test_it_fires_as_on_the_rewritten_model(hook: str, form: str, kind: str, subtracts: bool, tmp_path: Path) -> None:
    raw, rewritten = gpt2(tmp_path), load_model(str(tmp_path))
    with quiet():
        rewritten.bridge.enable_compatibility_mode()
    site = place(hook, raw)
    sae = random_dictionary(hook, subtracts=subtracts, kind=kind)
    with torch.no_grad():
        x = rewritten.activations(TOKENS, [place(hook, rewritten)]).popitem()[1]
        expected, decoded = sae.encode(x), sae.decode(sae.encode(x))
        ours = raw.activations(TOKENS, [site])[site]
        assert not torch.allclose(sae.encode(ours), expected, atol=1e-2)  # the rewriting matters here
        bring_to_model(sae, form, site, raw)
        found = sae.encode(ours)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        # what is left out is the same but for what the rewriting took away
        taken = ours - x
        assert torch.allclose(taken, taken.mean(-1, keepdim=True), atol=1e-4) or form == FOLDED
        left, theirs = ours - sae.decode(found), x - decoded
        left, theirs = left - left.mean(-1, keepdim=True), theirs - theirs.mean(-1, keepdim=True)
        torch.testing.assert_close(left, theirs, atol=1e-4, rtol=1e-4)


def test_the_rewritten_model_says_the_same(tmp_path: Path) -> None:
    raw, rewritten = gpt2(tmp_path), load_model(str(tmp_path))
    with quiet():
        rewritten.bridge.enable_compatibility_mode()
    ours, theirs = (torch.log_softmax(model.run(TOKENS), -1) for model in (raw, rewritten))
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_what_its_own_configuration_says_is_heeded(tmp_path: Path) -> None:
    model, hook = gpt2(tmp_path), "blocks.1.hook_resid_post"
    said = random_dictionary(hook, subtracts=True, model_from_pretrained_kwargs={"center_writing_weights": True})
    plain = random_dictionary(hook, subtracts=True)
    before = plain.W_enc.data.clone()
    for sae in (said, plain):
        prepare(sae, place(hook, model), model)
    assert torch.equal(plain.W_enc.data, before)
    torch.testing.assert_close(said.W_enc.data, before - before.mean(0))


def test_a_model_with_other_norms_is_never_centred(tmp_path: Path) -> None:
    model, hook = load_model(str(make_model(tmp_path))), "blocks.1.hook_resid_post"
    sae = random_dictionary(hook, subtracts=True)
    before = sae.W_enc.data.clone()
    bring_to_model(sae, CENTRED, place(hook, model), model)
    assert torch.equal(sae.W_enc.data, before)


def test_what_was_trained_on_the_model_itself_is_left_alone(tmp_path: Path) -> None:
    model, hook = gpt2(tmp_path), "blocks.1.attn.hook_z"
    sae = random_dictionary(hook, subtracts=True)
    before = {name: value.clone() for name, value in sae.state_dict().items()}
    bring_to_model(sae, ITSELF, place(hook, model), model)
    assert all(torch.equal(value, before[name]) for name, value in sae.state_dict().items())


def test_a_kind_that_cannot_be_rewritten_is_refused(tmp_path: Path) -> None:
    model, hook = gpt2(tmp_path), "blocks.1.hook_resid_post"
    sae = random_dictionary(hook, subtracts=True, kind="gated")
    with pytest.raises(ModelError, match="the dictionary at resid_1 was trained on a rewritten model"):
        bring_to_model(sae, CENTRED, place(hook, model), model)
    standard = random_dictionary(hook, subtracts=True)
    with pytest.raises(ModelError, match="value biases are folded at z, not at resid_1"):
        bring_to_model(standard, FOLDED, place(hook, model), model)
