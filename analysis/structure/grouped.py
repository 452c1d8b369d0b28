"""The graph of groups as a circuit of its own, to be stored beside the one that was grouped.

Its nodes are the groups (`kind` group), the error units and the target. A group is no instance of a feature: it holds
its members (`HOLDS`), and so is counted by no comparison of features. Effects of members add up, and so do weights
between two groups, for a group lies within one site and position. A standard error of a sum is at most the sum of
the members', which is stored in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from circuit_atlas.analysis.derived import derived_circuit, derived_from, own_links, shared_rows
from circuit_atlas.analysis.structure.groups import Grouping, label
from circuit_atlas.cypher import keys
from circuit_atlas.cypher.rows import CircuitRows, Pair, Row
from circuit_atlas.cypher.schema import GROUPS
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    from circuit_atlas.cypher.store import Store

_EDGE = Pair("EDGE", "CircuitNode", "CircuitNode")
_PLACE = ("component", "layer", "position", "role", "is_first_token")


def group_circuit(store: Store, grouping: Grouping, name: str) -> CircuitRows:
    """Make a circuit of groups: rows to be written to the store that has the circuit which was grouped.

    Args:
        store: where that is.
        grouping: its groups.
        name: of the new circuit.

    Returns:
        the new circuit: a node a group, error unit and target, with effects, weights and their values on every example
        (where all that are summed have them) summed over members.

    Raises:
        UnknownCircuitError: the circuit is no longer there.
        QueryError: there are no groups, or the circuit was replaced since it was grouped.

    """
    rows = store.read_circuit(str(store.query("circuit", circuit=grouping.circuit)["id"].iloc[0]))
    origin = rows.nodes["Circuit"][0]
    known = {row["id"]: row for row in rows.nodes["CircuitNode"]}
    found = _members(grouping, known)
    recipe = {**grouping.recipe, "operands": [origin["id"]]}
    changes = {
        "units": GROUPS,
        "name": name,
        "node_floor": max(origin["node_floor"], grouping.recipe["node_threshold"]),
        "edge_floor": max(origin["edge_floor"], grouping.recipe["edge_threshold"]),
        "n_nodes": sum(held[0]["kind"] != "target" for held in found),
        "certainty": None,
    }
    circuit = derived_circuit(origin, recipe, **changes)
    nodes = [_node(origin["id"], circuit["id"], held) for held in found]
    place = {row["id"]: node["id"] for node, held in zip(nodes, found, strict=True) for row in held}
    edges = _edges(rows, place, grouping.recipe["edge_threshold"])
    circuit["n_edges"] = len(edges)
    units = _unit_links(rows, place)
    shared = shared_rows([rows], {link["to"] for links in units.values() for link in links})
    relationships: dict[Pair, Sequence[Row]] = {
        **shared.relationships,
        **own_links(circuit, nodes, [rows]),
        **derived_from(circuit, recipe),
        **units,
        _EDGE: edges,
    }
    return CircuitRows(circuit["id"], {**shared.nodes, "Circuit": [circuit], "CircuitNode": nodes}, relationships)


def _members(grouping: Grouping, known: Mapping[str, Row]) -> list[list[Row]]:
    """Return the rows of each group's members, and (alone, where no edge above the threshold ends there) the target."""
    keys_of = [list(held) for held in grouping.groups["nodes"]]
    if not keys_of:
        raise QueryError(f"circuit {grouping.circuit!r} has no groups above these thresholds: give lower ones")
    if not all(key in known for held in keys_of for key in held):
        raise QueryError(f"circuit {grouping.circuit!r} was replaced since it was grouped: group it again")
    found = [[known[key] for key in held] for held in keys_of]
    target = next(row for row in known.values() if row["kind"] == "target")
    return found if any(target in held for held in found) else [*found, [target]]


def _node(origin: str, circuit: str, held: Sequence[Row]) -> dict[str, Any]:
    """Make the node of a group of these members, the strongest first; an error unit or target stays what it is."""
    first = held[0]
    inside = first["id"].removeprefix(f"{origin}/")
    if first["kind"] != "feature":
        return {**first, "id": f"{circuit}/{inside}", "stability": None, "standing": None, "exact_effect": None}
    site = inside.partition("/")[0]
    return {
        "id": f"{circuit}/{keys.group(site, first['feature_index'])}/{inside.rpartition('/')[2]}",
        "kind": "group",
        **{name: first[name] for name in _PLACE},
        "label": label(first["feature_index"], len(held)),
        "effect": sum(row["effect"] for row in held),
        "effect_se": _sum(row["effect_se"] for row in held),
        "effects": _sums([row["effects"] for row in held]),
    }


def _edges(rows: CircuitRows, place: Mapping[str, str], threshold: float) -> list[Row]:
    """Sum the edges between members of two nodes."""
    joined: dict[tuple[str, str], list[Row]] = {}
    for edge in rows.relationships.get(_EDGE, ()):
        if edge["from"] in place and edge["to"] in place and abs(edge["weight"]) > threshold:
            joined.setdefault((place[edge["from"]], place[edge["to"]]), []).append(edge)
    return [
        {
            "from": source,
            "to": target,
            "weight": sum(edge["weight"] for edge in edges),
            "weight_se": _sum(edge["weight_se"] for edge in edges),
            "weights": _sums([edge["weights"] for edge in edges]),
        }
        for (source, target), edges in joined.items()
    ]


def _unit_links(rows: CircuitRows, place: Mapping[str, str]) -> dict[Pair, list[Row]]:
    """Say which features the groups hold, and of which errors the error units are instances."""
    names = {
        Pair("HOLDS", "CircuitNode", "Feature"): Pair("INSTANCE_OF", "CircuitNode", "Feature"),
        Pair("INSTANCE_OF", "CircuitNode", "Error"): Pair("INSTANCE_OF", "CircuitNode", "Error"),
    }
    return {
        ours: [
            {"from": place[row["from"]], "to": row["to"]}
            for row in rows.relationships.get(theirs, ())
            if row["from"] in place
        ]
        for ours, theirs in names.items()
    }


def _sum(values: Iterable[float | None]) -> float | None:
    """Add up numbers; None where one is not known."""
    given = list(values)
    known = [value for value in given if value is not None]
    return sum(known) if len(known) == len(given) else None


def _sums(values: Sequence[Sequence[float] | None]) -> list[float] | None:
    """Add up lists place by place; None where one is not known."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return [sum(column) for column in zip(*known, strict=True)]
