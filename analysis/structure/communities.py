"""Communities of circuits: those that share mechanisms, and circuits that mix several.

1. Two circuits are linked by what they share beyond what being active on like prompts makes them share, or by mere
   likeness (`links`); features are pooled over positions, first-token features left out by default.
2. On that weighted graph, Louvain's method (Blondel et al., Fast unfolding of communities in large networks, 2008)
   looks for the partition of largest modularity, from `RUNS` seeds; the best one counts. `stability` says how far the
   others agree: communities that another seed would not find are no finding.
3. A circuit mixes communities where it is linked into each, and some of its features are shared with circuits of one
   community alone, others with circuits of another alone. Features are counted, not weighted, for effects do not add
   up over layers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.graph import Floats, Ints
from circuit_atlas.analysis.result import Asked, Column, asked_for, rows_of, tabulate
from circuit_atlas.analysis.structure.links import LIKENESS, Links, find_links
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
    "within": Column("float", "share", "its links to the others of its community, mean; null where it is alone"),
    "outside": Column("float", "share", "its links to circuits outside, mean; null where there are none"),
    "stability": Column(
        "float", "share", "of the other circuits, those that other seeds put with or apart from it alike; mean"
    ),
    "mixes": Column(
        "boolean", "", "whether it is linked to two communities or more and shares features with each alone"
    ),
}
MIXTURE_COLUMNS = {
    "circuit": Column("string", "", "name of the circuit"),
    "community": Column("integer", "", "a community"),
    "n_linked": Column("integer", "", "circuits of the community, but for itself, that it is linked to"),
    "n_features": Column("integer", "", "features of the circuit"),
    "n_shared": Column("integer", "", "of them, used by another circuit of the community"),
    "n_only": Column("integer", "", "of these, used by no circuit of another community (but the circuit itself)"),
    "share": Column("float", "share", "n_only over n_features"),
}


@dataclass(frozen=True)
class Communities:
    """The communities of a store's circuits; every table names its queries and parameters in `attrs`.

    Attributes:
        circuits: a row a circuit, columns as in `CIRCUIT_COLUMNS`; `attrs["links"]` says what links them, `n_pairs` and
            `n_linked` how many pairs there are and are linked, `without_null` which circuits were stored without what
            was active on their data. `attrs["modularity"]` is that of the partition (NaN without a link), and where
            draws of the null were asked for, `null_95` the 95th percentile of theirs and `p_value` the share of them
            that reach it, itself counted.
        mixtures: a row a circuit and community that it shares features with, columns as in `MIXTURE_COLUMNS`.

    """

    circuits: pd.DataFrame
    mixtures: pd.DataFrame


def communities(
    store: Store,
    node_threshold: float = 0.0,
    *,
    links: str | None = None,
    resolution: float = 1.0,
    least_share: float = 0.05,
    first_token: str = "drop",
    seed: int = 0,
    draws: int = 0,
    derived: str = "drop",
) -> Communities:
    """Find groups of circuits that share features, and circuits that mix the features of several groups.

    Args:
        store: where the circuits are.
        node_threshold: features of larger absolute pooled effect in a circuit count there (units of the metric).
        links: excess, likeness, or None to have it chosen by the number of pairs: see `links`.
        resolution: above 1 for smaller communities, below 1 for larger ones.
        least_share: a circuit mixes communities where it shares at least this share of its features with each alone.
        first_token: drop, keep or only what is at the first token of the input.
        seed: first of the `RUNS` seeds, and seed of the null.
        draws: stores with features dealt anew (see `shuffled`) whose modularity this one's is compared with; with links
            by likeness alone, for those by excess were tested one by one.
        derived: drop or keep circuits made of others, which share with those by the way they were made.

    Raises:
        QueryError: there are no circuits, or an argument is out of range.

    """
    _require(links, resolution, least_share, draws)
    uses = store.query("feature_uses", node_threshold=node_threshold, first_token=first_token, derived=derived)
    found = find_links(store, links, node_threshold, first_token, derived)
    circuits, tasks = store.query("circuits"), store.query("tasks")
    asked = (*found.asked, *asked_for(uses, circuits, tasks))
    names, weight = found.names, found.weight
    partitions, modularity = _partitions(weight, resolution, seed)
    number = dict(zip(names, (int(one) + 1 for one in partitions[0]), strict=True))
    mixtures = _mixtures(uses, number, found, asked)
    many = mixtures[(mixtures["share"] >= least_share) & (mixtures["n_linked"] > 0)].groupby("circuit").size()
    kinds = dict(zip(tasks["task"], tasks["kind"], strict=True))
    task = dict(zip(circuits["name"], circuits["task"], strict=True))
    stability = _stability(partitions)
    rows = [
        (
            *(number[name], name, task[name], kinds[task[name]], int((partitions[0] == partitions[0][place]).sum())),
            *_means(weight, partitions[0], place),
            *(stability[place], bool(many.get(name, 0) > 1)),
        )
        for place, name in enumerate(names)
    ]
    rows.sort(key=lambda row: row[:2])
    dealt = shuffled_modularities(uses, names, lambda one: best_modularity(one, resolution, seed), draws, seed)
    about: dict[str, Any] = {"modularity": modularity, "resolution": resolution, "seed": seed}
    about |= _against(dealt, modularity) | {"links": found.kind, "n_pairs": found.n_pairs, "n_linked": found.n_linked}
    said = tabulate(CIRCUIT_COLUMNS, rows, asked, **about, without_null=found.without_null)
    return Communities(said, mixtures)


def _require(links: str | None, resolution: float, least_share: float, draws: int) -> None:
    if draws < 0:
        raise QueryError(f"draws is {draws}; ask for 0 or more")
    if draws and links != LIKENESS:
        raise QueryError("draws of features dealt anew are a null of links by likeness: ask for links 'likeness' too")
    if not resolution > 0.0 or not 0.0 < least_share <= 1.0:
        raise QueryError(f"resolution is {resolution:g}, least_share {least_share:g}: both above 0, a share at most 1")


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


def partition(weight: Floats, resolution: float = 1.0, seed: int = 0) -> Ints:
    """Return the number of each circuit's community in the best partition found of a matrix of links."""
    return _partitions(weight, resolution, seed)[0][0]


