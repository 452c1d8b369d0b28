"""The graph of groups as a circuit's graph, so that paths and flows can be asked of it as of any other.

A group has the sum of its members' effects, an edge between groups the sum of the weights between members. A
standard error of such a sum is at most the sum of the members', which stands for it: a group counts as sure only
where it is at any correlation of its members.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.graph import CircuitGraph, graph_of
from circuit_atlas.analysis.paths import best_paths, path_table, require_count

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.analysis.structure.groups import Grouping


def quotient(graph: CircuitGraph, members: Sequence[Sequence[int]], names: Sequence[str]) -> CircuitGraph:
    """Make the graph of groups.

    Args:
        graph: the graph of the nodes.
        members: of each group its members' places, the strongest first; every node in one group.
        names: of each group a name for people.

    Returns:
        a graph whose nodes have the keys, sites and kinds of the groups' strongest members.

    """
    import pandas as pd

    first = [held[0] for held in members]
    nodes = graph.nodes.iloc[first].copy()
    for column in ("effect", "effect_se"):
        values = graph.nodes[column].to_numpy(np.float64)
        nodes[column] = [values[list(held)].sum() for held in members]
    nodes["name"] = list(names)
    group = np.zeros(len(graph.nodes), np.int64)
    for one, held in enumerate(members):
        group[list(held)] = one
    keys = nodes["id"].to_numpy()
    links = pd.DataFrame(
        {"source": keys[group[graph.source]], "target": keys[group[graph.target]], "weight": graph.weight}
    )
    summed = links.groupby(["source", "target"])["weight"].sum().reset_index()
    return dataclasses.replace(graph_of(nodes, summed, graph.least_z), asked=graph.asked)


def group_paths(grouping: Grouping, k: int = 10) -> pd.DataFrame:
    """Find the k strongest paths of groups from the embedding to the target (units of the metric).

    Returns:
        a row a path, columns as in `circuit_atlas.analysis.paths.COLUMNS`; the key of a group is that of its strongest
        member.

    Raises:
        QueryError: k is out of range.

    """
    require_count(k, "paths")
    return path_table(grouping.graph, best_paths(grouping.graph, k))
