"""Communities of circuits: those that share mechanisms, and circuits that mix several.

1. Two circuits are as alike as the weighted Jaccard index of their features (query `overlap_all_nodes`), pooled
   over positions, first-token features left out by default.
2. On that weighted graph, Louvain's method (Blondel et al., Fast unfolding of communities in large networks, 2008)
   looks for the partition of largest modularity, from `RUNS` seeds; the best one counts. `stability` says how far the
   others agree: communities that another seed would not find are no finding.
3. A circuit mixes communities where some of its features are shared with circuits of one community alone, and others
   with circuits of another alone. Features are counted, not weighted, for effects do not add up over layers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.graph import Floats, Ints
from circuit_atlas.analysis.overlap import overlap_matrix
from circuit_atlas.analysis.result import Asked, Column, asked_for, rows_of, tabulate
from circuit_atlas.analysis.structure.shuffled import shuffled_modularities
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

RUNS = 10
"""Seeds that partitions are looked for from."""

CIRCUIT_COLUMNS = {
    "community": Column("integer", "", "1 for the largest"),
    "circuit": Column("string", "", "name of the circuit"),
    "task": Column("string", "", "the behaviour it explains"),
    "kind": Column("string", "", "kind of task: contrastive, single, classifier or cluster"),
    "n_members": Column("integer", "", "circuits of its community"),
    "within": Column("float", "share", "its likeness to the others of its community, mean; null where it is alone"),
    "outside": Column("float", "share", "its likeness to circuits outside, mean; null where there are none"),
    "stability": Column(
        "float", "share", "of the other circuits, those that other seeds put with or apart from it alike; mean"
    ),
    "mixes": Column("boolean", "", "whether it shares features with two communities or more, each alone"),
}
MIXTURE_COLUMNS = {
    "circuit": Column("string", "", "name of the circuit"),
    "community": Column("integer", "", "a community"),
    "n_features": Column("integer", "", "features of the circuit"),
    "n_shared": Column("integer", "", "of them, used by another circuit of the community"),
    "n_only": Column("integer", "", "of these, used by no circuit of another community (but the circuit itself)"),
    "share": Column("float", "share", "n_only over n_features"),
}


@dataclass(frozen=True)
class Communities:
    """The communities of a store's circuits; every table names its queries and parameters in `attrs`.

    Attributes:
        circuits: a row a circuit, columns as in `CIRCUIT_COLUMNS`; `attrs["modularity"]` is that of the partition, and
            where draws of the null were asked for, `null_95` the 95th percentile of theirs and `p_value` the share of
            them that reach it, itself counted.
        mixtures: a row a circuit and community that it shares features with, columns as in `MIXTURE_COLUMNS`.

    """

    circuits: pd.DataFrame
    mixtures: pd.DataFrame


def communities(
    store: Store,
    node_threshold: float = 0.0,
    *,
    resolution: float = 1.0,
    least_share: float = 0.05,
    first_token: str = "drop",
    seed: int = 0,
    draws: int = 0,
) -> Communities:
    """Find groups of circuits that share features, and circuits that mix the features of several groups.

    Args:
        store: where the circuits are.
        node_threshold: features of larger absolute pooled effect in a circuit count there (units of the metric).
        resolution: above 1 for smaller communities, below 1 for larger ones.
        least_share: a circuit mixes communities where it shares at least this share of its features with each alone.
        first_token: drop, keep or only what is at the first token of the input.
        seed: first of the `RUNS` seeds, and seed of the null.
        draws: stores with features dealt anew (see `shuffled`) whose modularity this one's is compared with.

    Raises:
        QueryError: there are no circuits, or an argument is out of range.

    """
    if draws < 0:
        raise QueryError(f"draws is {draws}; ask for 0 or more")
    if not resolution > 0.0 or not 0.0 < least_share <= 1.0:
        raise QueryError(f"resolution is {resolution:g}, least_share {least_share:g}: both above 0, a share at most 1")
    alike = overlap_matrix(store, measure="weighted_jaccard", node_threshold=node_threshold, first_token=first_token)
    if not len(alike):
        raise QueryError("the store has no circuits: find one with circuit-atlas discover")
    uses = store.query("feature_uses", node_threshold=node_threshold, first_token=first_token)
    circuits, tasks = store.query("circuits"), store.query("tasks")
    asked = asked_for(alike, uses, circuits, tasks)
    names = [str(name) for name in alike.columns]
    similarity = alike.to_numpy(np.float64)
    partitions, modularity = _partitions(similarity, resolution, seed)
    number = dict(zip(names, (int(one) + 1 for one in partitions[0]), strict=True))
    mixtures = _mixtures(uses, number, asked)
    many = mixtures[mixtures["share"] >= least_share].groupby("circuit").size()
    kinds = dict(zip(tasks["task"], tasks["kind"], strict=True))
    task = dict(zip(circuits["name"], circuits["task"], strict=True))
    stability = _stability(partitions)
    rows = [
        (
            *(number[name], name, task[name], kinds[task[name]], int((partitions[0] == partitions[0][place]).sum())),
            *_likeness(similarity, partitions[0], place),
            *(stability[place], bool(many.get(name, 0) > 1)),
        )
        for place, name in enumerate(names)
    ]
    rows.sort(key=lambda row: row[:2])
    dealt = shuffled_modularities(uses, names, lambda one: best_modularity(one, resolution, seed), draws, seed)
    about = {"modularity": modularity, "resolution": resolution, "seed": seed, **_against(dealt, modularity)}
    return Communities(tabulate(CIRCUIT_COLUMNS, rows, asked, **about), mixtures)


def _against(dealt: Floats, modularity: float) -> dict[str, float]:
    """Say where a modularity stands among those of the null: how many, their 95th percentile, and a p-value."""
    if not len(dealt):
        return {"draws": 0}
    as_large = int((np.nan_to_num(dealt, nan=-np.inf) >= modularity).sum())
    return {
        "draws": len(dealt),
        "null_95": float(np.quantile(dealt, 0.95)),
        "p_value": (1 + as_large) / (1 + len(dealt)),
    }


def best_modularity(similarity: Floats, resolution: float = 1.0, seed: int = 0) -> float:
    """Return the largest modularity found of a matrix of likeness, shape [circuits, circuits]; NaN without any."""
    return _partitions(similarity, resolution, seed)[1]


def _partitions(similarity: Floats, resolution: float, seed: int) -> tuple[list[Ints], float]:
    """Return partitions from every seed, as community numbers from 0, the one of largest modularity first; and that."""
    import networkx as nx

    # What engines sum in another order differs in the last digits, which must not decide between partitions.
    links = np.round(np.triu(similarity, 1), 12)
    graph = nx.Graph()
    graph.add_nodes_from(range(len(links)))
    graph.add_weighted_edges_from((int(a), int(b), float(links[a, b])) for a, b in np.argwhere(links > 0.0))
    found = []
    for one in range(seed, seed + RUNS):
        parts = nx.community.louvain_communities(graph, weight="weight", resolution=resolution, seed=one)
        ordered = sorted(map(sorted, parts), key=lambda part: (-len(part), part))
        value = nx.community.modularity(graph, ordered, resolution=resolution) if graph.size() else float("nan")
        found.append((ordered, value))
    best = max(range(RUNS), key=lambda k: (round(found[k][1], 12), -k)) if graph.size() else 0
    order = [best, *(k for k in range(RUNS) if k != best)]
    return [_numbers(found[k][0], len(links)) for k in order], float(found[best][1])


def _numbers(parts: Sequence[Sequence[int]], n: int) -> Ints:
    numbers = np.zeros(n, np.int64)
    for one, part in enumerate(parts):
        numbers[list(part)] = one
    return numbers


def _stability(partitions: Sequence[Ints]) -> Floats:
    """Of each circuit, how often other seeds put another circuit together with or apart from it as the first does."""
    together = np.stack([one[:, None] == one for one in partitions])
    agree = (together[1:] == together[0]).mean(axis=0)
    n = agree.shape[0]
    stability: Floats = (agree.sum(axis=1) - 1.0) / max(n - 1, 1) if n > 1 else np.ones(n)
    return stability


def _likeness(similarity: Floats, numbers: Ints, place: int) -> tuple[float, float]:
    own = numbers == numbers[place]
    own[place] = False
    outside = numbers != numbers[place]
    within, beyond = (float(similarity[place, one].mean()) if one.any() else float("nan") for one in (own, outside))
    return within, beyond


def _mixtures(uses: pd.DataFrame, number: Mapping[str, int], asked: Sequence[Asked]) -> pd.DataFrame:
    """Count each circuit's features by the communities whose other circuits use them."""
    users: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for use in rows_of(uses):
        users[use.feature][number[use.circuit]] += 1
    shared: dict[tuple[str, int], int] = defaultdict(int)
    only: dict[tuple[str, int], int] = defaultdict(int)
    n_features: dict[str, int] = defaultdict(int)
    for use in rows_of(uses):
        n_features[use.circuit] += 1
        own = number[use.circuit]
        others = [one for one, count in users[use.feature].items() if count > (one == own)]
        for one in others:
            shared[use.circuit, one] += 1
        if len(others) == 1:
            only[use.circuit, others[0]] += 1
    rows = [
        (circuit, one, n_features[circuit], count, only[circuit, one], only[circuit, one] / n_features[circuit])
        for (circuit, one), count in sorted(shared.items())
    ]
    return tabulate(MIXTURE_COLUMNS, rows, asked)
