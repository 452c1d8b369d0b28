"""Motifs: how many chains of two edges there are of each kind, such as feature → attention → feature.

The strength of a chain is that of a path: the product of its weights over the effect of its middle, in units of the
metric (see `circuit_atlas.analysis.paths`). A path passes one site once, so chains with the same middle site never
lie on one path and their strengths may be summed; over middle sites they may not, so that each has a row of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from circuit_atlas.analysis.graph import CircuitGraph, Floats, fetch_graph
from circuit_atlas.analysis.result import METRIC, Column, tabulate
from circuit_atlas.analysis.structure.sites import positions, site_name
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

COLUMNS = {
    "source": Column("string", "", "what the chain starts at: component of a feature, or error"),
    "middle": Column("string", "", "site of its middle unit, with /error for an error unit"),
    "target": Column("string", "", "what it ends at: component of a feature, error, or target"),
    "crosses": Column("boolean", "", "whether it ends at another position than it starts at"),
    "n_chains": Column("integer", "", "chains of this kind"),
    "positive": Column("float", METRIC, "strengths of the positive ones, summed"),
    "negative": Column("float", METRIC, "absolute strengths of the negative ones, summed"),
    "strongest": Column("float", METRIC, "strength of the strongest, signed"),
}
"""Type, unit and meaning of each column."""


class Kind(NamedTuple):
    """What chains have in common: `COLUMNS` says of each part what it is."""

    source: str
    middle: str
    target: str
    crosses: bool


@dataclass
class Census:
    """What was counted of one kind of chain: number, strengths summed (units of the metric), the strongest."""

    n_chains: int = 0
    positive: float = 0.0
    negative: float = 0.0
    strongest: float = 0.0

    def add(self, strengths: Floats) -> None:
        """Count chains with these strengths, one or more."""
        self.n_chains += len(strengths)
        self.positive += float(strengths[strengths > 0.0].sum())
        self.negative -= float(strengths[strengths < 0.0].sum())
        self.strongest = max(self.strongest, float(strengths[np.argmax(np.abs(strengths))]), key=abs)


def motifs(
    store: Store,
    circuit: str,
    limit: int = 20,
    node_threshold: float = 0.0,
    edge_threshold: float = 0.0,
    *,
    least_z: float = 0.0,
) -> pd.DataFrame:
    """Count the chains of two edges by what they start at, pass through and end at.

    Args:
        store: where the circuit is.
        circuit: its name.
        limit: at most so many rows.
        node_threshold: nodes of larger absolute effect only (units of the metric).
        edge_threshold: edges of larger absolute weight only (units of the metric).
        least_z: inner nodes whose effect is fewer standard errors from zero carry nothing.

    Returns:
        a row a kind of chain, columns as in `COLUMNS`, the largest summed absolute strength first.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: limit is below 1, or the thresholds do not fit the circuit's selection.

    """
    if limit < 1:
        raise QueryError(f"limit is {limit}; ask for at least 1 kind")
    graph = fetch_graph(store, circuit, node_threshold, edge_threshold, least_z)
    found = sorted(census(graph).items(), key=lambda item: (-item[1].positive - item[1].negative, item[0]))
    rows = [
        (*kind, counted.n_chains, counted.positive, counted.negative, counted.strongest)
        for kind, counted in found[:limit]
    ]
    return tabulate(COLUMNS, rows, graph.asked, **graph.about)


def census(graph: CircuitGraph) -> dict[Kind, Census]:
    """Count the chains through every node: each edge into it with each edge out of it."""
    nodes = graph.nodes
    by_target = np.argsort(graph.target, kind="stable")
    into = np.searchsorted(graph.target[by_target], np.arange(len(nodes) + 1))
    out = np.searchsorted(graph.source, np.arange(len(nodes) + 1))
    ends = np.where(nodes["kind"] == "error", "error", nodes["component"]).astype(object)
    where = positions(graph)
    found: dict[Kind, Census] = {}
    for node, (kind, component, layer) in enumerate(nodes[["kind", "component", "layer"]].itertuples(index=False)):
        before, after = by_target[into[node] : into[node + 1]], slice(out[node], out[node + 1])
        sources, targets = graph.source[before], graph.target[after]
        middle = site_name(component, layer) + ("/error" if kind == "error" else "")
        strengths = np.outer(graph.weight[before], graph.fraction[after])
        crosses = (where[sources, None] != where[targets]) & (ends[targets] != "target")
        for key, cell in _cells(ends[sources], middle, ends[targets], crosses):
            found.setdefault(key, Census()).add(strengths[cell])
    return found


def _cells(
    sources: NDArray[np.object_], middle: str, targets: NDArray[np.object_], crosses: NDArray[np.bool_]
) -> Iterator[tuple[Kind, NDArray[np.bool_]]]:
    """Split the pairs of an edge in and an edge out by what they join; a mask of the pairs for each kind there is."""
    for source in sorted(set(sources)):
        for target in sorted(set(targets)):
            pairs = np.outer(sources == source, targets == target)
            for apart in (False, True):
                cell = pairs & (crosses == apart)
                if cell.any():
                    yield Kind(source, middle, target, apart), cell
