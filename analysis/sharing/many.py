"""What all circuits of a store use, read some circuits at a time so that memory stays bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.graph import Floats
from circuit_atlas.analysis.result import Asked, asked_for
from circuit_atlas.analysis.sharing.codes import Codes
from circuit_atlas.analysis.sharing.pair import Cut
from circuit_atlas.analysis.sharing.uses import Uses, edge_uses, joined, node_uses, read_edges, read_nodes
from circuit_atlas.analysis.thresholds import refuse_threshold
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

AT_ONCE = 50
"""Circuits read at once."""


def read_all(
    store: Store, heads: pd.DataFrame, level: str, cut: Cut, *, of: str, first_token: str
) -> tuple[Uses, tuple[Asked, ...]]:
    """Read what every circuit uses of nodes or edges.

    Args:
        store: where they are.
        heads: rows of the query `comparable`; places of circuits are theirs.
        level: feature, role or position.
        cut: which units and edges count; sizes leave each circuit its own number where it has fewer.
        of: nodes or edges.
        first_token: drop, keep or only.

    Raises:
        QueryError: there are no circuits, a circuit's selection forbids the thresholds, or these leave no circuit
            anything.

    """
    names = heads["circuit"].tolist()
    if not names:
        raise QueryError("the store has no circuits: find one with circuit-atlas discover")
    groups = heads.groupby(["model", "suite"], sort=False).ngroup().tolist()
    if of == "edges" and (cut.node_threshold or cut.edge_threshold):
        for _, row in heads.iterrows():
            refuse_threshold(row["circuit"], row, node_threshold=cut.node_threshold, edge_threshold=cut.edge_threshold)
    made = dict(zip(names, heads["created_at"], strict=True))
    codes = Codes(level)
    parts, asked = list[Uses](), tuple[Asked, ...]()
    for start in range(0, len(names), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        nodes = read_nodes(store, names[some], codes, groups[some])
        asked += nodes.asked
        if of == "nodes":
            uses = node_uses(nodes, codes, cut.node_threshold, first_token).strongest(cut.size, equal=False)
        else:
            links, linked = read_edges(store, names[some], nodes, made)
            asked += linked
            uses = edge_uses(nodes, links, codes, cut.node_threshold, cut.edge_threshold, first_token)
            uses = uses.strongest(cut.edge_size, equal=False)
        parts.append(uses.after(start))
    found = joined(parts)
    if not len(found.item):
        raise QueryError(
            f"no circuit has {of} of features above node_threshold {cut.node_threshold:g} and edge_threshold "
            f"{cut.edge_threshold:g} (first token: {first_token}): give lower ones"
        )
    return found, (*asked, *asked_for(heads))


def clustered(likeness: Floats) -> tuple[list[int], Floats]:
    """Return an order in which like circuits stand together, and the tree it comes from.

    Average linkage (Sokal and Michener 1958) on one less the likeness, leaves turned so that neighbours are near.

    Args:
        likeness: shares, shape [circuits, circuits]; the mean of both directions counts, and nothing where it is NaN.

    Returns:
        places in that order, and SciPy's linkage matrix, shape [circuits - 1, 4].

    """
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    if len(likeness) < 2:
        return list(range(len(likeness))), np.zeros((0, 4))
    # What engines sum in another order differs in the last digits, which must not decide between trees.
    distance = np.round(1.0 - np.nan_to_num((likeness + likeness.T) / 2.0), 12)
    np.fill_diagonal(distance, 0.0)
    condensed = squareform(distance, checks=False)
    tree = linkage(condensed, "average")
    if len(likeness) <= 200:  # its time grows with the cube
        tree = optimal_leaf_ordering(tree, condensed)
    return [int(place) for place in leaves_list(tree)], tree
