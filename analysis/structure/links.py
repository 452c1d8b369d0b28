"""What links two circuits where communities are looked for: sharing beyond what activity makes, or mere likeness.

Circuits of like prompts are alike for that alone: what is active on their prompts is much the same, and strong features
are chosen by both. *Excess* links take that away. Two circuits are linked where the number of features they share is
above what the null of `analysis.null` expects (each circuit chooses features only by how often and how strongly they
are active on its own data) at a false discovery rate of `LINKED_AT` over all pairs, and the link weighs

    (features shared - features expected) / features of either,

Jaccard's index less what activity makes of it. All other pairs have no link, so that circuits which share no more than
their prompts make them share form no community. *Likeness* links every two circuits by the weighted Jaccard index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.graph import Floats
from circuit_atlas.analysis.null import fetch_choices, shared_features
from circuit_atlas.analysis.overlap import MOST_TESTED, overlap_matrix
from circuit_atlas.analysis.ranks import false_discovery
from circuit_atlas.analysis.result import Asked, asked_for
from circuit_atlas.analysis.sharing.levels import comparable_pairs
from circuit_atlas.analysis.sharing.many import read_all
from circuit_atlas.analysis.sharing.matching import Choice
from circuit_atlas.analysis.sharing.pair import Cut
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    from circuit_atlas.cypher.store import Store

EXCESS, LIKENESS = "excess", "likeness"
LINKS = (EXCESS, LIKENESS)

LINKED_AT = 0.05
"""False discovery rate, over all pairs, up to which sharing links two circuits."""


@dataclass(frozen=True)
class Links:
    """The links between the circuits of a store.

    Attributes:
        kind: one of `LINKS`.
        names: of the circuits.
        weight: of every link, 0 where there is none, shape [circuits, circuits]; the diagonal does not count.
        n_pairs: pairs of circuits that could be linked.
        without_null: circuits stored without what was active on their data, which excess links to none.
        asked: the queries.

    """

    kind: str
    names: list[str]
    weight: Floats
    n_pairs: int
    without_null: list[str]
    asked: tuple[Asked, ...]

    @property
    def n_linked(self) -> int:
        """Pairs that are linked."""
        return int(np.count_nonzero(np.triu(self.weight, 1)))


def find_links(store: Store, kind: str | None, node_threshold: float, first_token: str, derived: str) -> Links:
    """Link the circuits of a store.

    Args:
        store: where they are.
        kind: one of `LINKS`; None: excess where there are at most `MOST_TESTED` pairs (each takes some hundredths of a
            second), else likeness.
        node_threshold: features of larger absolute pooled effect in a circuit count there (units of the metric).
        first_token: drop, keep or only what is at the first token of the input.
        derived: drop or keep circuits made of others.

    Raises:
        QueryError: there are no circuits, the threshold leaves them nothing, or there is no such kind of link.

    """
    if kind not in (None, *LINKS):
        raise QueryError(f"links is {kind!r}; choose one of {', '.join(LINKS)}")
    heads = store.query("comparable", derived=derived)
    names = [str(name) for name in heads["circuit"]]
    if not names:
        raise QueryError("the store has no circuits: find one with circuit-atlas discover")
    pairs = comparable_pairs(heads)
    if kind == LIKENESS or (kind is None and len(pairs) > MOST_TESTED):
        cut: dict[str, Any] = {"node_threshold": node_threshold, "first_token": first_token, "derived": derived}
        alike = overlap_matrix(store, measure="weighted_jaccard", **cut)
        return Links(LIKENESS, names, alike.to_numpy(np.float64), len(pairs), [], asked_for(alike))
    uses, asked = read_all(store, heads, "feature", Cut(node_threshold), of="nodes", first_token=first_token)
    choices, without, more = fetch_choices(store, uses, names)
    tested = [(a, b) for a, b in pairs if a in choices and b in choices]
    return Links(EXCESS, names, excess_links(choices, tested, len(names)), len(pairs), without, (*asked, *more))


def excess_links(choices: Mapping[int, Choice], pairs: Sequence[tuple[int, int]], n: int) -> Floats:
    """Weigh the links of n circuits by what they share beyond what their activity makes.

    Args:
        choices: of circuits by their place, what each could choose and chose.
        pairs: places of every two circuits to be tested.
        n: number of circuits.

    Returns:
        weights, shape [n, n]; 0 where two circuits share no more than chance would make them.

    """
    weight = np.zeros((n, n))
    counted = [shared_features(choices[a], choices[b]) for a, b in pairs]
    q_values = false_discovery(np.array([one.p_value for one in counted]))
    for (a, b), one, q in zip(pairs, counted, q_values, strict=True):
        either = int(choices[a].chosen.sum() + choices[b].chosen.sum()) - one.observed
        if q <= LINKED_AT and one.observed > one.expected:
            weight[a, b] = weight[b, a] = (one.observed - one.expected) / either
    return weight
