"""Check a stranger's Cypher before any engine sees it.

An engine's read mode is not enough: opened for reading, the embedded engine still loads and writes files (LOAD FROM,
COPY TO, EXPORT), and the server still loads URLs and shows users and settings. So a statement must begin as a query
does, and outside of strings and quoted names hold no word that writes, loads, calls or administrates. What is run is
the statement without its comments, so that both sides read the same text.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection

from circuit_atlas.errors import QueryError

BEGINNINGS = frozenset({"MATCH", "OPTIONAL", "UNWIND", "WITH", "RETURN", "CALL"})

# fmt: off
FORBIDDEN = frozenset({
    "CREATE", "MERGE", "SET", "DELETE", "DETACH", "REMOVE", "DROP", "ALTER", "INSERT", "FOREACH", "RENAME", "TRUNCATE",
    "LOAD", "COPY", "EXPORT", "IMPORT", "INSTALL", "UNINSTALL", "ATTACH", "USE", "UPDATE", "MACRO", "COMMENT", "CSV",
    "SHOW", "TERMINATE", "CHECKPOINT", "BEGIN", "COMMIT", "ROLLBACK", "TRANSACTION", "TRANSACTIONS", "START", "STOP",
    "DENY", "GRANT", "REVOKE", "EXPLAIN", "PROFILE", "CYPHER", "EXTENSION",
})
# fmt: on

HARMLESS_PROCEDURES = frozenset(
    {"DB.LABELS", "DB.RELATIONSHIPTYPES", "DB.PROPERTYKEYS", "SHOW_TABLES", "TABLE_INFO", "SHOW_CONNECTION"}
)
"""What CALL may call, beside a subquery."""

_TOKEN = re.compile(
    r"""
      (?P<comment> //[^\n]* | /\*.*?\*/ )
    | (?P<quoted>  '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `(?:[^`]|``)*` )
    | (?P<word>    [^\W\d]\w* )
    | (?P<number>  \d[\w.]* )
    | (?P<space>   \s+ )
    | (?P<open>    ['"`] | /\* )
    | (?P<sign>    . )
    """,
    re.VERBOSE | re.DOTALL,
)


def check_statement(statement: str, given: Collection[str] = ()) -> str:
    """Return the statement without comments if it only reads and its parameters are given.

    Raises:
        QueryError: it is empty, several statements, does more than read, or lacks a parameter; the message says which.

    """
    if "\\u" in statement or "\\U" in statement:
        raise QueryError(
            "the query holds a unicode escape (\\u…), which hides what it says: write the character itself"
        )
    tokens = [(str(match.lastgroup), match.group()) for match in _TOKEN.finditer(statement)]
    if any(kind == "open" for kind, _ in tokens):
        raise QueryError("the query has a quote or a comment that does not end")
    kept = [(kind, " " if kind == "comment" else text) for kind, text in tokens]
    _refuse([(kind, text) for kind, text in kept if not text.isspace()])
    _refuse_missing(kept, given)
    return "".join(text for _, text in kept).rstrip("; \t\r\n").lstrip()


def _refuse(tokens: list[tuple[str, str]]) -> None:
    """Refuse what does more than read, or is several statements."""
    while tokens and tokens[-1][1] == ";":
        tokens = tokens[:-1]
    if not tokens:
        raise QueryError("the query is empty")
    if any(token == ("sign", ";") for token in tokens):
        raise QueryError("the query holds several statements: run them one by one")
    if tokens[0][1].upper() not in BEGINNINGS:
        raise QueryError(f"the query begins with {tokens[0][1]!r}: it must begin with MATCH, UNWIND, WITH or RETURN")
    for at, (kind, text) in enumerate(tokens):
        word = text.upper()
        if kind != "word" or (at and tokens[at - 1][1] in (".", ":")):
            continue  # a property or a label may have any name
        if word in FORBIDDEN:
            raise QueryError(f"the query has {word}, which does more than read: only reading is allowed here")
        if word == "CALL":
            _refuse_call(tokens[at + 1 :])


def _refuse_missing(tokens: list[tuple[str, str]], given: Collection[str]) -> None:
    """Refuse a parameter without a value, which the embedded engine would take for null."""
    for (_, sign), (_, name) in itertools.pairwise(tokens):
        if sign == "$" and name.strip("`") not in given:
            raise QueryError(f"the query has the parameter ${name}, which is not given: pass its value")


def _refuse_call(following: list[tuple[str, str]]) -> None:
    """Allow a subquery, `CALL {` or `CALL (`, and the harmless procedures."""
    if following and following[0][1] in ("{", "("):
        return
    name = ""
    for kind, text in following:
        if kind not in ("word", "quoted") and text != ".":
            break
        name += text.upper()
    if name not in HARMLESS_PROCEDURES:
        raise QueryError(f"the query calls {name.lower() or 'something'}: only a subquery or db.labels is allowed here")
