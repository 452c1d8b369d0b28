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


UNRELATED = "infinitive"
"""A behaviour that has nothing to do with who is spoken of: `play` after "to", `big` after "a"."""

_UNRELATED_TEMPLATES = (
    ("{} wanted", "{} liked", "{} loved", "{} had", "One day, {} wanted", "One day, {} had", "Every day, {} liked"),
    ("{} needed", "Every day, {} wanted", "One day, {} liked"),
)


def write_all(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Write the files of the two pronoun behaviours and of the unrelated one, by name."""
    files = {behaviour.name: write(folder, behaviour) for behaviour in BEHAVIOURS}
    return files | {UNRELATED: _write_lines(folder, UNRELATED, *map(_unrelated, _UNRELATED_TEMPLATES))}


def write(folder: Path, behaviour: Behaviour) -> tuple[Path, Path]:
    """Write the files of both sides of the split: to attribute over, and to measure on."""
    sides = (behaviour.train, behaviour.held_out)
    return _write_lines(folder, behaviour.name, *(examples(behaviour, templates) for templates in sides))


def _unrelated(templates: Sequence[str]) -> list[dict[str, str]]:
    ends = [("to", " play"), ("a", " big")]
    return [
        {
            "clean_prefix": f"{template.format(name)} {clean}",
            "patch_prefix": f"{template.format(name)} {patch}",
            "clean_answer": answer,
            "patch_answer": other,
            "item": template,
        }
        for template in templates
        for name in (*GIRLS, *BOYS)
        for (clean, answer), (patch, other) in (ends, ends[::-1])
    ]


def _write_lines(
    folder: Path, name: str, train: Sequence[dict[str, str]], held_out: Sequence[dict[str, str]]
) -> tuple[Path, Path]:
    start = folder / name.replace("/", "_")
    paths = start.with_suffix(".train.jsonl"), start.with_suffix(".held_out.jsonl")
    for path, lines in zip(paths, (train, held_out), strict=True):
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return paths
