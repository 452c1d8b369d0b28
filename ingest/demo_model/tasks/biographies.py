"""Tasks on short biographies: what someone does tells the profession, the name tells the pronoun."""

from __future__ import annotations

import random

from circuit_atlas.ingest.demo_model.grammar import words
from circuit_atlas.ingest.demo_model.grammar.biographies import duty
from circuit_atlas.ingest.demo_model.grammar.names import ALL_NAMES, GENDER_OF
from circuit_atlas.ingest.demo_model.grammar.split import Side, side_of
from circuit_atlas.ingest.demo_model.tasks.recipe import Pair, Recipe


def _profession(rng: random.Random, side: Side) -> Pair | None:
    name = rng.choice(ALL_NAMES)
    fitting = [profession for profession in words.PROFESSIONS if side_of(name, profession.name) is side]
    if len(fitting) < 2:
        return None
    right, other = rng.sample(fitting, 2)
    start, end = f"{name} works at the {rng.choice(words.PLACES)} and", GENDER_OF[name].subject.capitalize()
    return Pair(
        clean=f"{start} {duty(right, rng)}. {end} is a",
        patch=f"{start} {duty(other, rng)}. {end} is a",
        clean_answer=right.name,
        patch_answer=other.name,
        case=GENDER_OF[name].name,
        item=f"{name} {right.name}",
    )


def _gender(rng: random.Random, side: Side) -> Pair | None:
    name, profession = rng.choice(ALL_NAMES), rng.choice(words.PROFESSIONS)
    gender = GENDER_OF[name]
    other = next(g for g in words.NAMES if g is not gender)
    fitting = [n for n in words.NAMES[other] if side_of(n, profession.name) is side]
    if side_of(name, profession.name) is not side or not fitting:
        return None
    rest = f"works at the {rng.choice(words.PLACES)} and {duty(profession, rng)}."
    return Pair(
        clean=f"{name} {rest}",
        patch=f"{rng.choice(fitting)} {rest}",
        clean_answer=gender.subject.capitalize(),
        patch_answer=other.subject.capitalize(),
        case=gender.name,
        item=f"{name} {profession.name}",
    )


_FIRST_SENTENCE = ("name", "works", "at", "place_article", "place", "and", "duty_verb", "duty_article", "duty_object")

RECIPES = (
    Recipe(
        "bios/profession",
        "Profession from what a person does",
        "The profession follows from the verb and object of the sentence before; name and gender say nothing.",
        (*_FIRST_SENTENCE, "stop", "pronoun", "is", "article"),
        _profession,
    ),
    Recipe(
        "bios/gender",
        "Pronoun that opens the second sentence",
        "The pronoun takes the gender of the name; what the person does says nothing.",
        (*_FIRST_SENTENCE, "stop"),
        _gender,
    ),
)