def best_modularity(weight: Floats, resolution: float = 1.0, seed: int = 0) -> float:
    """Return the largest modularity found of a matrix of links, shape [circuits, circuits]; NaN without any."""
    return _partitions(weight, resolution, seed)[1]


def _partitions(weight: Floats, resolution: float, seed: int) -> tuple[list[Ints], float]:
    """Return partitions from every seed, as community numbers from 0, the one of largest modularity first; and that."""
    import networkx as nx

    # What engines sum in another order differs in the last digits, which must not decide between partitions.
    links = np.round(np.triu(weight, 1), 12)
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


def _means(weight: Floats, numbers: Ints, place: int) -> tuple[float, float]:
    own = numbers == numbers[place]
    own[place] = False
    outside = numbers != numbers[place]
    within, beyond = (float(weight[place, one].mean()) if one.any() else float("nan") for one in (own, outside))
    return within, beyond


def _mixtures(uses: pd.DataFrame, number: Mapping[str, int], links: Links, asked: Sequence[Asked]) -> pd.DataFrame:
    """Count each circuit's features by the communities whose other circuits use them, and its links to these."""
    linked: dict[tuple[str, int], int] = defaultdict(int)
    for a, b in np.argwhere(links.weight > 0.0):
        if a != b:
            linked[links.names[a], number[links.names[b]]] += 1
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
        (
            *(circuit, one, linked[circuit, one], n_features[circuit], count, only[circuit, one]),
            only[circuit, one] / n_features[circuit],
        )
        for (circuit, one), count in sorted(shared.items())
    ]
    return tabulate(MIXTURE_COLUMNS, rows, asked)
