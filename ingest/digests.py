"""Digests: what tells one model, dictionary or data set from another when names do not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def digest_tensors(named: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 over names, shapes, types and values, in the order of the names."""
    sha = hashlib.sha256()
    for name, tensor in sorted(named, key=lambda pair: pair[0]):
        value = tensor.detach().cpu().contiguous()
        sha.update(f"{name}:{tuple(value.shape)}:{value.dtype}".encode())
        sha.update(value.view(-1).view(torch.uint8).numpy().data)  # a view: weights may be large
    return sha.hexdigest()


def digest_json(value: Any) -> str:
    """SHA-256 of a value as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def digest_tokenizer(tokenizer: Any) -> str:
    """SHA-256 of a Hugging Face tokenizer: of all its steps where it tells them, else of its vocabulary."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return digest_json(tokenizer.get_vocab())
    steps = json.loads(backend.to_str())
    return digest_json({name: step for name, step in steps.items() if name not in ("padding", "truncation")})
