"""The split by lexical item: some pairs of words never meet in the training text; the test items are made of them."""

from __future__ import annotations

import enum
import hashlib
import random
from collections.abc import Sequence

_ONE_IN = 4
"""One pair of words in so many is held out."""


class Side(enum.Enum):
    """Side of the split."""

    TRAIN = "train"
    TEST = "test"


def side_of(first: str, second: str) -> Side:
    """Side that a pair of words is on, whatever the seed; a verb and its subject are given by their singulars."""
    digest = hashlib.sha256(f"{first} {second}".encode()).digest()
    return Side.TEST if digest[0] % _ONE_IN == 0 else Side.TRAIN


def side_of_names(first: str, second: str) -> Side:
    """Side of two names, in whatever order they come."""
    return side_of(*sorted((first, second)))


def draw_on(rng: random.Random, side: Side, first: str, seconds: Sequence[str]) -> str | None:
    """Draw one of `seconds` that is on `side` together with `first`; None where there is none."""
    fitting = [second for second in seconds if side_of(first, second) is side]
    return rng.choice(fitting) if fitting else None
