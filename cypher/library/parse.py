"""Parse a `.cypher` file: a header of comments that declares the query, then the statement.

The header, one declaration a line, before the first line of Cypher:

    // name: nodes
    // topic: circuits
    // summary: The units of one circuit above a threshold, strongest first.
    // key: id
    // param circuit: circuit | name of the circuit
    // param level: one of feature, role, position = feature | where two units count as the same
    // param node_threshold: float = 0.0 | units of larger absolute effect only (units of the metric)
    // column id: string | key of the circuit node
    // column position: integer or null | token position; null where summed
    // column effect: float [units of the metric] | indirect effect

`key` names the columns that tell rows apart (`one row` where there is one at most). `unordered`, where it is declared,
names lists whose entries belong together by their place, in an order that is the engine's own. A parameter without
default is required. Any other comment in the header is an error, so that a misspelt declaration never goes unseen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from circuit_atlas.cypher.declared import PropertyType
from circuit_atlas.cypher.library.lint import lint
from circuit_atlas.cypher.library.query import Column, Param, Query
from circuit_atlas.cypher.library.statement import Statement
from circuit_atlas.cypher.library.values import PARAM_TYPES, cast
from circuit_atlas.errors import QueryError

SINGLE = "one row"
"""The `key` of a query that gives one row at most."""

_WORDS = ("name", "topic", "summary", "key")
_OPTIONAL = ("unordered",)
_WORD = re.compile(r"(?P<word>\w+)\s*:\s*(?P<text>.+)")
_PARAM = re.compile(r"param\s+(?P<name>\w+)\s*:\s*(?P<type>[^=|]+?)\s*(=\s*(?P<default>[^|]*?)\s*)?\|\s*(?P<text>.+)")
_COLUMN = re.compile(r"column\s+(?P<name>\w+)\s*:\s*(?P<type>[^\[|]+?)\s*(\[(?P<unit>[^\]]+)\]\s*)?\|\s*(?P<text>.+)")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass
class _Header:
    words: dict[str, str] = field(default_factory=dict)
    params: list[Param] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)


def parse_query_text(text: str, path: Path | None = None) -> Query:
    """Read one query with its header and check it: header, parameters, columns, dialect.

    Raises:
        QueryError: something is wrong; the message starts with file and line.

    """
    where = str(path) if path else "query"
    header, first = _Header(), 0
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith("//"):
            break
        first = number
        if stripped.lstrip("/").strip():
            _declare(header, stripped.lstrip("/").strip(), f"{where}:{number}")
    statement = Statement("\n".join(lines[first:]).strip("\n"), first_line=first + 1)
    query = _build(header, statement, where, path)
    _check_params(query, statement, where)
    _check_columns(query, statement, where)
    findings = lint(statement, query.key)
    if findings:
        raise QueryError(f"{where}:{findings[0].line}: {findings[0].message}")
    return query


def has_header(text: str) -> bool:
    """Whether a text declares itself as a query of the library (its first comment is a `name`)."""
    return re.match(r"\s*//\s*name\s*:", text) is not None


def _declare(header: _Header, line: str, where: str) -> None:
    if line.startswith("param "):
        header.params.append(_param(line, where))
    elif line.startswith("column "):
        header.columns.append(_column(line, where))
    else:
        match = _WORD.fullmatch(line)
        if match is None or match["word"] not in (*_WORDS, *_OPTIONAL):
            raise QueryError(
                f"{where}: not a declaration: {line!r}; a header has name, topic, summary, key, param, column"
            )
        if match["word"] in header.words:
            raise QueryError(f"{where}: {match['word']} is declared twice")
        header.words[match["word"]] = match["text"].strip()


def _param(line: str, where: str) -> Param:
    match = _PARAM.fullmatch(line)
    if match is None:
        raise QueryError(f"{where}: a parameter is declared as 'param NAME: TYPE = DEFAULT | meaning', not {line!r}")
    type_name: str = match["type"]
    choices: tuple[str, ...] = ()
    if type_name.startswith("one of "):
        choices = tuple(choice.strip() for choice in type_name.removeprefix("one of ").split(","))
        type_name = "string"
    if type_name not in PARAM_TYPES:
        raise QueryError(f"{where}: {type_name!r} is no type of a parameter; choose one of {', '.join(PARAM_TYPES)}")
    default = None
    if match["default"] is not None:
        try:
            default = cast(match["default"], type_name)
        except ValueError:
            raise QueryError(f"{where}: the default {match['default']!r} is not of type {type_name}") from None
        if choices and default not in choices:
            raise QueryError(f"{where}: the default {default!r} is not one of {', '.join(choices)}")
    return Param(match["name"], type_name, default, match["text"].strip(), choices)


def _column(line: str, where: str) -> Column:
    match = _COLUMN.fullmatch(line)
    if match is None:
        raise QueryError(f"{where}: a column is declared as 'column NAME: TYPE [unit] | meaning', not {line!r}")
    type_name = match["type"].removesuffix(" or null")
    types = [kind.value for kind in PropertyType]
    if type_name not in types:
        raise QueryError(f"{where}: {type_name!r} is no type of a column; choose one of {', '.join(types)}")
    nullable = match["type"].endswith(" or null")
    return Column(match["name"], PropertyType(type_name), match["unit"] or "", match["text"].strip(), nullable)


def _build(header: _Header, statement: Statement, where: str, path: Path | None) -> Query:
    for word in _WORDS:
        if word not in header.words:
            raise QueryError(f"{where}:1: the header declares no {word}; add a line '// {word}: …'")
    name = header.words["name"]
    if not _NAME.fullmatch(name):
        raise QueryError(f"{where}:1: {name!r} is no name of a query; use small letters, digits and underscores")
    if not header.columns:
        raise QueryError(f"{where}:1: the header declares no column; add a line '// column NAME: TYPE | meaning'")
    if not statement.text.strip():
        raise QueryError(f"{where}:{statement.first_line}: there is no Cypher after the header")
    for kind, names in (("parameter", [p.name for p in header.params]), ("column", [c.name for c in header.columns])):
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise QueryError(f"{where}:1: the {kind} {twice[0]!r} is declared twice")
    declared = header.words["key"]
    key = () if declared == SINGLE else tuple(part.strip() for part in declared.split(","))
    unordered = tuple(part.strip() for part in header.words.get("unordered", "").split(",") if part.strip())
    for word, parts in (("key", key), ("word 'unordered'", unordered)):
        unknown = [part for part in parts if part not in [c.name for c in header.columns]]
        if unknown:
            raise QueryError(f"{where}:1: the {word} names {unknown[0]!r}, which is no column")
    return Query(
        *(name, header.words["topic"], header.words["summary"], tuple(header.params), tuple(header.columns)),
        *(key, statement.text, path, unordered),
    )


def _check_params(query: Query, statement: Statement, where: str) -> None:
    declared = {param.name for param in query.params}
    used = statement.parameters()
    for name, line in used.items():
        if name not in declared:
            raise QueryError(f"{where}:{line}: ${name} is used but not declared; add '// param {name}: TYPE | meaning'")
    for name in sorted(declared - used.keys()):
        raise QueryError(f"{where}:1: the parameter {name!r} is declared but never used")


def _check_columns(query: Query, statement: Statement, where: str) -> None:
    declared = [column.name for column in query.columns]
    returns = statement.returned()
    if not returns:
        raise QueryError(f"{where}:{statement.first_line}: the statement has no RETURN")
    for line, names in returns:
        if names == declared:
            continue
        missing = [name for name in declared if name not in names]
        extra = [name for name in names if name not in declared]
        if missing:
            raise QueryError(f"{where}:{line}: the column {missing[0]!r} is declared but not returned")
        if extra:
            raise QueryError(f"{where}:{line}: {extra[0]!r} is returned but not declared as a column")
        raise QueryError(f"{where}:{line}: columns are returned in another order than declared: {', '.join(names)}")
