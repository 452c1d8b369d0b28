"""Verify a graph against the schema: each check is a statement whose every row is a problem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from circuit_atlas.cypher.declared import Label, Property
from circuit_atlas.cypher.reading import Rows
from circuit_atlas.cypher.schema import LABELS, RELATIONSHIPS

MOST = 100
"""Problems of one kind that are listed."""


class Check(NamedTuple):
    """A statement, and what its rows mean in words (columns in braces)."""

    statement: str
    problem: str


EXACTLY_ONE: tuple[tuple[str, str, str], ...] = (
    ("CircuitNode", "(n)<-[:HAS_NODE]-(:Circuit)", "circuits"),
    ("Measurement", "(n)-[:MEASURES]->(:Circuit)", "circuits that it measures"),
    ("Measurement", "(n)-[:ON_TASK]->(:Task)", "tasks"),
    ("Circuit", "(n)-[:OF_MODEL]->(:Model)", "models"),
    ("Circuit", "(n)-[:EXPLAINS]->(:Task)", "tasks"),
    ("Circuit", "(n)-[:HAS_NODE]->(:CircuitNode {kind: 'target'})", "targets"),
    ("Sae", "(n)-[:OF_MODEL]->(:Model)", "models"),
    ("Feature", "(n)-[:OF_SAE]->(:Sae)", "dictionaries"),
    ("Error", "(n)-[:OF_SAE]->(:Sae)", "dictionaries"),
    ("Candidates", "(n)-[:OF_SAE]->(:Sae)", "dictionaries"),
    ("Annotation", "(n)-[:ANNOTATES]->(:Feature)", "features that it speaks of"),
)
"""Label, pattern that must be there once, what it leads to."""

UNIT_OF_KIND = {"feature": "Feature", "error": "Error"}


def problems(store: Rows, wanted: Iterable[Check]) -> list[str]:
    """Return one line a problem, at most `MOST` of each kind."""
    return [line for check in wanted for line in _lines(store, check)]


def checks() -> Iterator[Check]:
    """Every check that Cypher of both engines can make."""
    for label in LABELS:
        yield _duplicates(label, "id")
        for declared in (declared for declared in label.properties if declared.required):
            yield _missing_in_node(label, declared)
    yield _duplicates(next(label for label in LABELS if label.name == "Circuit"), "name")
    for relationship in RELATIONSHIPS:
        for declared in (declared for declared in relationship.properties if declared.required):
            yield _missing_in_relationship(relationship.name, declared)
    yield from (_exactly_one(*wanted) for wanted in EXACTLY_ONE)
    yield from _units()
    yield from _groups()
    yield from _similar()
    yield from _sizes()
    yield from _edges()


def _lines(store: Rows, check: Check) -> Iterator[str]:
    rows: list[Mapping[str, Any]] = list(store.rows(f"{check.statement} LIMIT {MOST + 1}"))
    yield from (check.problem.format(**row) for row in rows[:MOST])
    if len(rows) > MOST:
        yield f"… and more like the last {MOST}"


def _duplicates(label: Label, name: str) -> Check:
    return Check(
        f"MATCH (n:{label.name}) WITH n.{name} AS value, count(*) AS times WHERE times > 1 "
        "RETURN value, times ORDER BY value",
        f"{label.name}: {{times}} nodes have the {name} {{value}}, which must be unique",
    )


def _missing_in_node(label: Label, declared: Property) -> Check:
    return Check(
        f"MATCH (n:{label.name}) WHERE n.{declared.name} IS NULL RETURN n.id AS id ORDER BY id",
        f"{label.name} {{id}} lacks {declared.name}",
    )


def _missing_in_relationship(name: str, declared: Property) -> Check:
    return Check(
        f"MATCH (a)-[r:{name}]->(b) WHERE r.{declared.name} IS NULL "
        "RETURN a.id AS source, b.id AS target ORDER BY source, target",
        f"{name} from {{source}} to {{target}} lacks {declared.name}",
    )


def _exactly_one(label: str, pattern: str, leads_to: str) -> Check:
    return Check(
        f"MATCH (n:{label}) WITH n.id AS id, COUNT {{ MATCH {pattern} }} AS times WHERE times <> 1 "
        "RETURN id, times ORDER BY id",
        f"{label} {{id}} has {{times}} {leads_to}, where one is right",
    )


def _units() -> Iterator[Check]:
    for kind, label in UNIT_OF_KIND.items():
        yield Check(
            f"MATCH (n:CircuitNode) WHERE n.kind = '{kind}' "
            f"WITH n.id AS id, COUNT {{ MATCH (n)-[:INSTANCE_OF]->(:{label}) }} AS times WHERE times <> 1 "
            "RETURN id, times ORDER BY id",
            f"CircuitNode {{id}} of kind {kind} is an instance of {{times}} {label} nodes, where one is right",
        )
    yield Check(
        "MATCH (n:CircuitNode) WHERE NOT n.kind IN ['feature', 'group', 'error', 'target'] "
        "RETURN n.id AS id, n.kind AS kind ORDER BY id",
        "CircuitNode {id} has the unknown kind {kind}",
    )


def _groups() -> Iterator[Check]:
    """Groups hold features and are instances of none, so that comparisons of features never count one."""
    yield Check(
        "MATCH (n:CircuitNode) WHERE n.kind = 'group' AND NOT EXISTS { MATCH (n)-[:HOLDS]->(:Feature) } "
        "RETURN n.id AS id ORDER BY id",
        "CircuitNode {id} of kind group holds no feature",
    )
    yield Check(
        "MATCH (n:CircuitNode) WHERE n.kind IN ['group', 'target'] "
        "AND EXISTS { MATCH (n)-[:INSTANCE_OF]->(:Feature|Error) } RETURN n.id AS id, n.kind AS kind ORDER BY id",
        "CircuitNode {id} of kind {kind} is an instance of something, where none is right",
    )
    yield Check(
        "MATCH (n:CircuitNode)-[:HOLDS]->(:Feature) WHERE n.kind <> 'group' "
        "RETURN DISTINCT n.id AS id, n.kind AS kind ORDER BY id",
        "CircuitNode {id} of kind {kind} holds features, which only groups do",
    )
    yield Check(
        "MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode) WHERE (c.units = 'groups' AND n.kind = 'feature') "
        "OR (c.units = 'features' AND n.kind = 'group') "
        "RETURN DISTINCT c.name AS name, c.units AS units, n.kind AS kind ORDER BY name",
        "Circuit {name} says that its units are {units}, but it has nodes of kind {kind}",
    )


def _similar() -> Iterator[Check]:
    yield Check(
        "MATCH (a:Feature)-[r:SIMILAR_TO]->(b:Feature) WHERE r.cosine < -1.0 OR r.cosine > 1.0 OR a.id = b.id "
        "RETURN a.id AS source, b.id AS target, r.cosine AS cosine ORDER BY source, target",
        "SIMILAR_TO from {source} to {target} with cosine {cosine} is none between two features",
    )
    yield Check(
        "MATCH (a:Feature)-[:SIMILAR_TO]->(b:Feature) WHERE a.id <> b.id "
        "WITH CASE WHEN a.id < b.id THEN a.id ELSE b.id END AS one, CASE WHEN a.id < b.id THEN b.id ELSE a.id END "
        "AS other, count(*) AS times WHERE times > 1 RETURN one, other, times ORDER BY one, other",
        "SIMILAR_TO joins {one} and {other} {times} times, where once is right",
    )


def _sizes() -> Iterator[Check]:
    """What a circuit says of its size is what is there: a torn circuit would fail here."""
    yield Check(
        "MATCH (c:Circuit) WITH c.name AS name, c.n_nodes AS said, "
        "COUNT { MATCH (c)-[:HAS_NODE]->(n:CircuitNode) WHERE n.kind <> 'target' } AS found WHERE said <> found "
        "RETURN name, said, found ORDER BY name",
        "Circuit {name} says it has {said} nodes, but {found} are stored",
    )
    yield Check(
        "MATCH (c:Circuit) WITH c.name AS name, c.n_edges AS said, "
        "COUNT { MATCH (c)-[:HAS_NODE]->(:CircuitNode)-[:EDGE]->(:CircuitNode) } AS found WHERE said <> found "
        "RETURN name, said, found ORDER BY name",
        "Circuit {name} says it has {said} edges, but {found} are stored",
    )
    yield Check(
        "MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode) WITH c.name AS name, n.ordinal AS ordinal, count(*) AS times "
        "WHERE times > 1 RETURN name, ordinal, times ORDER BY name, ordinal",
        "Circuit {name} has {times} nodes of the ordinal {ordinal}, where one is right",
    )


def _edges() -> Iterator[Check]:
    yield Check(
        "MATCH (c:Circuit)-[:HAS_NODE]->(a:CircuitNode)-[:EDGE]->(b:CircuitNode)<-[:HAS_NODE]-(d:Circuit) "
        "WHERE c.id <> d.id RETURN a.id AS source, b.id AS target ORDER BY source, target",
        "EDGE from {source} to {target} joins two circuits",
    )
    yield Check(
        "MATCH (a:CircuitNode)-[:EDGE]->(b:CircuitNode) WITH a.id AS source, b.id AS target, count(*) AS times "
        "WHERE times > 1 OR source = target RETURN source, target, times ORDER BY source, target",
        "EDGE from {source} to {target} is there {times} times, or leads to where it starts",
    )
