"""Circuits made of circuits: what two share, what one has alone, what either has.

A derived circuit is a circuit like any other, with its recipe beside it: it can be drawn, compared, and measured on any
task, which turns "these two share a mechanism" into an experiment. Effects are chosen so that a threshold can be
applied before or after: for every threshold T, (A ∩ B)_T = A_T ∩ B_T and (A ∪ B)_T = A_T ∪ B_T.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from circuit_atlas.analysis.derived import derived_circuit, derived_from, own_links, shared_rows
from circuit_atlas.analysis.thresholds import require_threshold
from circuit_atlas.analysis.units import of_groups
from circuit_atlas.cypher import keys
from circuit_atlas.cypher.rows import CircuitRows, Pair, Row
from circuit_atlas.cypher.schema import GROUPS
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    from circuit_atlas.cypher.store import Store

Operation = Literal["intersection", "difference", "union"]
Level = Literal["feature", "role"]

_SIGN = {"intersection": "∩", "difference": "∖", "union": "∪"}
_ALIKE = {"model_id": "models", "suite": "dictionaries", "metric": "metrics"}
_OF_ONE = (
    *("sites", "site_survival", "site_total", "site_patched", "site_inactive", "steps", "rule"),
    *("accuracy", "right_sign", "n_items"),
)
"""Properties that are of a discovery, and of no derived circuit."""

_Unit = tuple[str, str | None]
"""Key of a feature or error, and the role where it stands (None: wherever)."""


@dataclass(frozen=True)
class _Operand:
    """One circuit with its nodes pooled at a level.

    Attributes:
        rows: as the store has it.
        effect: pooled effect of each unit that is strong enough (units of the metric).
        about: properties that the pooled node takes from one of its nodes.
        weight: pooled weight of each edge among them; None stands for the target.
        without_role: number of its nodes that are left out for want of a role.

    """

    rows: CircuitRows
    effect: Mapping[_Unit, float]
    about: Mapping[_Unit, Row]
    weight: Mapping[tuple[_Unit, _Unit | None], float]
    without_role: int

    @property
    def circuit(self) -> Row:
        """Properties of its own node."""
        return self.rows.nodes["Circuit"][0]


def combine(
    store: Store,
    operation: Operation,
    a: str,
    b: str,
    *,
    level: Level = "feature",
    node_threshold: float = 0.0,
    node_threshold_b: float | None = None,
    first_token: Literal["keep", "drop"] = "keep",
    name: str = "",
) -> CircuitRows:
    """Make a circuit of two: rows to be written to a store that has both.

    Args:
        store: where they are.
        operation: intersection, difference (what the one has and the other has not) or union.
        a: name of the one.
        b: name of the other.
        level: where two nodes count as the same: feature (positions pooled by signed sum), or feature and role; nodes
            without a role are left out then, and the recipe says how many of each.
        node_threshold: units of larger absolute pooled effect count as the one's (units of the metric).
        node_threshold_b: likewise of the other; None: the same.
        first_token: whether nodes at the first token of the input are pooled with the others, or dropped.
        name: of the new circuit; empty: made of both names.

    Returns:
        the new circuit. The effect of a unit is, of an intersection, the smaller of both by size, of a union the larger
        (with the sign it has there), of a difference the one's; weights of edges likewise.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: both are one circuit, their models, dictionaries or metrics differ, the level does not fit them,
            one is made of groups, or nothing is left.

    """
    _refuse_unknown(operation, level)
    thresholds = (node_threshold, node_threshold if node_threshold_b is None else node_threshold_b)
    names = [store.query("circuit", circuit=circuit).iloc[0] for circuit in (a, b)]
    refuse_same(names[0]["name"], names[1]["name"])
    for row, threshold in zip(names, thresholds, strict=True):
        require_threshold(store, row["name"], node_threshold=threshold)
    one, other = (
        _pooled(store.read_circuit(row["id"]), level, threshold, drop_first=first_token == "drop")
        for row, threshold in zip(names, thresholds, strict=True)
    )
    _refuse_unlike(one, other)
    effect, weight = _combined(operation, one, other)
    if not effect:
        raise _nothing_left(operation, one, other)
    recipe = {
        "operation": operation,
        "operands": [row["id"] for row in names],
        "level": level,
        "node_thresholds": list(thresholds),
        "first_token": first_token,
    }
    if one.without_role or other.without_role:
        recipe["without_role"] = [one.without_role, other.without_role]
    return _rows(one, other, recipe, effect, weight, name or name_of(operation, [row["name"] for row in names]))


def _refuse_unknown(operation: str, level: str) -> None:
    if operation not in get_args(Operation):
        raise QueryError(f"operation is {operation!r}; choose one of {', '.join(get_args(Operation))}")
    if level not in get_args(Level):
        raise QueryError(f"level is {level!r}; a derived circuit stands at feature or role")


def refuse_same(one: str, other: str) -> None:
    """Refuse to make a circuit of one and itself.

    Raises:
        QueryError: both are one circuit.

    """
    if one == other:
        raise QueryError(f"both names mean the circuit {one!r}: name two different circuits")


def name_of(operation: Operation, names: Sequence[str]) -> str:
    """Name what an operation makes of two circuits."""
    return f" {_SIGN[operation]} ".join(names)


def _nothing_left(operation: Operation, one: _Operand, other: _Operand) -> QueryError:
    names = f" {_SIGN[operation]} ".join(repr(operand.circuit["name"]) for operand in (one, other))
    why, instead = "", ""
    if one.without_role or other.without_role:
        why = f" ({one.without_role} and {other.without_role} nodes have no role)"
        instead = ", or use level feature"
    return QueryError(f"nothing is left of {names} above these thresholds{why}; lower them{instead}")


def _refuse_unlike(one: _Operand, other: _Operand) -> None:
    for property_name, what in _ALIKE.items():
        found = [operand.circuit[property_name] for operand in (one, other)]
        if found[0] != found[1]:
            raise QueryError(
                f"{one.circuit['name']!r} and {other.circuit['name']!r} cannot be combined, their {what} differ: "
                f"{found[0]!r} and {found[1]!r}"
            )


def _pooled(rows: CircuitRows, level: Level, threshold: float, *, drop_first: bool) -> _Operand:
    """Pool the nodes of a circuit, and its edges, by unit (and role)."""
    circuit = rows.nodes["Circuit"][0]
    if circuit["units"] == GROUPS:
        raise of_groups(circuit["name"], "is combined with none")
    if level == "role" and circuit["positions"] == "sum":
        raise QueryError(f"circuit {circuit['name']!r} sums over positions, so it has no roles: use level 'feature'")
    home = {
        row["from"]: row["to"]
        for label in ("Feature", "Error")
        for row in rows.relationships.get(Pair("INSTANCE_OF", "CircuitNode", label), ())
    }
    without_role = sum(row["kind"] != "target" and row["role"] is None for row in rows.nodes["CircuitNode"])
    unit_of: dict[str, _Unit | None] = {}
    effect: dict[_Unit, float] = {}
    about: dict[_Unit, Row] = {}
    for node in rows.nodes["CircuitNode"]:
        if node["kind"] == "target":
            unit_of[node["id"]] = None
        elif not (drop_first and node["is_first_token"]) and not (level == "role" and node["role"] is None):
            unit = unit_of[node["id"]] = (home[node["id"]], node["role"] if level == "role" else None)
            effect[unit] = effect.get(unit, 0.0) + node["effect"]
            about.setdefault(unit, node)
    strong = {unit: value for unit, value in effect.items() if abs(value) > threshold}
    weight: dict[tuple[_Unit, _Unit | None], float] = {}
    for edge in rows.relationships.get(Pair("EDGE", "CircuitNode", "CircuitNode"), ()):
        up, down = unit_of.get(edge["from"]), unit_of.get(edge["to"], ("", ""))
        if up in strong and (down is None or down in strong):
            weight[up, down] = weight.get((up, down), 0.0) + edge["weight"]
    return _Operand(rows, strong, about, weight, without_role if level == "role" else 0)


_Values = Mapping[Any, float]


def _combined(operation: Operation, one: _Operand, other: _Operand) -> tuple[dict[_Unit, float], dict[Any, float]]:
    effect = _values(operation, one.effect, other.effect)
    # Of a difference, edges between units that the one has alone, whatever the other's edges are.
    weight = dict(one.weight) if operation == "difference" else _values(operation, one.weight, other.weight)
    inside = {
        (up, down): value for (up, down), value in weight.items() if up in effect and (down is None or down in effect)
    }
    return effect, inside


def _values(operation: Operation, one: _Values, other: _Values) -> dict[Any, float]:
    if operation == "difference":
        return {key: value for key, value in one.items() if key not in other}
    if operation == "intersection":
        return {key: min(value, other[key], key=abs) for key, value in one.items() if key in other}
    return {key: max(one.get(key, 0.0), other.get(key, 0.0), key=abs) for key in [*one, *other]}


def _rows(
    one: _Operand,
    other: _Operand,
    recipe: Mapping[str, Any],
    effect: Mapping[_Unit, float],
    weight: Mapping[tuple[_Unit, _Unit | None], float],
    name: str,
) -> CircuitRows:
    circuit = _circuit(one, recipe, name, len(effect), len(weight))
    key = {unit: _node_id(circuit["id"], unit) for unit in effect}
    target = keys.circuit_node_id(circuit["id"], keys.TARGET, None)
    about = {**other.about, **one.about}
    nodes = [_node(key[unit], unit, value, about[unit]) for unit, value in effect.items()]
    of_target = next(row for row in one.rows.nodes["CircuitNode"] if row["kind"] == "target")
    nodes.append(
        {"id": target, **{k: of_target[k] for k in ("kind", "component", "layer", "is_first_token", "effect")}}
    )
    operands = (one.rows, other.rows)
    shared = shared_rows(operands, {unit for unit, _ in effect})
    relationships: dict[Pair, Sequence[Row]] = {
        **shared.relationships,
        **own_links(circuit, nodes, operands),
        **derived_from(circuit, recipe),
        Pair("EDGE", "CircuitNode", "CircuitNode"): [
            {"from": key[up], "to": target if down is None else key[down], "weight": value}
            for (up, down), value in weight.items()
        ],
    }
    for label in ("Feature", "Error"):
        kind = label.lower()
        relationships[Pair("INSTANCE_OF", "CircuitNode", label)] = [
            {"from": key[unit], "to": unit[0]} for unit in effect if about[unit]["kind"] == kind
        ]
    return CircuitRows(circuit["id"], {**shared.nodes, "Circuit": [circuit], "CircuitNode": nodes}, relationships)


def _circuit(one: _Operand, recipe: Mapping[str, Any], name: str, n_nodes: int, n_edges: int) -> dict[str, Any]:
    changes = {
        **dict.fromkeys(_OF_ONE),
        "name": name,
        "positions": "role" if recipe["level"] == "role" else "sum",
        "selection": "mean",
        "first_token": f"{recipe['first_token']} of the circuits it was made from",
        "node_floor": min(recipe["node_thresholds"]),
        "n_nodes": n_nodes,
        "n_edges": n_edges,
    }
    return derived_circuit(one.circuit, recipe, **changes)


def _node_id(circuit: str, unit: _Unit) -> str:
    """Key of a node: of `model/suite/site/feature/417` the part from the site on, and its role."""
    home, role = unit
    parts = home.split("/")
    inside = "/".join(parts[-3:] if parts[-2] == "feature" else parts[-2:])
    return keys.circuit_node_id(circuit, inside, None if role is None else keys.encode(role))


def _node(key: str, unit: _Unit, effect: float, about: Row) -> dict[str, Any]:
    same = {name: about[name] for name in ("kind", "component", "layer", "feature_index")}
    first = unit[1] is not None and about["is_first_token"]
    return {"id": key, **same, "role": unit[1], "is_first_token": first, "effect": effect}


def threshold_of_size(store: Store, circuit: str, size: int) -> float:
    """Threshold that leaves the strongest units of a circuit, positions pooled; all where it has no more than these.

    Raises:
        UnknownCircuitError: there is no such circuit.

    """
    row = store.query("circuit", circuit=circuit).iloc[0]
    pooled = _pooled(store.read_circuit(row["id"]), "feature", 0.0, drop_first=False)
    ranked = sorted((abs(value) for value in pooled.effect.values()), reverse=True)
    return (ranked[size - 1] + ranked[size]) / 2 if size < len(ranked) else 0.0
