"""Write the tasks as files: `task.toml`, `train.jsonl` and `test.jsonl`, a folder a task."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from circuit_atlas.ingest.demo_model.grammar import words
from circuit_atlas.ingest.demo_model.grammar.split import Side
from circuit_atlas.ingest.demo_model.tasks import agreement, biographies, named
from circuit_atlas.ingest.demo_model.tasks.recipe import Pair, Recipe

RECIPES: tuple[Recipe, ...] = (*agreement.RECIPES, *named.RECIPES, *biographies.RECIPES)
"""All tasks."""

_MOST = 240
"""Most examples in one file."""

_TRIES = 20_000
"""Draws after which a task is taken to have no further distinct pairs."""


def draw_pairs(recipe: Recipe, side: Side, seed: int) -> list[Pair]:
    """Distinct pairs of a task on one side of the split; duplicates are merged."""
    rng = random.Random(f"{seed} {recipe.name} {side.value}")
    found: dict[tuple[str, str], Pair] = {}
    for _ in range(_TRIES):
        pair = recipe.draw(rng, side)
        if pair is not None:
            found.setdefault((pair.clean, pair.clean_answer), pair)
        if len(found) == _MOST:
            break
    return list(found.values())


def as_line(recipe: Recipe, pair: Pair) -> dict[str, Any]:
    """One line of a task file."""
    return {
        "clean_prefix": pair.clean,
        "patch_prefix": pair.patch,
        "clean_answer": f" {pair.clean_answer}",
        "patch_answer": f" {pair.patch_answer}",
        "case": pair.case,
        "item": pair.item,
        "roles": ["bos", *recipe.roles],
    }


def write_tasks(folder: Path, seed: int) -> None:
    """Write every task below `folder`."""
    for recipe in RECIPES:
        home = folder / recipe.name
        home.mkdir(parents=True, exist_ok=True)
        described = {"id": recipe.name, "title": recipe.title, "description": recipe.description, "kind": "contrastive"}
        # A JSON string is a TOML string as well, as long as it is plain text.
        toml = "".join(f"{key} = {json.dumps(value)}\n" for key, value in described.items())
        (home / "task.toml").write_text(toml, encoding="utf-8")
        for side in Side:
            lines = [json.dumps(as_line(recipe, pair)) for pair in draw_pairs(recipe, side, seed)]
            (home / f"{side.value}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def neutral_words(task: str) -> frozenset[str]:
    """Words that may come next in a task and commit to no answer: a noun may still take a phrase or a clause."""
    return frozenset({"that", *words.PREPOSITIONS}) if task == "sva/simple" else frozenset()


def right_words(answer: str) -> frozenset[str]:
    """Words that are right wherever `answer` is: for a verb, all verbs of its number; else the answer alone."""
    verbs = (*words.MAIN_VERBS, *words.OTHER_VERBS, *words.CLAUSE_VERBS)
    for plural in (False, True):
        forms = frozenset(verb.form(plural=plural) for verb in verbs)
        if answer in forms:
            return forms
    return frozenset({answer})
