"""Each rule of the dialect lint refuses what it names, and says nothing of what both engines agree on."""

import pytest

from circuit_atlas.cypher.library.lint import lint
from circuit_atlas.cypher.library.statement import Statement

BROKEN = [
    ("list-comprehension", "MATCH (n:Feature) RETURN [x IN n.top_tokens | x] AS y"),
    ("list-comprehension", "MATCH (n:Feature) RETURN [x IN n.top_tokens WHERE x = 'a'] AS y"),
    ("list-comprehension", "MATCH (n:Feature) RETURN [(n)-->(m) | m.id] AS y"),
    ("absent-function", "MATCH (n:Feature) RETURN reduce(a = 0.0, x IN n.top_activations | a + x) AS y"),
    ("absent-function", "MATCH ()-[r]->() RETURN type(r) AS y"),
    ("absent-function", "MATCH (n) RETURN elementId(n) AS y"),
    ("absent-function", "MATCH p = shortestPath((a)-[*..4]->(b)) RETURN length(p) AS y"),
    ("absent-function", "MATCH (n:CircuitNode) RETURN stdev(n.effect) AS y"),
    ("absent-function", "RETURN datetime() AS y"),
    ("absent-function", "MATCH (n:Feature) RETURN toFloat(n.layer) AS y"),
    ("absent-function", "MATCH (n:Feature) RETURN toString(n.layer) AS y"),
    ("absent-function", "RETURN toInteger('1') AS y"),
    ("absent-function", "MATCH (n:Feature) RETURN head(n.top_tokens) AS y"),
    ("absent-function", "MATCH (n:Feature) RETURN last(n.top_tokens) AS y"),
    ("absent-function", "MATCH (n:Feature) RETURN tail(n.top_tokens) AS y"),
    ("absent-function", "MATCH (n:Feature) RETURN split(n.id, '/') AS y"),
    ("absent-function", "MATCH (n:CircuitNode) RETURN exp(n.effect) AS y"),
    ("absent-function", "MATCH (n:CircuitNode) RETURN isNaN(n.effect) AS y"),
    ("call", "MATCH (n:Feature) CALL { WITH n MATCH (n)-->(m) RETURN m } RETURN m.id AS y"),
    ("set-map", "MATCH (n:Feature) SET n += {label: 'x'} RETURN n.id AS y"),
    ("map-projection", "MATCH (n:Feature) RETURN n {.*} AS y"),
    ("map-projection", "MATCH (n:Feature) RETURN n {.id, .label} AS y"),
    (
        "all-with-parameter",
        "MATCH p = (a:CircuitNode)-[:EDGE*1..2]->(b) WHERE all(r IN relationships(p) WHERE abs(r.weight) > $t) "
        "RETURN length(p) AS y",
    ),
    ("several-labels-then-merge", "MATCH (u:Feature|Error {id: $id}) MERGE (u)-[:OF_SAE]->(s) RETURN u.id AS y"),
    ("write", "MATCH (n:Feature) SET n.label = 'x' RETURN n.id AS y"),
    ("write", "MATCH (n:Feature) DETACH DELETE n RETURN 1 AS y"),
    ("reserved-name", "MATCH (n:Feature) RETURN n.feature_index AS index"),
    ("reserved-name", "MATCH (n:Feature) RETURN n.index AS y"),
    ("two-labels", "MATCH (n:Feature:Error) RETURN n.id AS y"),
    ("unbounded-path", "MATCH (a)-[:EDGE*]->(b) RETURN a.id AS y"),
    ("unbounded-path", "MATCH (a)-[:EDGE*2..]->(b) RETURN a.id AS y"),
    ("percentile", "MATCH (n:CircuitNode) RETURN percentileCont(n.effect, $p) AS y"),
    ("starts-with-sum", "MATCH (n:Feature) WHERE n.id STARTS WITH $a + '/' RETURN n.id AS y"),
    ("otherwise-log", "MATCH (n:CircuitNode) RETURN log(n.effect) AS y"),
    ("otherwise-substring", "MATCH (n:Feature) RETURN substring(n.id, 1) AS y"),
    ("otherwise-labels", "MATCH (n) RETURN labels(n) AS y"),
    ("otherwise-id", "MATCH (n) RETURN id(n) AS y"),
    ("otherwise-round", "MATCH (n:CircuitNode) RETURN round(n.effect) AS y"),
    ("subscript", "MATCH (n:Feature) RETURN n.top_tokens[1] AS y"),
    ("subscript", "MATCH (n:Feature) RETURN n.top_tokens[1..3] AS y"),
    ("subscript", "MATCH (n:Feature) RETURN collect(n.id)[0] AS y"),
    ("order-without-limit", "MATCH (n:Feature) WITH n ORDER BY n.id RETURN n.id AS y"),
    (
        "aggregate-after-limit",
        "MATCH (n:CircuitNode) WITH n ORDER BY n.effect, n.id LIMIT 3 RETURN max(n.effect) AS y",
    ),
    (
        "aggregate-after-limit",
        "MATCH (n:CircuitNode) WITH n ORDER BY n.effect, n.id LIMIT 3 MATCH (n)-->(m) "
        "WITH n, count(m) AS k RETURN k AS y",
    ),
    ("edge-filter", "MATCH (c:Circuit)-->(s)-[e:EDGE]->(d)<-[f:HAS_NODE]-(c) WHERE e.weight > 1.0 RETURN d.id AS y"),
    (
        "edge-filter",
        "MATCH (c)-[:HAS_NODE]->(s)-[e:EDGE]->(d) WHERE c.name = 'x' AND abs(e.weight) > $t RETURN d.id AS y",
    ),
    ("bare-sum", "MATCH (n:CircuitNode) RETURN sum(n.effect) AS y"),
    ("bare-sum", "MATCH (n:CircuitNode) RETURN coalesce(sum(n.effect), 0) AS y"),
    ("integer-sum", "MATCH (n:CircuitNode) RETURN coalesce(sum(n.layer), 0.0) AS y"),
    ("integer-sum", "MATCH (n:CircuitNode) RETURN coalesce(sum(CASE WHEN n.effect > 0.0 THEN 1 END), 0.0) AS y"),
    ("unique-order", "MATCH (n:CircuitNode) WITH n ORDER BY n.effect LIMIT 3 RETURN n.id AS y"),
    ("unique-order", "MATCH (n:CircuitNode) WITH n LIMIT 3 RETURN n.id AS y"),
    ("union-order", "MATCH (n:Feature) RETURN n.id AS y UNION ALL MATCH (n:Error) RETURN n.id AS y ORDER BY y"),
]


