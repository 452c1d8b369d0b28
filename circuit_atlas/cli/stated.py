"""What every circuit states of itself beside its effects: how it was made, of what exactly, and how far to trust it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

SHORT = 12
"""Digits of a digest that are shown."""


def stated(circuit: Mapping[str, Any], model: Mapping[str, Any], dictionaries: Sequence[str]) -> dict[str, Any]:
    """Return what a circuit states, by name; None where it is not known.

    Args:
        circuit: properties of the circuit.
        model: properties of its model: the digests of weights and tokenizer.
        dictionaries: digest of each dictionary, in any order.

    Returns:
        Among others `lowest_survival`, the least share of the metric that is left without the error of one site, with
        that site; and `dictionaries`, one digest of all (SHA-256 of theirs, sorted) with their number.

    """
    plain = ("rule", "jacobian", "first_token", "after_selection", "right_sign")
    together = hashlib.sha256("".join(sorted(dictionaries)).encode()).hexdigest()
    return {
        **{name: circuit.get(name) for name in plain},
        "lowest_survival": _lowest(circuit.get("sites"), circuit.get("site_survival")),
        "weights": _short(model.get("weights_digest")),
        "tokenizer": _short(model.get("tokenizer_digest")),
        "dictionaries": f"{_short(together)} ({len(dictionaries)})" if dictionaries else None,
        "data": _short(circuit.get("data_digest")),
    }


def _short(digest: str | None) -> str | None:
    return digest[:SHORT] if digest else None


def _lowest(sites: Sequence[str] | None, survival: Sequence[float] | None) -> str | None:
    if not sites or not survival:
        return None
    least, site = min(zip(survival, sites, strict=True))
    return f"{least:.4g} ({site})"
