"""What a feature says for itself: the tokens it fires on in the data, and those its decoder direction promotes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from circuit_atlas.ingest.batches import TokenExample
from circuit_atlas.ingest.directions import Directions
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.node_effects import UnitEffects
from circuit_atlas.ingest.sites import Site

_TOKENS = 5
"""Tokens told of each feature."""


@dataclass(frozen=True)
class Evidence:
    """Tokens of one feature, strongest first."""

    top_tokens: list[str]
    top_activations: list[float]
    promotes: list[str]
    suppresses: list[str]


def token_text(tokenizer: Any, token: int) -> str:
    """Text of one token, its leading space kept."""
    piece = tokenizer.convert_ids_to_tokens(int(token))
    return str(piece).replace("▁", " ").replace("Ġ", " ")


def gather_evidence(
    model: LanguageModel,
    directions: Mapping[Site, Directions],
    effects: Mapping[Site, UnitEffects],
    examples: Sequence[TokenExample],
) -> dict[Site, dict[int, Evidence]]:
    """Evidence for each stored feature of each site."""
    unembedding = model.unembedding()
    found: dict[Site, dict[int, Evidence]] = {}
    for site, chosen in directions.items():
        features = chosen.features
        fires = _fires_on(effects[site], features, examples, model.tokenizer)
        logits = model.written(site, chosen.rows.to(unembedding)) @ unembedding.T
        told = min(_TOKENS, logits.shape[1])
        up, down = logits.topk(told).indices, (-logits).topk(told).indices
        found[site] = {
            int(feature): Evidence(
                [token for token, _ in fires[int(feature)]],
                [activation for _, activation in fires[int(feature)]],
                [token_text(model.tokenizer, int(t)) for t in up[row]],
                [token_text(model.tokenizer, int(t)) for t in down[row]],
            )
            for row, feature in enumerate(features)
        }
    return found


def _fires_on(
    rows: UnitEffects, features: Tensor, examples: Sequence[TokenExample], tokenizer: Any
) -> dict[int, list[tuple[str, float]]]:
    """For each feature its strongest distinct tokens on clean inputs, with the largest activation on each."""
    wanted = torch.isin(rows.unit, features) & (rows.clean > 0)
    columns = (t[wanted].tolist() for t in (rows.unit, rows.example, rows.position, rows.clean))
    strongest: dict[int, dict[int, float]] = {int(feature): {} for feature in features}
    for unit, example, position, activation in zip(*columns, strict=True):
        token = examples[example].clean[position]
        strongest[unit][token] = max(activation, strongest[unit].get(token, 0.0))
    ranked = {
        unit: sorted(tokens.items(), key=lambda pair: (-pair[1], pair[0]))[:_TOKENS]
        for unit, tokens in strongest.items()
    }
    return {unit: [(token_text(tokenizer, token), a) for token, a in pairs] for unit, pairs in ranked.items()}
