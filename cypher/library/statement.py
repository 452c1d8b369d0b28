"""A Cypher statement as the checks see it: comments and strings blanked, clauses told apart, lines known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_QUIET = re.compile(r"//[^\n]*|/\*.*?\*/|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`[^`]*`", re.DOTALL)
_CLAUSE = re.compile(
    r"\b(OPTIONAL\s+MATCH|MATCH|UNWIND|WITH|RETURN|UNION\s+ALL|UNION|MERGE|CREATE|SET|DELETE|DETACH\s+DELETE|REMOVE"
    r"|CALL|FOREACH)\b",
    re.IGNORECASE,
)
_BEFORE_WITH = re.compile(r"\b(STARTS|ENDS)\s+$", re.IGNORECASE)
_AS = re.compile(r"^(?P<expression>.*?)\s+AS\s+(?P<alias>\w+)$", re.IGNORECASE | re.DOTALL)
_TAIL = re.compile(r"\b(ORDER\s+BY|SKIP|LIMIT|WHERE)\b", re.IGNORECASE)


def blank(text: str) -> str:
    """Replace comments, and the inside of strings and back-ticked names, by spaces: every offset stays what it was."""

    def quiet(match: re.Match[str]) -> str:
        found = match[0]
        inside = re.sub(r"[^\n]", " ", found)
        return inside if found[0] == "/" else found[0] + inside[1:-1] + found[-1]

    return _QUIET.sub(quiet, text)


@dataclass(frozen=True)
class Clause:
    """One clause: its keyword in capitals with single spaces, what follows it, and where it starts."""

    word: str
    body: str
    start: int

    @property
    def items(self) -> list[str]:
        """What a WITH or RETURN passes on, split at the commas outside brackets."""
        body = re.sub(r"^\s*DISTINCT\b", "", self.body, flags=re.IGNORECASE)
        return [item.strip() for item in split_outside(_head(body), ",")]

    @property
    def order_by(self) -> list[str] | None:
        """The sort keys of its ORDER BY, without direction; None where it has none."""
        for match in _outside(self.body, _TAIL):
            if match[0].upper().startswith("ORDER"):
                keys = _head(self.body[match.end() :])
                return [re.sub(r"\s+(ASC|DESC)\w*$", "", k.strip(), flags=re.I) for k in split_outside(keys, ",")]
        return None

    @property
    def has_limit(self) -> bool:
        """Whether it ends with a LIMIT."""
        return any(match[0].upper() == "LIMIT" for match in _outside(self.body, _TAIL))


@dataclass(frozen=True)
class Statement:
    """One Cypher statement and the line of its file that it starts on."""

    text: str
    first_line: int = 1

    @cached_property
    def code(self) -> str:
        """The text with comments and strings blanked."""
        return blank(self.text)

    @cached_property
    def clauses(self) -> list[Clause]:
        """Its clauses outside any brackets, in order."""
        starts = [m for m in _outside(self.code, _CLAUSE) if not _BEFORE_WITH.search(self.code[: m.start()])]
        ends = [m.start() for m in starts[1:]] + [len(self.code)]
        return [
            Clause(" ".join(m[0].upper().split()), self.code[m.end() : end].rstrip(" \n;"), m.start())
            for m, end in zip(starts, ends, strict=True)
        ]

    def line(self, offset: int) -> int:
        """The line of the file that an offset into the text lies on."""
        return self.first_line + self.code.count("\n", 0, offset)

    def parameters(self) -> dict[str, int]:
        """Each parameter used, with the line of its first use."""
        found: dict[str, int] = {}
        for match in re.finditer(r"\$(\w+)", self.code):
            found.setdefault(match[1], self.line(match.start()))
        return found

    def returned(self) -> list[tuple[int, list[str]]]:
        """For each RETURN (several under UNION ALL) its line and the names of its columns."""
        return [
            (self.line(clause.start), [alias(item) for item in clause.items])
            for clause in self.clauses
            if clause.word == "RETURN"
        ]


def alias(item: str) -> str:
    """The name under which a WITH or RETURN passes an item on."""
    match = _AS.match(item)
    return match["alias"] if match else item


def split_outside(text: str, separator: str) -> list[str]:
    """Split at a separator outside brackets."""
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == separator and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def _outside(text: str, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
    """Matches that start outside brackets."""
    depth, last = 0, 0
    for match in pattern.finditer(text):
        between = text[last : match.start()]
        depth += sum(between.count(c) for c in "([{") - sum(between.count(c) for c in ")]}")
        last = match.start()
        if depth == 0:
            yield match


def _head(body: str) -> str:
    """What stands before ORDER BY, SKIP, LIMIT and WHERE."""
    first = next(_outside(body, _TAIL), None)
    return body[: first.start()] if first else body
