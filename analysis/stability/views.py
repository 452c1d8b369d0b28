"""Views: a circuit cut at a threshold, one of the settings over which it is asked what stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from circuit_atlas.analysis.graph import Floats, readable
from circuit_atlas.analysis.resampling import example_weights
from circuit_atlas.analysis.result import Asked, asked_for, rows_of
from circuit_atlas.analysis.thresholds import no_node_left, require_threshold
from circuit_atlas.analysis.units import require_features
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

_ALIKE = ("model", "suite", "task", "positions")
"""What circuits must have in common, so that their units are the same things."""

_NUMBERS = 4_000_000
"""Most resampled means at once."""


@dataclass(frozen=True)
class Values:
    """Nodes or edges of one circuit with what they were on every example.

    Attributes:
        keys: what each is, the same in every circuit of these settings.
        names: each for people.
        mean: effect or weight of each (units of the metric).
        examples: the same on every example, [one, example]; rows of NaN where it was not kept.

    """

    keys: tuple[Any, ...]
    names: tuple[str, ...]
    mean: Floats
    examples: Floats


@dataclass(frozen=True)
class Fetched:
    """One circuit of those compared.

    Attributes:
        name: its name.
        id: its key.
        created_at: when it was found.
        node_floor: nodes of smaller absolute effect were not stored.
        edge_floor: likewise edges.
        resampled: how much each example counts in each resample, [resample, example]; None for fewer than two items.
        node_ids: key of each node.
        nodes: the nodes, strongest first.
        ends: places of each edge's ends among the nodes, [edge, 2]; -1 the target.
        edge_ids: keys of each edge's ends.
        edges: the edges, strongest first.
        asked: the queries that gave it.

    """

    name: str
    id: str
    created_at: str
    node_floor: float
    edge_floor: float
    resampled: Floats | None
    node_ids: tuple[str, ...]
    nodes: Values
    ends: NDArray[np.int64]
    edge_ids: tuple[tuple[str, str], ...]
    edges: Values
    asked: tuple[Asked, ...]


@dataclass(frozen=True)
class View:
    """One circuit at one threshold.

    Attributes:
        circuit: the circuit.
        threshold: nodes of larger absolute effect are in it (units of the metric).
        edge_threshold: edges between them of larger absolute weight are (units of the metric).

    """

    circuit: Fetched
    threshold: float
    edge_threshold: float

    @property
    def has_node(self) -> NDArray[np.bool_]:
        """Which nodes are in it."""
        found: NDArray[np.bool_] = np.abs(self.circuit.nodes.mean) > self.threshold
        return found

    @property
    def has_edge(self) -> NDArray[np.bool_]:
        """Which edges are in it."""
        inside = np.append(self.has_node, True)[self.circuit.ends].all(axis=1)
        found: NDArray[np.bool_] = inside & (np.abs(self.circuit.edges.mean) > self.edge_threshold)
        return found


def survival(values: Values, resampled: Floats | None, threshold: float) -> Floats:
    """Share of resamples in which each mean has its own sign and exceeds the threshold; NaN where it is not known."""
    shares = np.full(len(values.mean), np.nan)
    if resampled is None or not len(values.mean):
        return shares
    signed = values.examples * np.where(values.mean < 0.0, -1.0, 1.0)[:, None]
    step = max(1, _NUMBERS // len(resampled))
    for start in range(0, len(signed), step):
        means = signed[start : start + step] @ resampled.T
        shares[start : start + step] = (means > threshold).mean(axis=1)
    shares[np.isnan(values.examples).any(axis=1)] = np.nan
    return shares


def fetch(store: Store, circuit: str, resamples: int, seed: int) -> Fetched:
    """Fetch one circuit with the values of every example.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: it is made of groups.

    """
    require_features(store, circuit, "has no units whose stability could be told")
    about = store.query("example_items", circuit=circuit)
    nodes = store.query("node_values", circuit=circuit)
    edges = store.query("edge_values", circuit=circuit)
    said = about.iloc[0]
    count = int(said["n_examples"])
    items = said["items"] if isinstance(said["items"], list) else list(range(count))
    place = {key: number for number, key in enumerate(nodes["id"])}
    rows = list(rows_of(nodes))
    units = [(row.unit_id, row.role if isinstance(row.role, str) else "", _position(row.position)) for row in rows]
    names = [readable(row) for row in rows]
    ids = list(zip(edges["source_id"], edges["target_id"], strict=True))
    ends = np.array([(place[up], place.get(down, -1)) for up, down in ids], np.int64).reshape(-1, 2)
    keys, called = [*units, "target"], [*names, "target"]
    return Fetched(
        name=str(said["name"]),
        id=str(said["id"]),
        created_at=str(said["created_at"]),
        node_floor=float(said["node_floor"]),
        edge_floor=float(said["edge_floor"]),
        resampled=example_weights(items, resamples, seed) if len(set(items)) > 1 else None,
        node_ids=tuple(nodes["id"]),
        nodes=Values(tuple(units), tuple(names), *_values(nodes, "effect", count)),
        ends=ends,
        edge_ids=tuple(ids),
        edges=Values(
            tuple((keys[up], keys[down]) for up, down in ends),
            tuple(f"{called[up]} → {called[down]}" for up, down in ends),
            *_values(edges, "weight", count),
        ),
        asked=asked_for(about, nodes, edges),
    )


def _position(value: Any) -> int:
    import pandas as pd

    return -1 if pd.isna(value) else int(value)


def _values(table: pd.DataFrame, name: str, count: int) -> tuple[Floats, Floats]:
    """Means, and the values on every example."""
    unknown = [np.nan] * count
    several = [one if isinstance(one, list) and len(one) == count else unknown for one in table[f"{name}s"]]
    return table[name].to_numpy(np.float64), np.array(several, np.float64).reshape(len(table), count)


def views_of(
    store: Store,
    circuits: Sequence[Fetched],
    thresholds: Sequence[float],
    sizes: Sequence[int],
    edge_threshold: float,
) -> list[View]:
    """Every circuit at every threshold, or of every size; without either, as it is stored.

    Raises:
        QueryError: a threshold is below what a circuit stored, above its strongest node, or does not fit its selection;
            a size is below 1.

    """
    if thresholds and sizes:
        raise QueryError("thresholds and sizes are two ways to say the same: give one of them")
    if any(size < 1 for size in sizes):
        raise QueryError(f"sizes has {min(sizes)}; ask for circuits of at least 1 node")
    found = []
    for one in circuits:
        cuts = [_of_size(one, size) for size in sizes] or [_at_least(one, t) for t in thresholds or (0.0,)]
        edge = edge_threshold or one.edge_floor
        if edge < one.edge_floor:
            raise QueryError(_below("edge_threshold", edge, one.edge_floor, one.name))
        for cut in dict.fromkeys(cuts):
            require_threshold(store, one.name, node_threshold=cut, edge_threshold=edge)
            found.append(View(one, cut, edge))
            if not found[-1].has_node.any():
                raise no_node_left(one.name, cut, float(np.abs(one.nodes.mean).max(initial=0.0)))
    return found


def _of_size(circuit: Fetched, size: int) -> float:
    """Return the threshold that leaves so many nodes: the absolute effect of the next weaker one."""
    sizes = np.sort(np.abs(circuit.nodes.mean))[::-1]
    return float(sizes[size]) if size < len(sizes) else circuit.node_floor


def _at_least(circuit: Fetched, threshold: float) -> float:
    if threshold and threshold < circuit.node_floor:
        raise QueryError(_below("node threshold", threshold, circuit.node_floor, circuit.name))
    return threshold or circuit.node_floor


def _below(what: str, asked: float, floor: float, circuit: str) -> str:
    return (
        f"{what} {asked:g} is below {floor:g}, the floor of circuit {circuit!r}, which stored nothing weaker: "
        f"ask from {floor:g} up, or discover it with a lower floor"
    )


def refuse_unlike(store: Store, circuits: Sequence[str]) -> tuple[Asked, ...]:
    """Refuse circuits whose units are not the same things.

    Raises:
        QueryError: one is named twice, or they differ in model, dictionaries, task or treatment of positions.
        UnknownCircuitError: there is no such circuit.

    """
    if not circuits:
        raise QueryError("name at least one circuit")
    tables = [store.query("circuit", circuit=name) for name in circuits]
    rows = [table.iloc[0] for table in tables]
    names = [str(row["name"]) for row in rows]
    if len(set(names)) < len(names):
        raise QueryError(f"a circuit is named twice among {', '.join(names)}: name each once")
    for what in _ALIKE:
        values = {str(row[what]): str(row["name"]) for row in rows}
        if len(values) > 1:
            told = ", ".join(f"{value} ({name})" for value, name in values.items())
            raise QueryError(f"circuits that differ in {what} have other units: {told}; name circuits of one {what}")
    return asked_for(*tables)
