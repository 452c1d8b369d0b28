"""Pronoun behaviours of stories260K: pairs of prompts that differ in the name alone, split by template.

Lily, Tim and Timmy are all the names that are one token of that model, so each template gives four pairs: Lily against
each of the two others, in both directions. A template is an item: its pairs are not independent, and none of them is on
both sides of the split.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

GIRLS, BOYS = ("Lily",), ("Tim", "Timmy")
"""All names that are one token, by test."""


@dataclass(frozen=True)
class Behaviour:
    """One behaviour: the answers to a girl's and a boy's name, and the templates of both sides of the split."""

    name: str
    girl: str
    boy: str
    train: tuple[str, ...]
    held_out: tuple[str, ...]


SUBJECT = Behaviour(
    "pronoun/subject",
    " She",
    " He",
    (
        "{} was very happy.",
        "{} was so happy.",
        "{} was very big.",
        "{} was so sad.",
        "{} was not happy.",
        "{} was very good.",
        "{} was very kind.",
        "{} was very small.",
        "{} was so good.",
    ),
    ("{} was so big.", "{} was very sad.", "{} was very nice.", "{} was very tired."),
)

POSSESSIVE = Behaviour(
    "pronoun/possessive",
    " her",
    " his",
    (
        "One day, {} went to the park with",
        "One day, {} went to the zoo with",
        "One day, {} went to the store with",
        "One day, {} ran to the park with",
        "One day, {} went outside with",
        "{} went to the park with",
        "{} ran to the park with",
        "Every day, {} played with",
        "One day, {} wanted to play with",
    ),
    (
        "One day, {} went to the beach with",
        "One day, {} went to the house with",
        "{} went to the zoo with",
        "{} ran to the store with",
    ),
)

BEHAVIOURS = (SUBJECT, POSSESSIVE)


def examples(behaviour: Behaviour, templates: Sequence[str]) -> list[dict[str, str]]:
    """All contrastive pairs of some templates, as lines of an examples file."""
    girls = [(name, behaviour.girl) for name in GIRLS]
    boys = [(name, behaviour.boy) for name in BOYS]
    contrasts = [(girl, boy) for girl in girls for boy in boys]
    return [
        {
            "clean_prefix": template.format(clean),
            "patch_prefix": template.format(patch),
            "clean_answer": answer,
            "patch_answer": other,
            "case": f"{clean} against {patch}",
            "item": template,
        }
        for template in templates
        for (clean, answer), (patch, other) in [*contrasts, *((boy, girl) for girl, boy in contrasts)]
    ]


def write(folder: Path, behaviour: Behaviour) -> tuple[Path, Path]:
    """Write the files of both sides of the split: to attribute over, and to measure on."""
    start = folder / behaviour.name.replace("/", "_")
    paths = start.with_suffix(".train.jsonl"), start.with_suffix(".held_out.jsonl")
    for path, templates in zip(paths, (behaviour.train, behaviour.held_out), strict=True):
        lines = (json.dumps(example) for example in examples(behaviour, templates))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return paths
