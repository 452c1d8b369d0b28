"""A circuit as the store has it, made ready to be measured: its settings, its data and its nodes."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import torch

from circuit_atlas.cypher.schema import GROUPS
from circuit_atlas.cypher.store import Store
from circuit_atlas.errors import DataError, MeasureError
from circuit_atlas.ingest.batches import TokenExample
from circuit_atlas.ingest.measuring.circuit import Members
from circuit_atlas.ingest.measuring.settings import MeasureSettings, Place
from circuit_atlas.ingest.settings import FIELDS, DiscoverSettings
from circuit_atlas.ingest.sites import Site, site_from_name

_COARSER: tuple[Place, ...] = ("keep", "role", "sum")
"""Where nodes may act: those of one kind can act as any that comes after it."""


@dataclass(frozen=True)
class StoredNode:
    """A node of a circuit.

    Attributes:
        id: its key.
        site: where it is.
        feature: feature index; None: the error.
        position: token position, where it has one.
        role: name of its position, or of what it stands for; its token where positions have no names.
        effect: indirect effect (units of the metric).

    """

    id: str
    site: Site
    feature: int | None
    position: int | None
    role: str | None
    effect: float


@dataclass(frozen=True)
class StoredCircuit:
    """A circuit of the store.

    Attributes:
        name: its name.
        id: its key.
        task: key of its task.
        positions: keep, sum or role.
        settings: what it was discovered with (a derived circuit's: its first operand).
        nodes: features and errors.
        node_floor: absolute effect above which nodes were stored (units of the metric).
        edge_floor: likewise edges, by absolute weight.
        n_layers: transformer blocks of its model.

    """

    name: str
    id: str
    task: str
    positions: Place
    settings: DiscoverSettings
    nodes: Sequence[StoredNode]
    node_floor: float
    edge_floor: float
    n_layers: int


def read_stored(store: Store, name: str) -> StoredCircuit:
    """Read a circuit with its nodes.

    Raises:
        UnknownCircuitError: there is no such circuit.
        MeasureError: its nodes are groups of features.

    """
    row = store.query("circuit", circuit=name).iloc[0]
    if row["units"] == GROUPS:
        raise MeasureError(
            f"circuit {row['name']!r} is made of groups of features and is not run in the model: "
            "measure the circuit it was made from"
        )
    given = {key: value for key, value in json.loads(row["settings"]).items() if key in FIELDS}
    # Names of model and dictionaries as the graph has them, wherever their files lie today.
    given |= {"model_id": unquote(row["model"]), "suite": row["suite"]}
    stored = store.query("nodes", circuit=row["name"]).to_dict("records")
    nodes = [
        StoredNode(
            node["id"],
            _site(node["component"], int(node["layer"])),
            _whole(node["feature_index"]),
            _whole(node["position"]),
            node["role"] if isinstance(node["role"], str) else None,
            float(node["effect"]),
        )
        for node in stored
        if node["kind"] != "target"
    ]
    floors = (float(row["node_floor"]), float(row["edge_floor"]))
    (n_layers,) = (int(node["layer"]) for node in stored if node["kind"] == "target")  # it stands after the last one
    return StoredCircuit(
        row["name"], row["id"], row["task"], row["positions"], DiscoverSettings(**given), nodes, *floors, n_layers
    )


def _site(component: str, layer: int) -> Site:
    return site_from_name(component if component == "embed" else f"{component}_{layer}")


def _whole(value: Any) -> int | None:
    return None if value is None or value != value else int(value)


def settings_of_data(store: Store, circuit: StoredCircuit, asked: MeasureSettings) -> tuple[DiscoverSettings, str]:
    """Settings that read the data to measure on, and the key of its task; positions are not yet settled.

    Raises:
        UnknownCircuitError: there is no circuit `asked.on`.
        MeasureError: its nodes are groups.

    """
    other = read_stored(store, asked.on) if asked.on else circuit
    changed: dict[str, Any] = {"measure_thresholds": int(asked.split == "held-out"), "ablation": "auto"}
    changed["start_layer"] = 0  # what is ablated is the measurement's to say
    for name in ("model", "dictionaries", "model_id", "suite", "dtype"):
        changed[name] = getattr(circuit.settings, name)
    for name in ("model", "dictionaries", "device", "batch_size", "examples"):
        if getattr(asked, name):
            changed[name] = getattr(asked, name)
    for name in ("n_examples", "n_held_out"):
        if getattr(asked, name) is not None:
            changed[name] = getattr(asked, name)
    task = other.task
    if asked.examples:
        changed["held_out"] = asked.held_out
        changed["held_out_share"] = other.settings.held_out_share or FIELDS["held_out_share"].default
        task = asked.task or asked.examples.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return dataclasses.replace(other.settings, **changed), task


def settle_level(circuit: StoredCircuit, asked: MeasureSettings, *, own: bool) -> Place:
    """Where nodes act: what is asked for, or what the circuit and the data allow.

    Raises:
        MeasureError: the circuit's nodes have no positions, or roles, as are asked for.

    """
    if asked.level == "auto":
        return circuit.positions if own else "sum"
    has: Sequence[str] = _COARSER[_COARSER.index(circuit.positions) :]
    if asked.level not in has:
        raise MeasureError(
            f"nodes of {circuit.name!r} have no places as level {asked.level!r} needs; choose {' or '.join(has)}"
        )
    level: Place = asked.level
    return level


def members(
    nodes: Sequence[StoredNode], level: Place, roles: Sequence[str], widths: Mapping[Site, int]
) -> dict[Site, Members]:
    """Nodes of each site at a level; effects of one unit at several places of one are summed.

    `roles` are those of the data, in the order of their numbers; a node of another role has no place, and is left out.

    Raises:
        MeasureError: a node is of a site or feature that the dictionaries do not have.

    """
    place_of = {role: place for place, role in enumerate(roles)}
    pooled: dict[Site, dict[tuple[int, int], float]] = defaultdict(lambda: defaultdict(float))
    for node in nodes:
        unit, place = unit_and_place(node, level, place_of, widths)
        if place is not None:
            pooled[node.site][place, unit] += node.effect
    found = {}
    for site, units in pooled.items():
        place, unit = torch.tensor(list(units)).T
        effect = torch.tensor(list(units.values()), dtype=torch.float64)
        found[site] = Members(unit, None if level == "sum" else place, effect)
    return found


def outside(circuit: StoredCircuit, roles: Sequence[str]) -> Sequence[StoredNode]:
    """Return the nodes that have no place on data with these roles.

    Raises:
        MeasureError: none of the circuit's nodes has one.

    """
    found = [node for node in circuit.nodes if node.role not in roles]
    if circuit.nodes and len(found) == len(circuit.nodes):
        raise MeasureError(
            f"no node of {circuit.name!r} stands at a role of these examples ({', '.join(roles)}): "
            "measure with level sum, or on examples with its roles"
        )
    return found


def unit_and_place(
    node: StoredNode, level: Place, place_of: Mapping[str, int], widths: Mapping[Site, int]
) -> tuple[int, int | None]:
    """Unit of a node and the place where it acts (0 where it acts at all); None where the data has no such role.

    Raises:
        MeasureError: the dictionaries have no such unit.

    """
    if node.site not in widths or (node.feature or 0) >= widths[node.site]:
        raise MeasureError(f"the dictionaries have no unit {node.feature} at {node.site.name}: are they others?")
    unit = widths[node.site] if node.feature is None else node.feature
    return unit, {"keep": node.position, "role": place_of.get(node.role or ""), "sum": 0}[level]


def refuse_below_floor(circuit: StoredCircuit, asked: MeasureSettings) -> None:
    """Refuse thresholds that say more than they keep; 0 stands for all that is stored.

    Raises:
        MeasureError: there are nodes, or edges, above one that were not stored.

    """
    kinds = (("node", asked.thresholds, circuit.node_floor), ("edge", asked.edge_thresholds, circuit.edge_floor))
    for kind, thresholds, floor in kinds:
        for threshold in thresholds:
            if 0.0 < threshold < floor * (1 - 1e-6):  # as far as single precision tells them apart
                raise MeasureError(
                    f"{kind} threshold {threshold:g} is below {floor:.4g}, under which {circuit.name!r} has no "
                    f"{kind}s stored: name a larger one, or 0 for all that are"
                )


def refuse_above_all(circuit: StoredCircuit, level: Place, thresholds: Sequence[float]) -> None:
    """Refuse thresholds above every effect at a level, which needs no model to be known.

    Raises:
        MeasureError: one is.

    """
    pooled: dict[tuple[object, ...], float] = defaultdict(float)
    for node in circuit.nodes:
        place = {"keep": node.position, "role": node.role, "sum": None}[level]
        pooled[node.site, node.feature, place] += node.effect
    largest = max(map(abs, pooled.values()), default=0.0)
    for threshold in thresholds:
        if not largest > threshold:
            raise MeasureError(
                f"no node of {circuit.name!r} has an absolute effect above {threshold:g}; the largest is {largest:.4g}"
            )


def first_layers(start_layers: Sequence[int], n_layers: int) -> list[int]:
    """Return the first layer that is ablated for each start layer; -1 stands for the first third, rounded up."""
    return [-(-n_layers // 3) if layer < 0 else layer for layer in start_layers]


def refuse_late_start(circuit: StoredCircuit, start_layers: Sequence[int]) -> None:
    """Refuse start layers behind the last layer, which needs no model to be known.

    Raises:
        MeasureError: one is.

    """
    last = max(first_layers(start_layers, circuit.n_layers))
    if last >= circuit.n_layers:
        raise MeasureError(
            f"start layer {last} leaves no layer of {circuit.n_layers} to ablate: name one from 0 to "
            f"{circuit.n_layers - 1}, or -1 for after the first third"
        )


def refuse_other_template(circuit: StoredCircuit, examples: Sequence[TokenExample]) -> None:
    """Refuse examples whose positions are not those of the circuit's nodes.

    Raises:
        DataError: they are shorter, or name another role where the circuit has one of theirs.

    """
    length = min(len(example.clean) for example in examples)
    beyond = max((node.position or 0 for node in circuit.nodes), default=0)
    if beyond >= length:
        raise DataError(
            f"{circuit.name!r} has nodes at position {beyond}, but {examples[0].example.where} has {length} tokens: "
            "measure with level role or sum"
        )
    named = examples[0].example.roles
    for node in circuit.nodes:
        if named and node.position is not None and node.role in named and named[node.position] != node.role:
            raise DataError(
                f"position {node.position} is {node.role!r} in {circuit.name!r} and {named[node.position]!r} in "
                f"{examples[0].example.where}: measure with level role or sum"
            )
