"""The dialect lint: what LadybugDB lacks, or answers otherwise than Neo4j, is refused when a query is loaded.

Each rule is a pattern over the statement (comments and strings blanked), or a function over its clauses. Beside the
rules stand what was seen when both engines were tried (LadybugDB 0.22, Neo4j 5.26).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from circuit_atlas.cypher.declared import PropertyType
from circuit_atlas.cypher.library.statement import Clause, Statement, alias
from circuit_atlas.cypher.schema import LABELS, RELATIONSHIPS


@dataclass(frozen=True)
class Finding:
    """One breach: the rule, the line of the file, and what to write instead."""

    rule: str
    line: int
    message: str


_ABSENT = (
    "type|elementId|shortestPath|allShortestPaths|stdev|stdevp|datetime|toFloat|toString|toInteger|head|last|tail"
    "|split|exp|isNaN|reduce"
)
_OTHERWISE = {
    "log": "is base 10 in LadybugDB and natural in Neo4j",
    "substring": "counts from 1 in LadybugDB and from 0 in Neo4j",
    "labels": "is a string in LadybugDB and a list in Neo4j",
    "id": "is the engine's own number; use the property id",
    "round": "needs a second argument in LadybugDB",
}
AGGREGATES = "count|sum|avg|min|max|collect|percentileCont|percentileDisc"
_AGGREGATE = re.compile(rf"\b({AGGREGATES})\s*\(", re.IGNORECASE)
_RESERVED = "index"

_PATTERNS: tuple[tuple[str, str, str], ...] = (
    (
        "list-comprehension",
        r"\[\s*\w+\s+IN\b|(?<![-\w<])\[\s*\([^\]]*\)\s*<?-",
        "LadybugDB has no list comprehensions; use UNWIND and collect",
    ),
    ("absent-function", rf"\b({_ABSENT})\s*\(", "LadybugDB has no {0}(); leave it to analysis"),
    ("call", r"\bCALL\b", "LadybugDB has no CALL {{ … }}; use WITH, EXISTS {{ … }} or COUNT {{ … }}"),
    ("set-map", r"\bSET\s+\w+\s*\+=", "LadybugDB has no SET n += map; set one property at a time"),
    ("map-projection", r"\b\w+\s*\{\s*\.", "LadybugDB has no map projection; return the properties one by one"),
    (
        "all-with-parameter",
        r"\b(all|any|none|single)\s*\([^()]*\bIN\b(?:[^()]|\([^()]*\))*\$\w+",
        "LadybugDB takes no parameter inside {0}( … ); fetch the rows and decide in analysis",
    ),
    (
        "several-labels-then-merge",
        r"\(\s*\w*\s*:\s*\w+\s*\|\s*\w+[^)]*\)(?=[\s\S]*\bMERGE\b)",
        "LadybugDB cannot MERGE after a match of several labels; match one label",
    ),
    ("write", r"\b(CREATE|MERGE|SET|DELETE|REMOVE|DROP|ALTER|COPY|LOAD|FOREACH)\b", "a query only reads; {0} writes"),
    (
        "reserved-name",
        rf"(?<!\$)\b{_RESERVED}\b",
        "'index' is a reserved word in LadybugDB; use another name, such as feature_index",
    ),
    (
        "two-labels",
        r"\(\s*\w*\s*:\s*\w+\s*:\s*\w+",
        "(n:A:B) means A and B in Neo4j, A or B in LadybugDB; write A|B, or one label",
    ),
    (
        "starts-with-sum",
        r"\b(?:STARTS|ENDS)\s+WITH\s+(?!\()[^\s,)]+\s*\+",
        "STARTS WITH binds tighter than + in LadybugDB; put the sum in brackets",
    ),
    ("unbounded-path", r"\*\s*(?:\d+\s*\.\.)?\s*\]", "a variable-length pattern needs an upper bound: *1..4"),
    (
        "percentile",
        r"\bpercentile(?:Cont|Disc)\s*\((?:[^()]|\([^()]*\))*,(?!\s*[\d.]+\s*\))",
        "a percentile takes a literal, such as 0.5",
    ),
    *((f"otherwise-{name}", rf"(?<!\.)\b{name}\s*\(", f"{name}() {why}") for name, why in _OTHERWISE.items()),
)

_COMPILED = tuple((name, re.compile(pattern, re.IGNORECASE), message) for name, pattern, message in _PATTERNS)


def lint(statement: Statement, key: Sequence[str]) -> list[Finding]:
    """Find what does not mean the same on both engines, in order of line.

    Args:
        statement: the statement.
        key: the columns that tell its rows apart; none where it gives one row at most.

    """
    findings = [
        Finding(name, statement.line(match.start()), message.format(*match.groups()))
        for name, pattern, message in _COMPILED
        for match in pattern.finditer(statement.code)
    ]
    for rule in _RULES:
        findings += rule(statement)
    findings += _unique_order(statement, key)
    return sorted(findings, key=lambda finding: finding.line)


def _subscripts(statement: Statement) -> Iterator[Finding]:
    """`xs[1]` and `xs[1..3]` count from 1 in LadybugDB: a `[` after a value that is no keyword."""
    for match in re.finditer(r"(\w+|\))\s*\[", statement.code):
        if match[1].upper() not in {"IN", "RETURN", "WITH", "UNWIND", "AND", "OR", "THEN", "ELSE", "WHEN", "BY"}:
            message = "list positions and slices count from 1 in LadybugDB and from 0 in Neo4j; use UNWIND"
            yield Finding("subscript", statement.line(match.start()), message)


def _order_without_limit(statement: Statement) -> Iterator[Finding]:
    for clause in statement.clauses:
        if clause.word == "WITH" and clause.order_by is not None and not clause.has_limit:
            message = "LadybugDB has no WITH … ORDER BY without LIMIT; order in RETURN"
            yield Finding("order-without-limit", statement.line(clause.start), message)


def _aggregate_after_limit(statement: Statement) -> Iterator[Finding]:
    """An aggregate after WITH … ORDER BY … LIMIT ignores the order in LadybugDB: a wrong number, no error."""
    limited = False
    for clause in statement.clauses:
        if limited and clause.word in {"WITH", "RETURN"} and any(map(_AGGREGATE.search, clause.items)):
            message = (
                "an aggregate after WITH … ORDER BY … LIMIT is wrong in LadybugDB; aggregate first, or in analysis"
            )
            yield Finding("aggregate-after-limit", statement.line(clause.start), message)
        if clause.word.startswith("UNION"):
            limited = False
        limited |= clause.word == "WITH" and clause.order_by is not None and clause.has_limit


def _sums(statement: Statement) -> Iterator[Finding]:
    """`sum` of nothing is null in LadybugDB and 0 in Neo4j; of integers it is a Decimal there."""
    integers = {
        prop.name
        for properties in (*(label.properties for label in LABELS), *(r.properties for r in RELATIONSHIPS))
        for prop in properties
        if prop.type is PropertyType.INTEGER
    }
    for match in re.finditer(r"\bsum\s*\(", statement.code, re.IGNORECASE):
        end = _closing(statement.code, match.end())
        before, after = statement.code[: match.start()], statement.code[end:]
        line = statement.line(match.start())
        if not re.search(r"\bcoalesce\s*\(\s*$", before, re.IGNORECASE) or not re.match(r"\s*,\s*0\.0\s*\)", after):
            yield Finding("bare-sum", line, "sum of nothing is null in LadybugDB and 0 in Neo4j; coalesce(sum(x), 0.0)")
        inside = statement.code[match.end() : end - 1]
        names = set(re.findall(r"\.(\w+)", inside)) & integers
        if names or re.search(r"(?<![\w.$])\d+(?![\w.])", inside):
            yield Finding("integer-sum", line, "a sum of integers is a Decimal in LadybugDB; count, or sum floats")


def _closing(code: str, start: int) -> int:
    """The offset after the bracket that closes the one before `start`."""
    depth = 1
    for place in range(start, len(code)):
        depth += (code[place] == "(") - (code[place] == ")")
        if depth == 0:
            return place + 1
    return len(code)


def _unique_order(statement: Statement, key: Sequence[str]) -> Iterator[Finding]:
    """Rows with equal sort keys come in another order: ORDER BY ends with the columns that tell rows apart."""
    limited = [c for c in statement.clauses if c.word == "WITH" and c.has_limit]
    for clause in limited:
        if not _ends_in_id(clause):
            message = "WITH … LIMIT without ORDER BY ending in an id keeps other rows on each engine"
            yield Finding("unique-order", statement.line(clause.start), message)
    returns = [clause for clause in statement.clauses if clause.word == "RETURN"]
    last = returns[-1] if returns else None
    if not key or last is None:
        return
    keys = (last.order_by or [])[-len(key) :]
    if set(keys) != set(key):
        message = f"ORDER BY must end with {', '.join(key)}, the columns that tell rows apart"
        yield Finding("unique-order", statement.line(last.start), message)


def _edge_filter(statement: Statement) -> Iterator[Finding]:
    """`(c)-[:A]->(s)-[e:B]->(d) WHERE e.x > 1` lets wrong rows through in LadybugDB 0.22 where it starts from d."""
    for clause in statement.clauses:
        if not clause.word.endswith("MATCH"):
            continue
        pattern, _, condition = re.sub(r"\bWHERE\b", "\0", clause.body, count=1, flags=re.IGNORECASE).partition("\0")
        relationships = re.findall(r"-\s*\[\s*(\w*)[^\]]*\]\s*-", pattern)
        named = [name for name in relationships if name and re.search(rf"\b{name}\.", condition)]
        if len(relationships) > 1 and named:
            message = (
                f"a condition on {named[0]!r} inside a longer pattern lets wrong rows through in LadybugDB; "
                "pass it on by WITH and put the condition after that"
            )
            yield Finding("edge-filter", statement.line(clause.start), message)


def _union(statement: Statement) -> Iterator[Finding]:
    """ORDER BY after a UNION orders its last part alone."""
    for clause in statement.clauses:
        if clause.word.startswith("UNION"):
            message = "the rows of a UNION cannot be ordered as a whole; match several labels, or ask twice"
            yield Finding("union-order", statement.line(clause.start), message)


def _ends_in_id(clause: Clause) -> bool:
    if not clause.order_by:
        return False
    ids = {alias(item) for item in clause.items if re.search(r"\.id\b", item)}
    return clause.order_by[-1].endswith(".id") or clause.order_by[-1] in ids


_RULES: tuple[Callable[[Statement], Iterator[Finding]], ...] = (
    _subscripts,
    _order_without_limit,
    _aggregate_after_limit,
    _sums,
    _union,
    _edge_filter,
)