@pytest.mark.parametrize(("rule", "cypher"), BROKEN, ids=[f"{n}-{rule}" for n, (rule, _) in enumerate(BROKEN)])
def test_a_rule_refuses_what_it_names(rule: str, cypher: str) -> None:
    assert rule in {finding.rule for finding in lint(Statement(cypher), key=())}


SOUND = [
    "MATCH (n:Feature|Error) RETURN n.id AS y",
    "MATCH (a:CircuitNode)-[e:EDGE]->(b:CircuitNode) WHERE e.weight > 0.0 RETURN a.id AS y",
    "MATCH (a)-[:EDGE*1..4]->(b) RETURN a.id AS y",
    "MATCH (n:Circuit) WHERE n.name IN [$a, $b] RETURN n.id AS y",
    "UNWIND [1, 2] AS x RETURN x AS y",
    "MATCH (n:CircuitNode) RETURN coalesce(sum(abs(n.effect)), 0.0) AS y",
    "MATCH (n:CircuitNode) RETURN percentileCont(abs(n.effect), 0.5) AS y",
    "MATCH (n:Feature) WHERE n.id STARTS WITH ($a + '/') RETURN n.id AS y",
    "MATCH (n:Feature) WHERE n.label = 'reduce(type(r)) [x IN y] index' RETURN n.id AS y",
    "MATCH (n:Feature) // not like CALL { … } or n.top_tokens[1]\nRETURN n.id AS y",
    "MATCH (n:CircuitNode) WITH n ORDER BY n.effect, n.id LIMIT 3 RETURN n.id AS y",
    "MATCH (n:CircuitNode) WHERE EXISTS { MATCH (n)-[:EDGE]->(m) } RETURN n.id AS y",
    "MATCH (n:CircuitNode) WITH n.kind AS kind, collect({id: n.id, effect: n.effect}) AS rows UNWIND rows AS r "
    "RETURN r.id AS y",
    "MATCH (c)-[:HAS_NODE]->(s)-[e:EDGE]->(d) WITH e WHERE e.weight > 1.0 RETURN e.weight AS y",
    "MATCH (n:Feature) RETURN n.feature_index AS y",
    "MATCH (c)-[:HAS_NODE]->(s) WITH s MATCH (s)-[e:EDGE]->(d) WHERE e.weight > 1.0 RETURN d.id AS y",
    "MATCH (c)-[:HAS_NODE]->(s)-[e:EDGE]->(d) WHERE s.layer > 0 RETURN e.weight AS y",
    "MATCH p = (a)-[:EDGE*1..2]->(b) WHERE all(r IN relationships(p) WHERE abs(r.weight) > 0.5) RETURN a.id AS y",
]


@pytest.mark.parametrize("cypher", SOUND)
def test_what_both_engines_agree_on_passes(cypher: str) -> None:
    assert lint(Statement(cypher), key=()) == []


def test_order_by_must_end_with_the_key() -> None:
    cypher = "MATCH (n:CircuitNode) RETURN n.id AS id, n.effect AS effect ORDER BY {}"
    for order, breaches in (("abs(effect) DESC, id", 0), ("id DESC", 0), ("id, effect", 1), ("effect", 1)):
        found = lint(Statement(cypher.format(order)), key=("id",))
        assert len(found) == breaches, order
    assert lint(Statement("MATCH (n:CircuitNode) RETURN n.id AS id"), key=("id",))


def test_a_finding_names_the_line_of_the_file() -> None:
    statement = Statement("MATCH (n:Feature)\nWHERE n.layer > 0\nRETURN labels(n) AS y", first_line=7)
    assert [finding.line for finding in lint(statement, key=())] == [9]
