"""Short biographies in which profession and gender are correlated or not, at will."""

from __future__ import annotations

import random

from circuit_atlas.ingest.demo_model.grammar import words
from circuit_atlas.ingest.demo_model.grammar.names import ALL_NAMES, GENDER_OF
from circuit_atlas.ingest.demo_model.grammar.split import Side, side_of
from circuit_atlas.ingest.demo_model.grammar.words import Gender, Profession


def typical_gender(profession: Profession) -> Gender:
    """Gender that correlated biographies give a profession; arbitrary, and evenly spread."""
    return words.FEMALE if words.PROFESSIONS.index(profession) % 2 == 0 else words.MALE


def draw_person(rng: random.Random, correlation: float) -> tuple[str, Profession]:
    """Draw a name and a profession that are on the training side together.

    Args:
        rng: source of randomness.
        correlation: from 0 (each profession as often of either gender) to 1 (always of its typical gender).

    """
    profession = rng.choice(words.PROFESSIONS)
    gender = typical_gender(profession) if rng.random() < correlation else rng.choice(tuple(words.NAMES))
    known = [name for name in words.NAMES[gender] if side_of(name, profession.name) is Side.TRAIN]
    return rng.choice(known or ALL_NAMES), profession


def duty(profession: Profession, rng: random.Random) -> str:
    """What someone of a profession does, in three tokens."""
    return f"{rng.choice(profession.verbs)} the {rng.choice(profession.objects)}"


def biography(rng: random.Random, correlation: float = 0.0) -> str:
    """Name, place, what the person does there, then pronoun, profession and a hobby."""
    name, profession = draw_person(rng, correlation)
    pronoun = GENDER_OF[name].subject.capitalize()
    first = f"{name} works at the {rng.choice(words.PLACES)} and {duty(profession, rng)}."
    return f"{first} {pronoun} is a {profession.name} who likes {rng.choice(words.HOBBIES)}."
