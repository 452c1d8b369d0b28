"""The vocabulary of the grammar.

The words of subject-verb agreement (`PEOPLE`, `CLAUSE_PEOPLE`, `THINGS`, `PREPOSITIONS`, `MAIN_VERBS`) are those of the
contrastive pairs of Marks et al. (ICLR 2025), after Finlayson et al. (ACL 2021), so that their files run on the model.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Inflected:
    """A noun or a verb in both numbers; verbs in the third person of the present tense."""

    singular: str
    plural: str

    def form(self, *, plural: bool) -> str:
        """Return the form of a number."""
        return self.plural if plural else self.singular


@dataclass(frozen=True)
class Gender:
    """The pronouns of one gender, as written in the middle of a sentence."""

    name: str
    subject: str
    possessive: str
    reflexive: str


@dataclass(frozen=True)
class Profession:
    """What a biography says of a profession.

    Attributes:
        name: the noun, after the article `a`.
        verbs: what the person does.
        objects: to what.

    """

    name: str
    verbs: tuple[str, ...]
    objects: tuple[str, ...]


def _regular(words: str) -> tuple[Inflected, ...]:
    return tuple(Inflected(word, word + "s") for word in words.split())


PEOPLE = (
    *_regular("athlete aunt boy carpenter doctor farmer father friend girl guy kid lawyer mother poet singer teacher"),
    *_regular("uncle victim"),
    Inflected("man", "men"),
    Inflected("woman", "women"),
)
"""Subjects of main clauses."""

CLAUSE_PEOPLE = _regular("architect assistant chef dancer driver executive guard minister parent skater")
"""Subjects of relative clauses; of simple main clauses too."""

THINGS = _regular("bike car cat chair desk dog table tree truck window")
"""Nouns in prepositional phrases."""

PREPOSITIONS = ("behind", "beside", "near")

MAIN_VERBS = (Inflected("is", "are"), Inflected("has", "have"), Inflected("does", "do"), Inflected("goes", "go"))
"""Verbs that the tasks ask for."""

COMPLEMENTS = {
    "is": ("tired", "happy", "hungry", "late", "here"),
    "has": ("money", "time", "food", "luck"),
    "does": ("well", "nothing", "everything", "badly"),
    "goes": ("home", "away", "out", "there"),
}
"""What may follow each of `MAIN_VERBS` in a main clause, by its singular."""

CLAUSE_COMPLEMENTS = {
    "is": ("visiting", "watching"),
    "has": ("visited", "watched"),
    "does": ("respect", "fear"),
    "goes": ("with", "to"),
}
"""What may follow each of `MAIN_VERBS` in a relative clause whose object is the head."""

OTHER_VERBS = _regular("work sing walk laugh wait dream")
"""Further verbs of main clauses, without an object."""

ADVERBS = ("often", "today", "outside", "alone")

CLAUSE_VERBS = _regular("admire like help know call thank")
"""Transitive verbs of relative clauses."""

FEMALE = Gender("female", "she", "her", "herself")
MALE = Gender("male", "he", "his", "himself")

NAMES = {
    FEMALE: ("Mary", "Anna", "Emma", "Lucy", "Sarah", "Julia", "Alice", "Kate", "Laura", "Jane", "Rose", "Helen"),
    MALE: ("John", "Peter", "Mark", "David", "James", "Paul", "Tom", "Henry", "Simon", "Jack", "George", "Adam"),
}
"""Given names; each has one gender here."""

SURNAMES = (
    "Smith",
    "Jones",
    "Brown",
    "Miller",
    "Taylor",
    "Wilson",
    "Clark",
    "Lewis",
    "Walker",
    "Young",
    "Hill",
    "Green",
    "Baker",
    "King",
    "Wood",
    "Cook",
)

FEELINGS = ("sad", "angry", "proud", "afraid", "excited", "nervous", "calm", "bored", "worried", "cheerful")
LINKING_VERBS = ("was", "felt", "looked", "seemed")
REASONS = ("lost the game", "won the prize", "missed the train", "saw the storm", "heard the news", "found the key")
"""What follows the pronoun of a clause with `because`."""

PLACES = ("park", "school", "store", "market", "beach", "library", "station", "museum", "garden", "village")
TRAVEL_VERBS = ("went", "ran", "drove", "came")
RELATIVES = ("sister", "brother", "cousin", "neighbour", "baby", "partner")
SELF_VERBS = ("blamed", "hurt", "surprised", "washed", "taught", "amused")

GIFT_VERBS = ("gave", "sent", "handed", "passed", "offered", "sold")
GIFTS = ("book", "ball", "letter", "ring", "drink", "flower", "hat", "map")

SIGHTS = ("bird", "horse", "river", "ship", "bridge", "tower", "moon", "parade")
SEEING = ("saw", "painted", "followed", "remembered")
LEAVING = ("slept", "left", "smiled", "returned")

PROFESSIONS = (
    Profession("nurse", ("comforts", "bandages"), ("patients", "wounded")),
    Profession("professor", ("lectures", "examines"), ("students", "scholars")),
    Profession("surgeon", ("operates", "stitches"), ("hearts", "wounds")),
    Profession("painter", ("colours", "frames"), ("canvases", "portraits")),
    Profession("pilot", ("flies", "lands"), ("planes", "jets")),
    Profession("gardener", ("waters", "prunes"), ("hedges", "lawns")),
    Profession("journalist", ("interviews", "quotes"), ("senators", "witnesses")),
    Profession("plumber", ("repairs", "installs"), ("pipes", "sinks")),
)
"""In `grammar.biographies` those at even places may be made typically female, those at odd places typically male."""

HOBBIES = ("music", "chess", "football", "poetry")

FUNCTION_WORDS = (
    "The",
    "the",
    "that",
    "and",
    "a",
    "to",
    "at",
    "with",
    "because",
    "When",
    "went",
    "Then",
    "is",
    "in",
    ",",
    ".",
    "likes",
    "works",
    "She",
    "He",
    "who",
)


def vocabulary() -> list[str]:
    """All words, sorted; each is one token."""
    inflected = (*PEOPLE, *CLAUSE_PEOPLE, *THINGS, *MAIN_VERBS, *OTHER_VERBS, *CLAUSE_VERBS)
    found = {form for word in inflected for form in (word.singular, word.plural)}
    for gender, names in NAMES.items():
        found |= {gender.subject, gender.possessive, gender.reflexive, *names}
    for group in (*COMPLEMENTS.values(), *CLAUSE_COMPLEMENTS.values()):
        found |= set(group)
    for profession in PROFESSIONS:
        found |= {profession.name, *profession.verbs, *profession.objects}
    lists = (PREPOSITIONS, ADVERBS, SURNAMES, FEELINGS, LINKING_VERBS, PLACES, RELATIVES, SELF_VERBS)
    for words in (*lists, TRAVEL_VERBS, GIFT_VERBS, GIFTS, SIGHTS, SEEING, LEAVING, HOBBIES, FUNCTION_WORDS):
        found |= set(words)
    return sorted(found | {word for reason in REASONS for word in reason.split()})
