"""Tasks of subject-verb agreement; the pair differs in the number of the subject alone."""

from __future__ import annotations

import random

from circuit_atlas.ingest.demo_model.grammar import words
from circuit_atlas.ingest.demo_model.grammar.agreement import verbs_on
from circuit_atlas.ingest.demo_model.grammar.split import Side
from circuit_atlas.ingest.demo_model.grammar.words import Inflected
from circuit_atlas.ingest.demo_model.tasks.recipe import Pair, Recipe


def _number(plural: bool) -> str:
    return "plural" if plural else "singular"


def _pair(rng: random.Random, side: Side, subject: Inflected, template: str, attractor: str = "") -> Pair | None:
    """Fill `{}` of a template with the subject in both numbers; the answer is a verb on `side` with it."""
    fitting = verbs_on(side, subject)
    if not fitting:
        return None
    verb, plural = rng.choice(fitting), rng.random() < 0.5
    return Pair(
        clean=template.format(subject.form(plural=plural)),
        patch=template.format(subject.form(plural=not plural)),
        clean_answer=verb.form(plural=plural),
        patch_answer=verb.form(plural=not plural),
        case=f"{_number(plural)}_{attractor}" if attractor else _number(plural),
        item=f"{subject.singular} {verb.singular}",
    )


def _simple(rng: random.Random, side: Side) -> Pair | None:
    return _pair(rng, side, rng.choice((*words.PEOPLE, *words.CLAUSE_PEOPLE)), "The {}")


def _across_phrase(rng: random.Random, side: Side) -> Pair | None:
    plural = rng.random() < 0.5
    thing = rng.choice(words.THINGS).form(plural=plural)
    template = f"The {{}} {rng.choice(words.PREPOSITIONS)} the {thing}"
    return _pair(rng, side, rng.choice(words.PEOPLE), template, _number(plural))


def _within_clause(rng: random.Random, side: Side) -> Pair | None:
    plural = rng.random() < 0.5
    head = rng.choice(words.PEOPLE).form(plural=plural)
    return _pair(rng, side, rng.choice(words.CLAUSE_PEOPLE), f"The {head} that the {{}}", _number(plural))


def _across_clause(rng: random.Random, side: Side) -> Pair | None:
    plural = rng.random() < 0.5
    inner, verb = rng.choice(words.CLAUSE_PEOPLE).form(plural=plural), rng.choice(words.CLAUSE_VERBS)
    template = f"The {{}} that the {inner} {verb.form(plural=plural)}"
    return _pair(rng, side, rng.choice(words.PEOPLE), template, _number(plural))


RECIPES = (
    Recipe(
        "sva/simple",
        "Agreement with the noun before",
        "The verb agrees with the noun just before it.",
        ("article", "subject"),
        _simple,
    ),
    Recipe(
        "sva/nounpp",
        "Agreement across a prepositional phrase",
        "The verb agrees with the subject, not with the noun of the phrase between. Cases: subject_attractor.",
        ("article", "subject", "preposition", "phrase_article", "attractor"),
        _across_phrase,
    ),
    Recipe(
        "sva/within_rc",
        "Agreement within a relative clause",
        "The verb agrees with the subject of the clause, not with the head before it. Cases: subject_head.",
        ("article", "head", "that", "clause_article", "subject"),
        _within_clause,
    ),
    Recipe(
        "sva/across_rc",
        "Agreement across a relative clause",
        "The verb agrees with the first noun; a clause with subject and verb stands between. Cases: subject_attractor.",
        ("article", "subject", "that", "clause_article", "attractor", "clause_verb"),
        _across_clause,
    ),
)
