r"""Dictionaries that were trained on another form of the same model, brought to the model as it is.

TransformerLens can rewrite a model's weights without changing its output. Two of these rewritings change activations
that dictionaries were trained on:

- *centred stream* (`center_writing_weights`): everything that is written to the residual stream has its mean over the
  stream's width subtracted, x' = P x with P = 1 − 11ᵀ/d. A model whose readers all begin with LayerNorm gives the same
  output.
- *value biases folded* (`fold_ln` and `fold_value_biases`): attention's weights sum to one, so the constant part of the
  values, c = b_V + W_Vᵀ b_ln, is moved from z into the output bias: x' = x − c.

Both are x' = P x − c. A dictionary that was to read x' reads x with

    W_enc ← P W_enc,    b_dec ← b_dec + c,    b_enc ← b_enc − (c + b) W_enc + (b + c) P W_enc

where the right-hand sides have the old values, and b is b_dec where that is subtracted from the input, else b and b + c
are 0. Its features are then exactly those on x', and what it leaves out, (1 − P) x with it, is in the error.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from circuit_atlas.errors import ModelError
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.presets import TRAINED_ON
from circuit_atlas.ingest.sites import Site

ITSELF, CENTRED, FOLDED = TRAINED_ON

_AFFINE = ("standard", "topk", "jumprelu")
"""Architectures whose encoder is one affine map with something behind it."""


def bring_to_model(sae: Any, trained_on: str, site: Site, model: LanguageModel) -> None:
    """Rewrite a SAELens dictionary in place for the model as it is loaded, its weights not rewritten.

    Args:
        sae: the dictionary.
        trained_on: the form of the model that it was trained on, one of `TRAINED_ON`.
        site: where it sits.
        model: the model.

    Raises:
        ModelError: the dictionary is of a kind that cannot be rewritten so.

    """
    if trained_on == ITSELF or (trained_on == CENTRED and not _is_centred(site, model)):
        return
    if site.layer >= model.n_layers or sae.cfg.d_in != model.width_at(site):
        return  # it is for another model, which is told where suites are put together
    kind, normalisation = sae.cfg.architecture(), sae.cfg.normalize_activations
    if kind not in _AFFINE or normalisation != "none":
        raise ModelError(
            f"the dictionary at {site.name} was trained on a rewritten model ({trained_on}), and one of kind {kind} "
            f"with normalisation {normalisation!r} cannot be brought to the model itself"
        )
    constant = folded_values(model, site) if trained_on == FOLDED else sae.b_dec.new_zeros(sae.cfg.d_in)
    with torch.no_grad():
        _rewrite(sae, constant.to(sae.b_dec), centred=trained_on == CENTRED)


def _is_centred(site: Site, model: LanguageModel) -> bool:
    """Whether centring what is written changes activations at a site: TransformerLens does so for LayerNorm alone."""
    return not site.is_z and str(getattr(model.bridge.cfg, "normalization_type", "LN")) in ("LN", "LNPre")


def _rewrite(sae: Any, constant: Float[Tensor, " d_in"], *, centred: bool) -> None:
    old = sae.W_enc.data
    new = old - old.mean(0) if centred else old
    subtracted = sae.b_dec.data if sae.cfg.apply_b_dec_to_input else torch.zeros_like(sae.b_dec.data)
    again = subtracted + constant if sae.cfg.apply_b_dec_to_input else subtracted
    sae.b_enc.data = sae.b_enc.data - (constant + subtracted) @ old + again @ new
    sae.b_dec.data = sae.b_dec.data + constant
    sae.W_enc.data = new


def folded_values(model: LanguageModel, site: Site) -> Float[Tensor, " d_in"]:
    """What the values of a block's attention hold whatever its input: c = b_V + W_Vᵀ b_ln, for each query head.

    Raises:
        ModelError: the site is not attention before its output projection.

    """
    if not site.is_z:
        raise ModelError(f"value biases are folded at z, not at {site.name}")
    block = model.bridge.blocks[site.layer]
    values = block.attn.v.original_component
    shift = getattr(block.ln1.original_component, "bias", None)
    if shift is None:
        shift = torch.zeros(values.in_features).to(next(values.parameters()))
    with torch.no_grad():
        found: Tensor = values(shift)
    heads = int(model.bridge.cfg.n_heads), int(model.bridge.cfg.d_head)
    per_head = found.detach().view(-1, heads[1])
    return per_head.repeat_interleave(heads[0] // len(per_head), dim=0).flatten()
