"""One circuit in numbered versions that anyone can tell whole from torn."""

from __future__ import annotations

from circuit_atlas.cypher import CircuitRows, Store
from tests.graphs import Edge, Unit, circuit

NAME = "versioned"
SMALL, LARGE = 40, 400
"""Nodes of even and of odd versions: below and above the number of rows that the embedded engine copies."""

LOOK = """
MATCH (c:Circuit {name: $name})
OPTIONAL MATCH (c)-[:HAS_NODE]->(n:CircuitNode {kind: 'feature'})
OPTIONAL MATCH (n)-[e:EDGE]->(:CircuitNode)
RETURN c.n_nodes AS said, count(DISTINCT n.id) AS nodes, count(e) AS edges,
       min(n.effect) AS least, max(n.effect) AS most, min(e.weight) AS lightest, max(e.weight) AS heaviest
"""


def version(number: int, name: str = NAME) -> CircuitRows:
    """The circuit in one version: a chain whose every effect and weight is the number of the version."""
    size = LARGE if number % 2 else SMALL
    units: list[Unit] = [("mlp_0", index, 2, float(number)) for index in range(size)]
    edges: list[Edge] = [(index, index + 1, float(number)) for index in range(size)]
    return circuit(name, units, edges)


def look(store: Store, name: str = NAME) -> int | None:
    """Which version is stored; None where the circuit is absent.

    Raises:
        AssertionError: what is stored is no version whole.

    """
    found = store.rows(LOOK, {"name": name})
    if not found:
        return None
    seen = found[0]
    number = round(seen["most"] or 0)
    size = LARGE if number % 2 else SMALL
    whole = {"said": size, "nodes": size, "edges": size} | dict.fromkeys(
        ("least", "most", "lightest", "heaviest"), float(number)
    )
    assert seen == whole, f"torn: {seen}"
    return number
