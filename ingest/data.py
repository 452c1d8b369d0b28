"""The examples of a discovery as tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from circuit_atlas.ingest.batches import TokenExample, demand_equal_length, resample, roles_of, with_places
from circuit_atlas.ingest.digests import digest_json
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.texts import Texts
from circuit_atlas.ingest.tokens import Answers, tokenise


@dataclass(frozen=True)
class Data:
    """Examples to attribute over and to measure on, as tokens."""

    train: list[TokenExample]
    held_out: list[TokenExample]

    def digest(self) -> str:
        """SHA-256 over all of it; over the roles too where positions are aligned by them."""
        return digest_json([[identity(e) for e in some] for some in (self.train, self.held_out)])


def identity(one: TokenExample) -> list[Any]:
    """Return what one example is told apart by in digests; its roles too, where positions are aligned by them."""
    return [*one.example.identity(), list(one.example.roles)] if one.places else one.example.identity()


def to_tokens(settings: DiscoverSettings, texts: Texts, tokenizer: Any, answers: Answers = "token") -> Data:
    """Turn the examples into tokens, with what the metric reads of their answers.

    Raises:
        DataError: an example does not fit the vocabulary or the settings; the line is named.

    """
    data = Data(tokenise(texts.train, tokenizer, answers), tokenise(texts.held_out, tokenizer, answers))
    if settings.ablation == "resample":
        data = Data(resample(data.train, settings.seed), data.held_out)
    if settings.positions == "keep":
        demand_equal_length(data.train + data.held_out)
    if settings.positions == "role":
        roles = roles_of(data.train + data.held_out)
        data = Data(with_places(data.train, roles), with_places(data.held_out, roles))
    return data
