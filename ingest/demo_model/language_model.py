"""Train the transformer: a small Llama, as a plain Hugging Face checkpoint."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from circuit_atlas.ingest.demo_model.corpus import batches
from circuit_atlas.progress import Reporter

_IGNORED = -100
"""Label that the loss leaves out."""


def train_model(tokenizer: Any, folder: Path, seed: int, steps: int, reporter: Reporter) -> Any:
    """Train a model on `steps` batches of the grammar's text and save it with its tokenizer; returns it frozen."""
    torch.manual_seed(seed)
    model = _new_model(tokenizer)
    warm_up = steps // 20
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.98), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / warm_up, 0.5 * (1 + math.cos(math.pi * step / steps)) + 0.005),
    )
    model.train()
    with reporter.task("training the model", steps) as advance:
        for tokens in batches(tokenizer, seed, 128, steps):
            labels = tokens.masked_fill(tokens == tokenizer.pad_token_id, _IGNORED)
            loss = model(tokens, labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            advance(1)
    model.eval().requires_grad_(False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def _new_model(tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=64,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=None,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)
