"""Subject-verb agreement: simple, across a prepositional phrase, within and across a relative clause."""

from __future__ import annotations

import random

from circuit_atlas.ingest.demo_model.grammar import words
from circuit_atlas.ingest.demo_model.grammar.split import Side, side_of
from circuit_atlas.ingest.demo_model.grammar.words import Inflected


def verbs_on(side: Side, subject: Inflected) -> list[Inflected]:
    """Return those of `MAIN_VERBS` that are on `side` together with a subject."""
    return [verb for verb in words.MAIN_VERBS if side_of(subject.singular, verb.singular) is side]


def sentence(rng: random.Random) -> str:
    """One sentence of training text."""
    shape = rng.choice((_simple, _across_phrase, _across_clause))
    return shape(rng) + "."


def _simple(rng: random.Random) -> str:
    noun, plural = rng.choice((*words.PEOPLE, *words.CLAUSE_PEOPLE)), rng.random() < 0.5
    return f"The {noun.form(plural=plural)} {_predicate(rng, noun, plural=plural)}"


def _across_phrase(rng: random.Random) -> str:
    noun, plural = rng.choice(words.PEOPLE), rng.random() < 0.5
    thing = rng.choice(words.THINGS).form(plural=rng.random() < 0.5)
    subject = f"The {noun.form(plural=plural)} {rng.choice(words.PREPOSITIONS)} the {thing}"
    return f"{subject} {_predicate(rng, noun, plural=plural)}"


def _across_clause(rng: random.Random) -> str:
    noun, plural = rng.choice(words.PEOPLE), rng.random() < 0.5
    inner, inner_plural = rng.choice(words.CLAUSE_PEOPLE), rng.random() < 0.5
    clause = f"that the {inner.form(plural=inner_plural)} {_clause_verb(rng, inner, plural=inner_plural)}"
    return f"The {noun.form(plural=plural)} {clause} {_predicate(rng, noun, plural=plural)}"


def _clause_verb(rng: random.Random, subject: Inflected, *, plural: bool) -> str:
    known = verbs_on(Side.TRAIN, subject)
    if not known or rng.random() < 0.5:
        return rng.choice(words.CLAUSE_VERBS).form(plural=plural)
    verb = rng.choice(known)
    return f"{verb.form(plural=plural)} {rng.choice(words.CLAUSE_COMPLEMENTS[verb.singular])}"


def _predicate(rng: random.Random, subject: Inflected, *, plural: bool) -> str:
    known = verbs_on(Side.TRAIN, subject)
    if not known or rng.random() < 0.25:
        return f"{rng.choice(words.OTHER_VERBS).form(plural=plural)} {rng.choice(words.ADVERBS)}"
    verb = rng.choice(known)
    return f"{verb.form(plural=plural)} {rng.choice(words.COMPLEMENTS[verb.singular])}"
