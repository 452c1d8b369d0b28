"""Which circuits use what: the rows of a store as numbers to count with.

A *unit* is a feature, an error or the target, at one of three levels (wherever it is, at a role, or at a position); an
*edge* is a pair of units. Effects and weights are pooled by signed sum over what the level does not tell apart, and a
use counts where their absolute value is above the threshold. Each has a kind, so that what is not alike is counted
apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from circuit_atlas.analysis.graph import Floats, Ints
from circuit_atlas.analysis.result import Asked, asked_for
from circuit_atlas.analysis.sharing.codes import Codes, without_group
from circuit_atlas.errors import StoreBusyError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

FEATURE, FIRST_TOKEN, ERROR, TARGET = range(4)
KINDS = ("feature", "first_token", "error", "target")
"""Kinds of units and of edges: between features, at the first token, at an error, of a feature into the target."""

LEVELS = ("feature", "role", "position")
FIRST_TOKEN_CHOICES = ("drop", "keep", "only")

_OF_NODE: Mapping[str, tuple[str, type[Any]]] = {
    "ordinal": ("ordinals", np.int64), "kind": ("kinds", object), "component": ("components", object),
    "layer": ("layers", np.int64), "feature_index": ("feature_indices", np.int64),
    "position": ("node_positions", np.int64), "role": ("roles", object), "first_token": ("first_token", np.int64),
    "effect": ("effects", np.float64),
}  # fmt: skip
"""What is read of each node: which lists of the query `node_uses` hold it, and its type."""

Edges = tuple[Ints, Ints, Floats]
"""Places of the nodes at both ends, and weights."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Uses:
    """What each of some circuits uses, pooled.

    Attributes:
        circuit: place of the circuit, shape [uses]; ascending.
        kind: place in `KINDS` of what is used.
        item: place in `items` of what is used.
        value: its signed effect or weight in the circuit (units of the metric).
        items: codes of units, shape [items], or of both ends of edges, shape [items, 2].
        codes: what the codes mean.

    """

    circuit: Ints
    kind: Ints
    item: Ints
    value: Floats
    items: Ints
    codes: Codes

    def where(self, kept: Ints | Mask) -> Uses:
        """The same of some uses alone."""
        return Uses(self.circuit[kept], self.kind[kept], self.item[kept], self.value[kept], self.items, self.codes)

    def after(self, places: int) -> Uses:
        """The same with circuits numbered from `places`."""
        return replace(self, circuit=self.circuit + places)

    def pair(self, a: int, b: int) -> Uses:
        """Two circuits' alone, as circuits 0 and 1, both of the same model and dictionaries, which codes then omit."""
        ends = [np.searchsorted(self.circuit, [one, one + 1]) for one in (a, b)]
        kept = np.concatenate([np.arange(*some) for some in ends])
        used, item = np.unique(self.item[kept], return_inverse=True)
        circuit = np.repeat([0, 1], [int(some[1] - some[0]) for some in ends])
        return Uses(circuit, self.kind[kept], item, self.value[kept], without_group(self.items[used]), self.codes)

    def strongest(self, size: int | None, *, equal: bool = True) -> Uses:
        """Keep of each kind the `size` strongest of every circuit, or (equal) as many as the smallest of them has.

        Uses of equal strength are kept in the order of their items, the same on every engine.
        """
        if size is None:
            return self
        order = np.lexsort((self.item, -np.abs(self.value).round(12), self.kind, self.circuit))
        group = self.circuit[order] * len(KINDS) + self.kind[order]
        start = np.flatnonzero(np.diff(group, prepend=-1))
        counts = np.diff(start, append=len(group))
        rank = np.arange(len(group)) - np.repeat(start, counts)
        most = np.full(len(KINDS), size)
        if equal:
            n_circuits = len(np.unique(self.circuit))
            for kind in range(len(KINDS)):
                sizes = counts[group[start] % len(KINDS) == kind]
                most[kind] = min(size, int(sizes.min())) if len(sizes) == n_circuits and len(sizes) else 0
        return self.where(np.sort(order[rank < most[group % len(KINDS)]]))


@dataclass(frozen=True)
class Reading:
    """The circuit nodes of some circuits, as numbers.

    Attributes:
        ordinal: their numbers among the nodes of their circuits.
        circuit: place of the circuit of each.
        code: code of its unit.
        kind: place in `KINDS`.
        effect: its effect (units of the metric).
        asked: the query.

    """

    ordinal: Ints
    circuit: Ints
    code: Ints
    kind: Ints
    effect: Floats
    asked: tuple[Asked, ...]


