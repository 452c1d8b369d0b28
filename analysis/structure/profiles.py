"""Profiles of nodes by their edges, and the tree of merges that joins alike ones, from which `groups` are cut.

1. A block holds the features of one site at one position; only nodes of one block may join, so that a group never holds
   two nodes of one path, and effects within it may be summed. Error units stay alone.
2. The profile of a node has two halves: the weights of its edges in and of its edges out, each scaled to length √½
   (a half without edges stays zero). Weights are signed, so that what suppresses is far from what supports.
3. Within a block, Ward's method (J. H. Ward, Hierarchical Grouping to Optimize an Objective Function, 1963) joins at
   each step the two groups whose joining adds least to the sum of squares within groups.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from circuit_atlas.analysis.graph import CircuitGraph, Floats, Ints
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


def merge_blocks(graph: CircuitGraph) -> list[Merges]:
    """Return the merges of every block of two nodes or more, but of blocks with an edge between two of its nodes."""
    nodes = graph.nodes
    blocks: dict[tuple[str, int, int], list[int]] = defaultdict(list)
    where = positions(graph)
    for place, (kind, component, layer) in enumerate(
        zip(nodes["kind"], nodes["component"], nodes["layer"], strict=True)
    ):
        if kind == "feature":
            blocks[component, int(layer), int(where[place])].append(place)
    found = [np.array(block, np.int64) for _, block in sorted(blocks.items()) if len(block) > 1]
    return [_merges(graph, block) for block in found if not _joined(graph, block)]


def _joined(graph: CircuitGraph, block: Ints) -> bool:
    return bool((np.isin(graph.source, block) & np.isin(graph.target, block)).any())


def profiles(graph: CircuitGraph, members: Ints) -> Floats:
    """Return the profiles of some nodes, shape [members, their distinct neighbours upstream and downstream]."""
    incoming = _half(graph.target, graph.source, graph.weight, members)
    outgoing = _half(graph.source, graph.target, graph.weight, members)
    return np.concatenate([incoming, outgoing], axis=1)


def _half(own: Ints, other: Ints, weight: Floats, members: Ints) -> Floats:
    edges = np.flatnonzero(np.isin(own, members))
    neighbours, column = np.unique(other[edges], return_inverse=True)
    half = np.zeros((len(members), len(neighbours)))
    half[np.searchsorted(members, own[edges]), column] = weight[edges]
    length = np.linalg.norm(half, axis=1, keepdims=True)
    scaled: Floats = np.divide(half, length, out=np.zeros_like(half), where=length > 0.0) * np.sqrt(0.5)
    return scaled


def _merges(graph: CircuitGraph, members: Ints) -> Merges:
    from scipy.cluster.hierarchy import linkage

    tree = linkage(profiles(graph, members), method="ward")
    # The height of a merge is the root of twice what it adds.
    return Merges(members, tree[:, :2].astype(np.int64), tree[:, 2] ** 2 / 2)
