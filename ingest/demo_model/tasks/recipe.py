"""What a task is: how one contrastive pair of it is drawn, and the role of each position."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from circuit_atlas.ingest.demo_model.grammar.split import Side


@dataclass(frozen=True)
class Pair:
    """One example.

    Attributes:
        clean: the prompt.
        patch: its counterfactual, of as many words.
        clean_answer: right next word of the prompt.
        patch_answer: right next word of the counterfactual.
        case: group that accuracy is reported for.
        item: the held-out words that it is made of; examples that share it are not independent.

    """

    clean: str
    patch: str
    clean_answer: str
    patch_answer: str
    case: str
    item: str


@dataclass(frozen=True)
class Recipe:
    """One task.

    Attributes:
        name: group and name, such as `sva/nounpp`.
        title: a few words.
        description: what the model must carry, and from where.
        roles: name of each position after the first token.
        draw: draws a pair on one side of the split; None where what was drawn has nothing on that side.

    """

    name: str
    title: str
    description: str
    roles: tuple[str, ...]
    draw: Callable[[random.Random, Side], Pair | None]