def read_nodes(store: Store, names: Sequence[str], codes: Codes, groups: Sequence[int]) -> Reading:
    """Read the nodes of circuits that are neighbours in the alphabet; places are those in `names`.

    At level role, nodes without one are left out: they have no place at which to be the same.
    """
    table, asked = _asked(store, "node_uses", names)
    nodes, circuit = _node_rows(table[table["circuit"].isin(names)], names)
    if codes.level == "role":
        known = ((nodes["role"] != "") | (nodes["kind"] == "target")).to_numpy()
        nodes, circuit = nodes[known], circuit[known]
    kind = np.asarray(nodes["kind"].map({"feature": FEATURE, "error": ERROR, "target": TARGET}), np.int64)
    kind = np.where((kind == FEATURE) & (nodes["first_token"] == 1), FIRST_TOKEN, kind)
    code = codes.encode(nodes, np.asarray(groups, np.int64)[circuit])
    return Reading(nodes["ordinal"].to_numpy(), circuit, code, kind, nodes["effect"].to_numpy(), asked)


def _node_rows(table: pd.DataFrame, names: Sequence[str]) -> tuple[pd.DataFrame, Ints]:
    """Make a row a node of a row a circuit, in order of circuits and numbers, and give the place of each circuit."""
    import pandas as pd

    place = np.asarray(table["circuit"].map({name: place for place, name in enumerate(names)}), np.int64)
    circuit = np.repeat(place, [len(some) for some in table["ordinals"]])
    found = {one: _flat(table[lists], dtype) for one, (lists, dtype) in _OF_NODE.items()}
    order = np.lexsort((found["ordinal"], circuit))
    return pd.DataFrame({name: values[order] for name, values in found.items()}), circuit[order]


def read_edges(
    store: Store, names: Sequence[str], nodes: Reading, made: Mapping[str, str]
) -> tuple[Edges, tuple[Asked, ...]]:
    """Read the edges between these nodes.

    Args:
        store: where they are.
        names: of the circuits, as for `read_nodes`.
        nodes: their nodes.
        made: `created_at` of each circuit, read before its nodes.

    Raises:
        StoreBusyError: another process found a circuit anew meanwhile: the numbers of its nodes are others now.

    """
    table, asked = _asked(store, "edge_uses", names)
    table = table[table["circuit"].isin(names)]
    for name, at in zip(table["circuit"], table["created_at"], strict=True):
        if at != made[name]:
            raise StoreBusyError(f"circuit {name!r} was found anew while it was read: ask again")
    count = [len(weights) for weights in table["weights"]]
    circuit = np.asarray(table["circuit"].map({name: place for place, name in enumerate(names)}), np.int64)
    row = _RowOf(nodes)
    source, target = (row.of(np.repeat(circuit, count), _flat(table[end], np.int64)) for end in ("sources", "targets"))
    weight, known = _flat(table["weights"], np.float64), (source >= 0) & (target >= 0)
    return (source[known], target[known], weight[known]), asked


class _RowOf:
    """Finds nodes of a reading by circuit and ordinal; -1 where they were left out of it."""

    def __init__(self, nodes: Reading) -> None:
        self._stride = int(nodes.ordinal.max(initial=-1)) + 1
        key = nodes.circuit * self._stride + nodes.ordinal
        self._row: Ints = np.full(int(key.max(initial=-1)) + 1, -1, np.int64)
        self._row[key] = np.arange(len(key))

    def of(self, circuit: Ints, ordinal: Ints) -> Ints:
        key = circuit * self._stride + ordinal
        inside = (ordinal < self._stride) & (key < len(self._row))
        row: Ints = np.full(len(key), -1, np.int64)
        row[inside] = self._row[key[inside]]
        return row


def _flat(lists: pd.Series[Any], dtype: type[Any]) -> NDArray[Any]:
    """Put the lists of a column one behind the other."""
    return np.concatenate([np.zeros(0, dtype), *(np.asarray(one, dtype) for one in lists)])


def _asked(store: Store, query: str, names: Sequence[str]) -> tuple[pd.DataFrame, tuple[Asked, ...]]:
    table = store.query(query, from_name=names[0], to_name=names[-1])
    asked = asked_for(table)
    table.attrs = {}  # every column taken out of a table would take a copy of them along
    return table, asked


def node_uses(nodes: Reading, codes: Codes, threshold: float, first_token: str = "apart") -> Uses:
    """Pool the effects of nodes by unit.

    Args:
        nodes: what was read.
        codes: what their codes mean.
        threshold: units of larger absolute pooled effect.
        first_token: apart (a kind of its own, beside errors), or features alone: drop, keep or only those at the first
            token of the input.

    """
    kept, kind = _treat(nodes.kind, first_token)
    kept &= kind != TARGET
    items, item = np.unique(nodes.code[kept], return_inverse=True)
    return _pool(nodes.circuit[kept], kind[kept], item, nodes.effect[kept], items, codes, threshold)


