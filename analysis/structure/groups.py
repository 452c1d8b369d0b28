"""Supernodes: a circuit's features grouped by what feeds them, what they feed and how they write.

Beside the groups stands the graph of the groups, which `grouped` makes a circuit of its own.

The tree of merges is that of `profiles`. The cut is chosen by a score. Of all blocks' merges, in order of what each
adds to the sum of squares within groups, the first j are made; with n nodes, n - j groups, and g groups at the end
of all merges,

    kept  = 1 - added by the first j / added by all          (share of the differences between profiles that is kept)
    score = kept - (n - j - g) / (n - g)                     (less the share of the merges that are not made)

Both terms are 1 before the first merge and 0 after the last, so the score is how far kept stands above the diagonal,
and its largest value the knee (Satopaa et al., Finding a "Kneedle" in a Haystack, 2011): it makes just those merges
that add less than the mean merge.

A group lies within one site and position: the effects of its members add up, and no path passes two of them, so that
weights between groups add up too, and flows through members add up to the flow through the group.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.flow import Flow, flow_of, share, summed
from circuit_atlas.analysis.graph import CircuitGraph, Floats, Ints, fetch_graph, readable
from circuit_atlas.analysis.result import METRIC, Column, rows_of, tabulate
from circuit_atlas.analysis.structure.likeness import Likeness, fetch_likeness
from circuit_atlas.analysis.structure.profiles import Merges, merge_blocks
from circuit_atlas.analysis.structure.quotient import quotient
from circuit_atlas.analysis.structure.sites import places, site_name, site_order
from circuit_atlas.analysis.units import require_features
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

DIRECTIONS = 1 / 3
"""Share of a profile that decoder directions make up: as much as edges in, and as edges out."""

GROUP_COLUMNS = {
    "group": Column("string", "", "its strongest member for people, and how many others it holds: `resid_3/417+2`"),
    "site": Column("string", "", "the site of all its members"),
    "place": Column("string", "", "role (else position) of all its members; empty where positions are summed"),
    "kind": Column("string", "", "feature, error or target"),
    "n_nodes": Column("integer", "", "its members"),
    "effect": Column("float", METRIC, "their effects, summed with sign"),
    "absolute_effect": Column("float", METRIC, "their absolute effects, summed"),
    "positive_flow": Column("float", METRIC, "strengths of the positive paths through it, summed"),
    "negative_flow": Column("float", METRIC, "absolute strengths of the negative paths through it, summed"),
    "share": Column("float", "share", "of the absolute strength of all paths; null where there are none"),
    "members": Column("list of strings", "", "its members for people, strongest first"),
    "nodes": Column("list of strings", "", "keys of their circuit nodes, in the same order"),
}
EDGE_COLUMNS = {
    "source": Column("string", "", "upstream group"),
    "target": Column("string", "", "downstream group"),
    "n_edges": Column("integer", "", "edges between their members"),
    "weight": Column("float", METRIC, "their weights, summed with sign"),
    "absolute_weight": Column("float", METRIC, "their absolute weights, summed"),
    "positive_flow": Column("float", METRIC, "strengths of the positive paths along them, summed"),
    "negative_flow": Column("float", METRIC, "absolute strengths of the negative paths along them, summed"),
    "source_node": Column("string", "", "key of the upstream group's strongest member"),
    "target_node": Column("string", "", "key of the downstream group's strongest member"),
}
CUT_COLUMNS = {
    "n_groups": Column("integer", "", "groups after the cut, error units and the target not counted"),
    "kept": Column("float", "share", "of the differences between profiles that stay between groups"),
    "score": Column("float", "share", "kept, less the share of the merges that are not made"),
    "chosen": Column("boolean", "", "whether the groups were cut here"),
}


@dataclass(frozen=True)
class Grouping:
    """A circuit's graph of groups; every table names its queries and parameters in `attrs`.

    Attributes:
        circuit: name of the circuit that was grouped.
        groups: a row a group, columns as in `GROUP_COLUMNS`, in order of the forward pass, the strongest first.
        edges: a row a pair of groups that edges join, columns as in `EDGE_COLUMNS`, the largest weight first.
        cuts: a row a possible cut, columns as in `CUT_COLUMNS`, the most groups first.
        graph: the groups as a graph of their own, for `group_paths`; the key of a group is its strongest member's.
        recipe: how it was grouped.

    """

    circuit: str
    groups: pd.DataFrame
    edges: pd.DataFrame
    cuts: pd.DataFrame
    graph: CircuitGraph
    recipe: Mapping[str, Any]


def group_nodes(
    store: Store,
    circuit: str,
    n_groups: int | None = None,
    node_threshold: float = 0.0,
    edge_threshold: float = 0.0,
    *,
    directions: float = DIRECTIONS,
    least_z: float = 0.0,
) -> Grouping:
    """Group the features of a circuit by like edges and decoder directions; sum weights and flows between groups.

    Args:
        store: where the circuit is.
        circuit: its name.
        n_groups: groups of features to make; None for the cut of the largest score.
        node_threshold: nodes of larger absolute effect only (units of the metric).
        edge_threshold: edges of larger absolute weight only (units of the metric).
        directions: share of a profile that decoder directions make up; 0 groups by edges alone, 1 by directions alone.
        least_z: inner nodes whose effect is fewer standard errors from zero carry no flow.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: n_groups is more than there are features or fewer than there are sites and positions, directions is
            no share, the circuit is one of groups, or the thresholds do not fit its selection.

    """
    if not 0.0 <= directions <= 1.0:
        raise QueryError(f"directions is {directions:g}; give the share of a profile that they make up, from 0 to 1")
    require_features(store, circuit, "has no features to group")
    graph = fetch_graph(store, circuit, node_threshold, edge_threshold, least_z)
    likeness = fetch_likeness(store, circuit) if directions > 0.0 else Likeness({})
    graph = dataclasses.replace(graph, asked=(*graph.asked, *likeness.asked))
    merges = merge_blocks(graph, likeness, directions)
    n = int((graph.nodes["kind"] == "feature").sum())
    added = np.sort(np.concatenate([np.zeros(0), *(block.added for block in merges)]))
    kept, score = score_cuts(added)
    made = int(np.argmax(score)) if n_groups is None else n - n_groups
    if not 0 <= made <= len(added):
        raise QueryError(
            f"n_groups is {n_groups}; the {n} features of circuit {graph.params['circuit']!r} that have edges here "
            f"can be cut into {n - len(added)} to {n} groups"
        )
    cuts = tabulate(
        CUT_COLUMNS,
        [(n - j, kept[j], score[j], j == made) for j in range(len(added) + 1)],
        graph.asked,
    )
    recipe = {
        "operation": "groups",
        "n_groups": n - made,
        "directions": directions,
        "node_threshold": node_threshold,
        "edge_threshold": edge_threshold,
    }
    return _grouping(graph, assign(len(graph.nodes), merges, made), cuts, recipe)


def score_cuts(added: Floats) -> tuple[Floats, Floats]:
    """Return `kept` and `score` after 0, 1, … of the merges, given what each adds, smallest first."""
    merges, whole = len(added), float(added.sum())
    after = np.concatenate([[0.0], np.cumsum(added)])
    kept = 1.0 - after / whole if whole > 0.0 else np.ones(merges + 1)
    return kept, kept - np.arange(merges, -1, -1) / max(merges, 1) * (merges > 0)


def assign(n: int, merges: Sequence[Merges], made: int) -> Ints:
    """Return the group of each of n nodes after the cheapest merges: the place of its first member."""
    group = np.arange(n)
    block = np.concatenate([np.zeros(0, np.int64), *(np.full(len(m.added), b) for b, m in enumerate(merges))])
    cheapest = np.argsort(np.concatenate([np.zeros(0), *(m.added for m in merges)]), kind="stable")[:made]
    for one, count in enumerate(np.bincount(block[cheapest], minlength=len(merges))):
        members = merges[one].members
        held = [[int(place)] for place in members]
        for left, right in merges[one].joined[:count]:
            held.append(held[left] + held[right])
        for places_held in held[len(members) :]:
            group[places_held] = min(places_held)
    return group


def _grouping(graph: CircuitGraph, group: Ints, cuts: pd.DataFrame, recipe: Mapping[str, Any]) -> Grouping:
    """Name each group by its strongest member, put the groups in order and sum what members carry."""
    nodes = list(rows_of(graph.nodes))
    held: dict[int, list[int]] = {}
    for node in sorted(range(len(nodes)), key=lambda node: (-abs(nodes[node].effect), nodes[node].id)):
        held.setdefault(int(group[node]), []).append(node)
    members = sorted(held.values(), key=lambda one: site_order(nodes[one[0]].component, nodes[one[0]].layer))
    names = [_name(nodes[one[0]], len(one)) for one in members]
    flow = flow_of(graph)
    return Grouping(
        circuit=str(graph.params["circuit"]),
        groups=_group_table(graph, flow, members, names),
        edges=_edge_table(graph, flow, members, names),
        cuts=cuts,
        graph=quotient(graph, members, names),
        recipe=recipe,
    )


def label(feature_index: int, count: int) -> str:
    """Name a group inside its site: its strongest feature, and how many others it holds: `417+2`."""
    return f"{feature_index}+{count - 1}" if count > 1 else str(feature_index)


def _name(strongest: Any, count: int) -> str:
    if strongest.kind != "feature":
        return readable(strongest)
    return readable(strongest._replace(kind="group", label=label(strongest.feature_index, count)))


def _group_table(
    graph: CircuitGraph, flow: Flow, members: Sequence[Sequence[int]], names: Sequence[str]
) -> pd.DataFrame:
    nodes, place = list(rows_of(graph.nodes)), places(graph.nodes)
    shares = share(flow.nodes.sum(axis=1), float(flow.total.sum()))
    rows = []
    for name, held in zip(names, map(list, members), strict=True):
        first, effects = nodes[held[0]], np.array([nodes[node].effect for node in held])
        rows.append(
            (
                *(name, site_name(first.component, first.layer), place[held[0]], first.kind, len(held)),
                *(effects.sum(), np.abs(effects).sum(), *flow.nodes[held].sum(axis=0), shares[held].sum()),
                *([readable(nodes[node]) for node in held], [nodes[node].id for node in held]),
            )
        )
    return tabulate(GROUP_COLUMNS, rows, graph.asked, **graph.about)


def _edge_table(
    graph: CircuitGraph, flow: Flow, members: Sequence[Sequence[int]], names: Sequence[str]
) -> pd.DataFrame:
    group = np.zeros(len(graph.nodes), np.int64)
    for one, held in enumerate(members):
        group[list(held)] = one
    keys = [str(graph.nodes["id"].iloc[held[0]]) for held in members]
    pairs, which = np.unique(np.stack([group[graph.source], group[graph.target]]), axis=1, return_inverse=True)
    weight = graph.weight[:, None]
    sums = summed(which.ravel(), np.concatenate([weight, np.abs(weight), flow.edges], axis=1), pairs.shape[1])
    counts = np.bincount(which.ravel(), minlength=pairs.shape[1])
    rows = []
    for pair in np.argsort(-sums[:, 1], kind="stable"):
        source, target = pairs[:, pair]
        rows.append((names[source], names[target], counts[pair], *sums[pair], keys[source], keys[target]))
    return tabulate(EDGE_COLUMNS, rows, graph.asked, **graph.about)
