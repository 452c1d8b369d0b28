"""Profiles of nodes, and the tree of merges that joins alike ones, from which `groups` are cut.

1. A block holds the features of one site at one position; only nodes of one block may join, so that a group never holds
   two nodes of one path, and effects within it may be summed. Error units stay alone.
2. The profile of a node has three parts: the weights of its edges in, those of its edges out, and its decoder
   direction, as `likeness.coordinates` gives it from the cosines that the graph holds. With s the share of directions,
   the parts are scaled to lengths √((1 - s)/2), √((1 - s)/2) and √s (a part without edges stays zero), so that the
   squared distance of two nodes is (1 - s) · (1 - mean cosine of their edges in and out) · 2 + s · (1 - cosine of their
   directions) · 2. Weights and cosines are signed: what suppresses is far from what supports.
3. Within a block, Ward's method (J. H. Ward, Hierarchical Grouping to Optimize an Objective Function, 1963) joins at
   each step the two groups whose joining adds least to the sum of squares within groups.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from circuit_atlas.analysis.graph import CircuitGraph, Floats, Ints
from circuit_atlas.analysis.structure.likeness import Likeness, coordinates
from circuit_atlas.analysis.structure.sites import positions


@dataclass(frozen=True)
class Merges:
    """The merges of one block, in the order in which Ward's method makes them.

    Attributes:
        members: places of the block's nodes in the graph, shape [m].
        joined: the two groups that each merge joins, shape [m - 1, 2]: below m a node, from m on an earlier merge.
        added: what each merge adds to the sum of squares within groups, shape [m - 1].

    """

    members: Ints
    joined: Ints
    added: Floats


def merge_blocks(graph: CircuitGraph, likeness: Likeness, directions: float) -> list[Merges]:
    """Return the merges of every block of two nodes or more, but of blocks with an edge between two of its nodes.

    Args:
        graph: the nodes and their edges.
        likeness: cosines of their decoder directions.
        directions: the share of a profile that these make up, from 0 to 1.

    """
    nodes = graph.nodes
    blocks: dict[tuple[str, int, int], list[int]] = defaultdict(list)
    where = positions(graph)
    for place, (kind, component, layer) in enumerate(
        zip(nodes["kind"], nodes["component"], nodes["layer"], strict=True)
    ):
        if kind == "feature":
            blocks[component, int(layer), int(where[place])].append(place)
    found = [np.array(block, np.int64) for _, block in sorted(blocks.items()) if len(block) > 1]
    return [
        _merges(block, profiles(graph, block, likeness, directions)) for block in found if not _joined(graph, block)
    ]


def _joined(graph: CircuitGraph, block: Ints) -> bool:
    return bool((np.isin(graph.source, block) & np.isin(graph.target, block)).any())


def profiles(graph: CircuitGraph, members: Ints, likeness: Likeness, directions: float) -> Floats:
    """Return the profiles of some nodes of a block, shape [members, distinct neighbours up and down + members]."""
    incoming = _edges(graph.target, graph.source, graph.weight, members)
    outgoing = _edges(graph.source, graph.target, graph.weight, members)
    edges: Floats = np.concatenate([incoming, outgoing], axis=1) * np.sqrt((1.0 - directions) / 2.0)
    if directions == 0.0:
        return edges
    return np.concatenate([edges, coordinates(likeness.gram(graph, members)) * np.sqrt(directions)], axis=1)


def _edges(own: Ints, other: Ints, weight: Floats, members: Ints) -> Floats:
    edges = np.flatnonzero(np.isin(own, members))
    neighbours, column = np.unique(other[edges], return_inverse=True)
    part = np.zeros((len(members), len(neighbours)))
    part[np.searchsorted(members, own[edges]), column] = weight[edges]
    length = np.linalg.norm(part, axis=1, keepdims=True)
    scaled: Floats = np.divide(part, length, out=np.zeros_like(part), where=length > 0.0)
    return scaled


def _merges(members: Ints, points: Floats) -> Merges:
    from scipy.cluster.hierarchy import linkage

    tree = linkage(points, method="ward")
    # The height of a merge is the root of twice what it adds.
    return Merges(members, tree[:, :2].astype(np.int64), tree[:, 2] ** 2 / 2)