def edge_uses(
    nodes: Reading,
    edges: Edges,
    codes: Codes,
    node_threshold: float,
    edge_threshold: float,
    first_token: str = "apart",
) -> Uses:
    """Pool the weights of edges by the units at both ends.

    Args:
        nodes: what was read.
        edges: places of both ends, and weights.
        codes: what the codes of units mean.
        node_threshold: both ends are circuit nodes of larger absolute effect; the target always counts.
        edge_threshold: edges of larger absolute pooled weight.
        first_token: as of `node_uses`.

    """
    source, target, weight = edges
    strong = (np.abs(nodes.effect) > node_threshold) | (nodes.kind == TARGET)
    kept, kind = _treat(_edge_kind(nodes.kind[source], nodes.kind[target]), first_token)
    kept &= strong[source] & strong[target]
    if first_token != "apart":
        kept &= nodes.kind[target] != TARGET
    source, target, weight, kind = source[kept], target[kept], weight[kept], kind[kept]
    units, place = np.unique(nodes.code, return_inverse=True)
    pair = place[source] * len(units) + place[target]
    pairs, item = np.unique(pair, return_inverse=True)
    items = np.stack([units[pairs // max(len(units), 1)], units[pairs % max(len(units), 1)]], axis=1)
    return _pool(nodes.circuit[source], kind, item, weight, items, codes, edge_threshold)


def together(one: Reading, other: Reading, edges: Sequence[Edges]) -> tuple[Reading, Edges]:
    """Put the nodes and edges of two circuits into one reading, as circuits 0 and 1."""
    nodes = Reading(
        ordinal=np.concatenate([one.ordinal, other.ordinal]),
        circuit=np.concatenate([one.circuit, other.circuit + 1]),
        code=np.concatenate([one.code, other.code]),
        kind=np.concatenate([one.kind, other.kind]),
        effect=np.concatenate([one.effect, other.effect]),
        asked=(*one.asked, *other.asked),
    )
    both = [np.concatenate([first, second]) for first, second in zip(*edges, strict=True)]
    both[0][len(edges[0][0]) :] += len(one.ordinal)
    both[1][len(edges[0][0]) :] += len(one.ordinal)
    return nodes, (both[0], both[1], both[2])


def joined(parts: Sequence[Uses]) -> Uses:
    """Put together what several readings of the same codes gave, in the order of their circuits."""
    stacked = np.concatenate([one.items for one in parts])
    if stacked.ndim == 1:
        items, place = np.unique(stacked, return_inverse=True)
    else:
        units, ends = np.unique(stacked, return_inverse=True)
        ends = ends.reshape(-1, 2)
        pairs, place = np.unique(ends[:, 0] * max(len(units), 1) + ends[:, 1], return_inverse=True)
        items = units[np.stack(np.divmod(pairs, max(len(units), 1)), axis=1)]
    starts = np.cumsum([0, *(len(one.items) for one in parts)])
    return Uses(
        circuit=np.concatenate([one.circuit for one in parts]),
        kind=np.concatenate([one.kind for one in parts]),
        item=np.concatenate([place[start + one.item] for start, one in zip(starts, parts, strict=False)]),
        value=np.concatenate([one.value for one in parts]),
        items=items,
        codes=parts[0].codes,
    )


def _treat(kind: Ints, first_token: str) -> tuple[Mask, Ints]:
    """Say which uses count and as what kind, given how the first token is treated."""
    if first_token == "apart":
        return np.ones(len(kind), bool), kind
    wanted = {"drop": (FEATURE,), "keep": (FEATURE, FIRST_TOKEN), "only": (FIRST_TOKEN,)}[first_token]
    return np.isin(kind, wanted), np.where(np.isin(kind, wanted), FEATURE, kind)


def _edge_kind(source: Ints, target: Ints) -> Ints:
    kind = np.where(target == TARGET, TARGET, FEATURE)
    kind = np.where((source == FIRST_TOKEN) | (target == FIRST_TOKEN), FIRST_TOKEN, kind)
    return np.where((source == ERROR) | (target == ERROR), ERROR, kind)


def _pool(circuit: Ints, kind: Ints, item: Ints, value: Floats, items: Ints, codes: Codes, threshold: float) -> Uses:
    key = (circuit * len(KINDS) + kind) * max(len(items), 1) + item
    keys, place = np.unique(key, return_inverse=True)
    pooled: Floats = np.bincount(place, weights=value, minlength=len(keys)).astype(np.float64)
    kept = np.abs(pooled) > threshold
    keys, pooled = keys[kept], pooled[kept]
    group = keys // max(len(items), 1)
    return Uses(group // len(KINDS), group % len(KINDS), keys % max(len(items), 1), pooled, items, codes)
