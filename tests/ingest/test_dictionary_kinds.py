"""Every kind of dictionary, drawn at random: splitting an activation, and gradients through each unit, by autograd."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from circuit_atlas.ingest.changes import Ends, UnitChanges, unit_changes
from circuit_atlas.ingest.cotangents import ActiveRows, UnitRows, Units, through_features, unit_cotangents
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.neurons import Identity
from circuit_atlas.ingest.sites import site_from_name

SITE = site_from_name("resid_0")
KINDS = ("standard", "topk", "rescaled topk", "jumprelu", "gated", "batchtopk", "identity")
NORMALISATIONS = ("none", "expected_average_only_in", "constant_norm_rescale", "layer_norm")


def _make(kind: str, normalisation: str, subtract: bool, d_in: int, d_sae: int, seed: int) -> SparseDictionary:
    import sae_lens

    if kind == "identity":
        return SparseDictionary.holding(SITE, Identity(d_in, torch.device("cpu")), "made here")
    sizes: dict[str, Any] = {
        "d_in": d_in,
        "d_sae": d_sae,
        "normalize_activations": normalisation,
        "apply_b_dec_to_input": subtract,
    }
    k = min(3, d_sae)
    made: dict[str, Any] = {
        "standard": lambda: sae_lens.StandardSAE(sae_lens.StandardSAEConfig(**sizes)),
        "topk": lambda: sae_lens.TopKSAE(sae_lens.TopKSAEConfig(**sizes, k=k)),
        "rescaled topk": lambda: sae_lens.TopKSAE(
            sae_lens.TopKSAEConfig(**sizes, k=k, rescale_acts_by_decoder_norm=True)
        ),
        "jumprelu": lambda: sae_lens.JumpReLUSAE(sae_lens.JumpReLUSAEConfig(**sizes)),
        "gated": lambda: sae_lens.GatedSAE(sae_lens.GatedSAEConfig(**sizes)),
        "batchtopk": lambda: sae_lens.BatchTopKTrainingSAE(sae_lens.BatchTopKTrainingSAEConfig(**sizes, k=k)),
    }
    sae = made[kind]()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sae.named_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
            if name == "threshold":
                parameter.abs_()
        if kind == "batchtopk":
            sae.topk_threshold.fill_(0.4)
    return SparseDictionary.holding(SITE, _as_saved(sae) if kind == "batchtopk" else sae.requires_grad_(False), "made")


def _as_saved(sae: Any) -> Any:
    """What SAELens loads of a BatchTopK dictionary that it has saved for inference: a JumpReLU."""
    from sae_lens import SAE

    with tempfile.TemporaryDirectory() as folder:
        sae.save_inference_model(folder)
        loaded: Any = SAE.load_from_disk(Path(folder))
        loaded.load_state_dict({name: t.clone() for name, t in loaded.state_dict().items()})
    assert loaded.cfg.architecture() == "jumprelu"
    return loaded.requires_grad_(False)


def _scale(dictionary: SparseDictionary, x: Tensor) -> Tensor:
    """What one unit of activation counts after the input was normalised, by SAELens' definitions."""
    kind = dictionary.cfg.normalize_activations
    if kind == "constant_norm_rescale":
        found: Tensor = x.norm(dim=-1, keepdim=True) / dictionary.d_in**0.5
        return found
    if kind == "layer_norm":
        std: Tensor = (x - x.mean(-1, keepdim=True)).std(dim=-1, keepdim=True)
        return std
    return torch.ones_like(x[..., :1])


def _acts(dictionary: SparseDictionary, x: Tensor) -> Tensor:
    acts: Tensor = dictionary.sae.encode(x) * _scale(dictionary, x)
    return acts


def _directions(dictionary: SparseDictionary) -> Tensor:
    rows: Tensor = dictionary.sae.W_dec
    rescaled = getattr(dictionary.cfg, "rescale_acts_by_decoder_norm", False)
    return rows / rows.norm(dim=-1, keepdim=True) if rescaled else rows


def _literal(dictionary: SparseDictionary, x: Tensor, outer: Tensor, unit: int) -> Tensor:
    """Gradient of the metric through one unit alone, by autograd through encoding and decoding."""
    leaf = x.clone().requires_grad_()
    acts = _acts(dictionary, leaf)
    if unit < dictionary.d_sae:
        value = (acts[..., unit] * (outer @ _directions(dictionary)[unit])).sum()
    else:
        value = ((leaf - acts @ _directions(dictionary)) * outer).sum()
    if not value.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(value, leaf)
    return gradient


DRAWN = st.tuples(
    st.sampled_from(KINDS),
    st.sampled_from(NORMALISATIONS),
    st.booleans(),
    st.integers(3, 9),
    st.integers(2, 14),
    st.integers(0, 10_000),
)


def _drawn(drawn: tuple[str, str, bool, int, int, int]) -> tuple[SparseDictionary, Tensor, Tensor, Tensor]:
    dictionary = _make(*drawn)
    generator = torch.Generator().manual_seed(drawn[-1] + 1)
    x, patch, outer = torch.randn(3, 2, 3, drawn[3], generator=generator)
    return dictionary, x, patch, outer


def _changes(dictionary: SparseDictionary, x: Tensor, patch: Tensor) -> UnitChanges:
    return unit_changes(dictionary, Ends({SITE: x}, {SITE: patch}))


@pytest.mark.slow
@given(DRAWN)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_features_and_error_make_up_the_activation(drawn: tuple[str, str, bool, int, int, int]) -> None:
    dictionary, x, patch, _ = _drawn(drawn)
    dictionary.check()
    acts = dictionary.encode(x)
    torch.testing.assert_close(acts, _acts(dictionary, x))
    whole = acts @ _directions(dictionary) + dictionary.bias + dictionary.error(x, acts)
    torch.testing.assert_close(whole, x, atol=1e-4, rtol=1e-4)
    changes = _changes(dictionary, x, patch)
    moved = torch.zeros_like(x)
    moved.index_put_((changes.example, changes.position), changes.directions(slice(None)), accumulate=True)
    torch.testing.assert_close(moved, patch - x, atol=1e-4, rtol=1e-4)  # all units moved together move all of it


@pytest.mark.slow
@given(DRAWN)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_gradients_through_each_unit_are_those_of_autograd(drawn: tuple[str, str, bool, int, int, int]) -> None:
    dictionary, x, patch, outer = _drawn(drawn)
    active = ActiveRows.on_clean(_changes(dictionary, x, patch))
    units = Units(torch.arange(dictionary.d_sae + 1))
    through = through_features(dictionary, x, active, outer)
    found = unit_cotangents(dictionary, x, active, units, UnitRows.of(dictionary, units), outer, through)
    for unit in range(dictionary.d_sae + 1):
        expected = _literal(dictionary, x, outer, unit)
        torch.testing.assert_close(found[unit], expected, atol=1e-4, rtol=1e-3)
