"""Sentences about named people: pronouns, indirect objects, repeated full names."""

from __future__ import annotations

import random

from circuit_atlas.ingest.demo_model.grammar import words
from circuit_atlas.ingest.demo_model.grammar.split import Side, draw_on, side_of_names
from circuit_atlas.ingest.demo_model.grammar.words import Gender

ALL_NAMES = tuple(name for names in words.NAMES.values() for name in names)
GENDER_OF: dict[str, Gender] = {name: gender for gender, names in words.NAMES.items() for name in names}


def pronoun_sentence(rng: random.Random) -> str:
    """A clause whose subject comes back as a pronoun."""
    name = rng.choice(ALL_NAMES)
    feeling = draw_on(rng, Side.TRAIN, name, words.FEELINGS) or "sad"
    pronoun = GENDER_OF[name].subject
    return f"{name} {rng.choice(words.LINKING_VERBS)} {feeling} because {pronoun} {rng.choice(words.REASONS)}."


def possessive_sentence(rng: random.Random) -> str:
    """A subject that comes back as a possessive."""
    name = rng.choice(ALL_NAMES)
    place = draw_on(rng, Side.TRAIN, name, words.PLACES) or "park"
    verb, whose = rng.choice(words.TRAVEL_VERBS), GENDER_OF[name].possessive
    return f"{name} {verb} to the {place} with {whose} {rng.choice(words.RELATIVES)}."


def reflexive_sentence(rng: random.Random) -> str:
    """A subject that comes back as a reflexive, across a prepositional phrase."""
    name = rng.choice(ALL_NAMES)
    verb = draw_on(rng, Side.TRAIN, name, words.SELF_VERBS) or "blamed"
    thing = rng.choice(words.THINGS).form(plural=rng.random() < 0.5)
    return f"{name} {rng.choice(words.PREPOSITIONS)} the {thing} {verb} {GENDER_OF[name].reflexive}."


def draw_names(rng: random.Random, side: Side) -> tuple[str, str]:
    """Two different names that are on `side` together."""
    while True:
        first, second = rng.sample(ALL_NAMES, 2)
        if side_of_names(first, second) is side:
            return first, second


def indirect_object_sentence(rng: random.Random) -> str:
    """Two names, one of which gives the other something; after Wang et al. (ICLR 2023)."""
    receiver, giver = draw_names(rng, Side.TRAIN)
    first, second = (receiver, giver) if rng.random() < 0.5 else (giver, receiver)
    gift = f"{rng.choice(words.GIFT_VERBS)} a {rng.choice(words.GIFTS)}"
    return f"When {first} and {second} went to the {rng.choice(words.PLACES)}, {giver} {gift} to {receiver}."


def repeated_name_passage(rng: random.Random) -> str:
    """A full name that comes back in full: induction."""
    name = rng.choice(ALL_NAMES)
    surname = draw_on(rng, Side.TRAIN, name, words.SURNAMES) or "Smith"
    seen = f"{rng.choice(words.SEEING)} the {rng.choice(words.SIGHTS)}"
    return f"{name} {surname} {seen}. Then {name} {surname} {rng.choice(words.LEAVING)}."
