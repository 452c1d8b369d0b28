"""Tasks about named people: pronouns, indirect objects, repeated full names."""

from __future__ import annotations

import random
from collections.abc import Sequence

from circuit_atlas.ingest.demo_model.grammar import words
from circuit_atlas.ingest.demo_model.grammar.names import ALL_NAMES, GENDER_OF, draw_names
from circuit_atlas.ingest.demo_model.grammar.split import Side, draw_on, side_of
from circuit_atlas.ingest.demo_model.tasks.recipe import Pair, Recipe


def _gendered(rng: random.Random, side: Side, template: str, contexts: Sequence[str], pronoun: str) -> Pair | None:
    """Fill name and context of a template; the counterfactual has a name of the other gender, on the same side."""
    name = rng.choice(ALL_NAMES)
    context = draw_on(rng, side, name, contexts)
    if context is None:
        return None
    gender = GENDER_OF[name]
    other = next(g for g in words.NAMES if g is not gender)
    fitting = [n for n in words.NAMES[other] if side_of(n, context) is side]
    if not fitting:
        return None
    return Pair(
        clean=template.format(name=name, context=context),
        patch=template.format(name=rng.choice(fitting), context=context),
        clean_answer=getattr(gender, pronoun),
        patch_answer=getattr(other, pronoun),
        case=gender.name,
        item=f"{name} {context}",
    )


def _subject(rng: random.Random, side: Side) -> Pair | None:
    template = f"{{name}} {rng.choice(words.LINKING_VERBS)} {{context}} because"
    return _gendered(rng, side, template, words.FEELINGS, "subject")


def _possessive(rng: random.Random, side: Side) -> Pair | None:
    template = f"{{name}} {rng.choice(words.TRAVEL_VERBS)} to the {{context}} with"
    return _gendered(rng, side, template, words.PLACES, "possessive")


def _reflexive(rng: random.Random, side: Side) -> Pair | None:
    thing = rng.choice(words.THINGS).form(plural=rng.random() < 0.5)
    template = f"{{name}} {rng.choice(words.PREPOSITIONS)} the {thing} {{context}}"
    return _gendered(rng, side, template, words.SELF_VERBS, "reflexive")


def _indirect_object(rng: random.Random, side: Side) -> Pair | None:
    first, second = draw_names(rng, side)
    giver, receiver = (first, second) if rng.random() < 0.5 else (second, first)
    scene = f"When {first} and {second} went to the {rng.choice(words.PLACES)},"
    gift = f"{rng.choice(words.GIFT_VERBS)} a {rng.choice(words.GIFTS)} to"
    return Pair(
        clean=f"{scene} {giver} {gift}",
        patch=f"{scene} {receiver} {gift}",
        clean_answer=receiver,
        patch_answer=giver,
        case="first_receives" if receiver == first else "second_receives",
        item=" ".join(sorted((first, second))),
    )


def _repeated_name(rng: random.Random, side: Side) -> Pair | None:
    name = rng.choice(ALL_NAMES)
    fitting = [surname for surname in words.SURNAMES if side_of(name, surname) is side]
    if len(fitting) < 2:
        return None
    surname, other = rng.sample(fitting, 2)
    seen = f"{rng.choice(words.SEEING)} the {rng.choice(words.SIGHTS)}"
    return Pair(
        clean=f"{name} {surname} {seen}. Then {name}",
        patch=f"{name} {other} {seen}. Then {name}",
        clean_answer=surname,
        patch_answer=other,
        case=GENDER_OF[name].name,
        item=f"{name} {surname}",
    )


RECIPES = (
    Recipe(
        "pronoun/subject",
        "Pronoun as subject",
        "The pronoun after `because` takes the gender of the name.",
        ("name", "linking_verb", "feeling", "because"),
        _subject,
    ),
    Recipe(
        "pronoun/possessive",
        "Possessive",
        "The possessive after `with` takes the gender of the name.",
        ("name", "verb", "to", "article", "place", "with"),
        _possessive,
    ),
    Recipe(
        "pronoun/reflexive",
        "Reflexive across a prepositional phrase",
        "The reflexive takes the gender of the name; a phrase stands between.",
        ("name", "preposition", "article", "thing", "verb"),
        _reflexive,
    ),
    Recipe(
        "ioi/names",
        "Indirect object",
        "Of two names, the one that does not give receives. The pair differs in who gives.",
        (
            *("when", "first_name", "and", "second_name", "went", "to", "article", "place", "comma"),
            *("giver", "verb", "gift_article", "gift", "final_to"),
        ),
        _indirect_object,
    ),
    Recipe(
        "induction/names",
        "Repeated full name",
        "A name comes back and with it the surname that it had; the two never met in training.",
        ("name", "surname", "verb", "article", "sight", "stop", "then", "name_again"),
        _repeated_name,
    ),
)
