"""The training text: passages of every kind, mixed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

from circuit_atlas.ingest.demo_model.grammar import agreement, biographies, names


def passages(seed: int, *, correlation: float = 0.0) -> Iterator[str]:
    """Endless passages, the same for the same seed; no held-out pair of words ever meets in them.

    Args:
        seed: seed of the draw; which pairs are held out does not depend on it.
        correlation: between profession and gender in biographies, from 0 to 1.

    """
    rng = random.Random(seed)
    kinds = (
        agreement.sentence,
        names.pronoun_sentence,
        names.possessive_sentence,
        names.reflexive_sentence,
        names.indirect_object_sentence,
        names.repeated_name_passage,
        partial(biographies.biography, correlation=correlation),
    )
    weights = (4, 1, 1, 1, 4, 2, 2)
    while True:
        (kind,) = rng.choices(kinds, weights)
        yield kind(rng)
