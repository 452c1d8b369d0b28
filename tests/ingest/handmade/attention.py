"""A two-layer attention model written by hand, whose layer-1 head composes with layer 0 through Q, K and V.

The stream has 16 coordinates. Coordinate 0 is a constant C, so large that each norm (with the weight C/√16) leaves the
others as they are, up to 1e-7. A word has three values g = (Q, K, V) at coordinates 1-3. Layer 0 attends uniformly and
writes their means over the positions so far, m, to 4-6; that of V once more to 7: a duplicated path. Layer 1 at the
last position has

    score_s = q · k_s / 4,  q = ALPHA m_Q + Q0,  k_s = beta m_K(s) + K0,  v_s = m_V(s) + m_V'(s),  o = Σ A_s v_s,

and writes o to coordinates 8, 9 and 10. The metric is κ (x8 + x9 - x10): 9 and 10 cancel each other. The values g
themselves pass on in the stream, active and without effect: decoys at resid_0 and resid_1.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.dictionary_files import Suite
from circuit_atlas.ingest.model_files import load_model
from circuit_atlas.ingest.preparation import Loaded
from circuit_atlas.ingest.sites import site_from_name

Array = NDArray[np.float64]
C, WIDTH, KAPPA, ALPHA, Q0, K0 = 10_000.0, 16, 0.5, 1.2, 0.3, 0.2
SITES = ("embed", "attn_0", "resid_0", "attn_1", "resid_1")
WORDS = ("A", "B", "D", "clean", "patch")
VALUES = {"A": (1.0, 0.5, 2.0), "B": (0.4, 1.5, 0.7), "D": (0.7, 0.9, 1.6)}
_LOW = 7
"""Coordinate of the head that rotary positions hardly turn (with its partner 15, which is zero)."""


def write_model(folder: Path, beta: float) -> None:
    """Write the checkpoint."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=WIDTH,
        intermediate_size=2,
        num_hidden_layers=2,
        num_attention_heads=1,
        num_key_value_heads=1,
        rms_norm_eps=1e-12,
        rope_parameters={"rope_type": "default", "rope_theta": 1e12},
        tie_word_embeddings=False,
    )
    model: Any = LlamaForCausalLM(config)
    first, second = model.model.layers
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for layer in (first, second):
            layer.input_layernorm.weight.fill_(C / math.sqrt(WIDTH))
            layer.post_attention_layernorm.weight.fill_(C / math.sqrt(WIDTH))
        model.model.norm.weight.fill_(C / math.sqrt(WIDTH))
        embedding = model.model.embed_tokens.weight
        embedding[:, 0] = C
        for word, values in VALUES.items():
            embedding[WORDS.index(word), 1:4] = torch.tensor(values)
        for head, (source, written) in enumerate([(1, 4), (2, 5), (3, 6), (3, 7)]):
            first.self_attn.v_proj.weight[head, source] = 1.0
            first.self_attn.o_proj.weight[written, head] = 1.0
        attention = second.self_attn
        attention.q_proj.weight[_LOW, 4], attention.q_proj.weight[_LOW, 0] = ALPHA, Q0 / C
        attention.k_proj.weight[_LOW, 5], attention.k_proj.weight[_LOW, 0] = beta, K0 / C
        attention.v_proj.weight[0, 6] = attention.v_proj.weight[0, 7] = 1.0
        attention.o_proj.weight[8:11, 0] = 1.0
        model.lm_head.weight[WORDS.index("patch"), 8:11] = torch.tensor([KAPPA, KAPPA, -KAPPA])
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="B"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)


def load(folder: Path) -> Loaded:
    """The model with a feature for each of coordinates 1-10 at every site: feature i is relu(coordinate i + 1)."""
    import sae_lens

    def made() -> Any:
        sae = sae_lens.StandardSAE(sae_lens.StandardSAEConfig(d_in=WIDTH, d_sae=10))
        with torch.no_grad():
            for parameter in sae.parameters():
                parameter.zero_()
            for feature in range(10):
                sae.W_enc[feature + 1, feature] = sae.W_dec[feature, feature + 1] = 1.0
        return sae.requires_grad_(False)

    sites = [site_from_name(name) for name in SITES]
    dictionaries = {site: SparseDictionary.holding(site, made(), "by hand") for site in sites}
    return Loaded(load_model(str(folder)), Suite("by hand", dictionaries))


def means(words: str) -> Array:
    """m [pos, (Q, K, V)] on a prompt."""
    g = np.array([VALUES[word] for word in words.split()])
    found: Array = np.cumsum(g, 0) / np.arange(1, len(g) + 1)[:, None]
    return found


def attention(m: Array, beta: float) -> tuple[Array, Array, float]:
    """Weights A [pos], values v [pos] and output o of layer 1 at the last position."""
    q, k, v = ALPHA * m[-1, 0] + Q0, beta * m[:, 1] + K0, 2 * m[:, 2]
    weights = np.exp(q * k / 4)
    weights /= weights.sum()
    return weights, v, float(weights @ v)


def derivatives(m: Array, beta: float) -> tuple[float, Array, Array]:
    """Derivatives of o by m_Q at the last position, by m_K and by m_V at each: the softmax's, written out."""
    weights, v, o = attention(m, beta)
    q, k = ALPHA * m[-1, 0] + Q0, beta * m[:, 1] + K0
    by_query = float(weights @ (k / 4 * (v - o))) * ALPHA
    by_key = weights * q / 4 * (v - o) * beta
    return by_query, by_key, weights  # each of the two values counts once in v
