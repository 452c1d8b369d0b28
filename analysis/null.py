"""Do two circuits share more than what both are active on would make them share?

Two circuits found on the same prompts draw on the same active features, and share many of them even where their
mechanisms have nothing to do with each other. The null takes that away: each circuit chooses features only by how often
and how strongly they are active on its own data, independently of the other.

- **Features, counted** (level feature): the exact distribution, stratum by stratum (`sharing.exact`); mid-p value.
- **Everything else** (effect-weighted overlap, roles, positions, edges): draws in which each circuit keeps its graph
  and its features are dealt anew within the strata (`sharing.relabel`); mid-p value over the draws, the observed among
  them.
  Effects are dealt as far as activity does not make them, for strong features of both would meet by that alone.
  Edges were chosen otherwise than units, so how likely each feature was is fitted to being an end of an edge compared.
- **Many pairs**: the false discovery rate over all of them by Benjamini and Hochberg (1995).

First-token features, errors and the target take no part. What was active is stored with a circuit by discovery; a
circuit without it has no null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.graph import Floats, Ints
from circuit_atlas.analysis.result import Asked, Column, tabulate
from circuit_atlas.analysis.sharing.candidates import Active, Site, fetch_candidates
from circuit_atlas.analysis.sharing.codes import anywhere
from circuit_atlas.analysis.sharing.exact import Counted, count_shared
from circuit_atlas.analysis.sharing.matching import Choice, Matching, choice, match
from circuit_atlas.analysis.sharing.pair import Cut, read_pair
from circuit_atlas.analysis.sharing.relabel import draws, shared_now, side
from circuit_atlas.analysis.sharing.uses import FEATURE, Uses
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

DRAWS = 2000
"""Draws of the null, where it has no exact tail."""

NULL_COLUMNS = {
    "of": Column("string", "", "nodes (features) or edges (between features)"),
    "figure": Column("string", "", "n_shared, or weighted_jaccard (smaller absolute values summed, over the larger)"),
    "observed": Column("float", "", "the figure as it is"),
    "expected": Column("float", "", "its mean under the null"),
    "spread": Column("float", "", "its standard deviation under the null"),
    "z": Column("float", "", "observed less expected, over spread; null where the null leaves nothing to chance"),
    "p_value": Column("float", "", "mid-p value: P(more) + P(as much) / 2 under the null"),
    "method": Column("string", "", "exact, or the number of draws"),
}


@dataclass(frozen=True)
class Chances:
    """What the null says of one figure; fields as the columns of `NULL_COLUMNS`."""

    of: str
    figure: str
    observed: float
    expected: float
    spread: float
    p_value: float
    method: str

    @property
    def z(self) -> float:
        """Standard deviations above what the null expects; NaN where it leaves nothing to chance."""
        return (self.observed - self.expected) / self.spread if self.spread > 0.0 else float("nan")

    @property
    def row(self) -> tuple[Any, ...]:
        """The values of `NULL_COLUMNS`."""
        return (self.of, self.figure, self.observed, self.expected, self.spread, self.z, self.p_value, self.method)


UNSAID = Chances("", "", *(float("nan"),) * 4, method="")
"""Where there is no null."""


def sharing_null(
    store: Store,
    a: str,
    b: str,
    level: str = "feature",
    node_threshold: float = 0.0,
    edge_threshold: float = 0.0,
    *,
    size: int | None = None,
    edge_size: int | None = None,
    edges: bool = True,
    count: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """Say how much of what two circuits share chance alone would make them share.

    Args:
        store: where they are.
        a: name of the one.
        b: name of the other.
        level: feature, role or position, as of `compare`.
        node_threshold: as of `compare`.
        edge_threshold: as of `compare`.
        size: as of `compare`.
        edge_size: as of `compare`.
        edges: whether to say it of edges too.
        count: draws, where the null has no exact tail.
        seed: seed of the draws.

    Returns:
        a row a figure, columns as in `NULL_COLUMNS`; `attrs["outside"]` says how many features of each circuit were
        not among those stored as active, and so were left out.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: the circuits cannot be compared (see `compare`), a circuit was stored without what was active on
            its data, or count is less than 1.

    """
    require_count(count)
    pair = read_pair(store, a, b, level, Cut(node_threshold, edge_threshold, size, edge_size), edges=edges)
    active, asked = active_of(store, pair.names)
    one, other = (chosen_of(some, pair.nodes, place) for place, some in enumerate(active))
    rows = chances(pair.nodes, None, (one, other), count, seed)
    if pair.edges is not None:
        ends = [chosen_of(some, pair.edges, place) for place, some in enumerate(active)]
        rows += chances(pair.nodes, pair.edges, (ends[0], ends[1]), count, seed, of="edges")
    about = {"circuit_a": pair.names[0], "circuit_b": pair.names[1], "level": level, "seed": seed}
    return tabulate(
        NULL_COLUMNS,
        (one.row for one in rows),
        (*pair.asked, *asked),
        compared=about,
        outside=[one.n_outside, other.n_outside],
    )


def require_count(count: int) -> None:
    """Refuse a number of draws below 1."""
    if count < 1:
        raise QueryError(f"the number of draws is {count}; give 1 or more (2,000 resolve p-values of 0.05 well)")


def active_of(store: Store, names: tuple[str, ...]) -> tuple[tuple[dict[Site, Active], ...], tuple[Asked, ...]]:
    """Fetch what was active on the data of each circuit.

    Raises:
        QueryError: a circuit was stored without it.

    """
    found = [fetch_candidates(store, name) for name in names]
    for name, (active, _) in zip(names, found, strict=True):
        if not active:
            raise QueryError(
                f"circuit {name!r} was stored without what was active on its data, so there is no null to compare "
                "with: discover it again, or ask without the null"
            )
    return tuple(active for active, _ in found), tuple(one for _, asked in found for one in asked)


def chances(
    nodes: Uses,
    edges: Uses | None,
    choices: tuple[Choice, Choice],
    count: int,
    seed: int | tuple[int, ...],
    *,
    of: str | None = None,
    figure: str | None = None,
) -> list[Chances]:
    """Say what the null says of a pair.

    Args:
        nodes: units of both, circuits 0 and 1.
        edges: edges of both, where they are asked for.
        choices: what each could choose, and chose: of edges, the ends of those that are compared.
        count: draws, where there is no exact tail.
        seed: seed of the draws.
        of: nodes or edges alone.
        figure: n_shared or weighted_jaccard alone.

    """
    matching = match(*choices)
    random = np.random.default_rng(seed)
    rows: list[Chances] = []
    if of != "edges":
        exact = nodes.codes.level == "feature"
        if exact and figure != "weighted_jaccard":
            rows.append(_exact(matching))
        if not exact or figure != "n_shared":
            rows += _drawn("nodes", nodes, matching, count, random, counted=not exact)
    if of != "nodes" and edges is not None:
        rows += _drawn("edges", edges, matching, count, random, counted=True)
    return [row for row in rows if figure in (None, row.figure)]


def fetch_choices(
    store: Store, uses: Uses, names: Sequence[str]
) -> tuple[dict[int, Choice], list[str], tuple[Asked, ...]]:
    """Fetch what every circuit could choose, by its place, beside what it chose.

    Args:
        store: where the circuits are.
        uses: their units, or their edges, whose ends were then chosen.
        names: their names, in the order of their places.

    Returns:
        choices by place, names of circuits stored without what was active on their data, and what was asked.

    """
    found, without, asked = dict[int, Choice](), list[str](), tuple[Asked, ...]()
    for place, name in enumerate(names):
        active, more = fetch_candidates(store, name)
        asked += more
        if active:
            found[place] = chosen_of(active, uses.pair(place, place), 0)
        else:
            without.append(name)
    return found, without, asked


def features_of(uses: Uses, circuit: int) -> Ints:
    """Return codes of the features among a circuit's units, or at the ends of its edges, wherever they are."""
    here = (uses.circuit == circuit) & (uses.kind == FEATURE)
    return np.unique(anywhere(uses.items[uses.item[here]]))


def chosen_of(active: Mapping[Site, Active], uses: Uses, circuit: int) -> Choice:
    """Say what a circuit could choose and chose of the features among its units, or at the ends of its edges.

    A feature's size is the geometric mean of its absolute effects over places, or of the absolute weights of its edges.
    """
    here = (uses.circuit == circuit) & (uses.kind == FEATURE)
    codes = anywhere(uses.items[uses.item[here]])
    size = np.abs(uses.value[here])
    log = np.log(np.maximum(size, np.finfo(float).tiny))
    if codes.ndim == 2:
        codes, log = codes.reshape(-1), np.repeat(log, 2)
    used, place = np.unique(codes, return_inverse=True)
    mean = np.bincount(place, log, len(used)) / np.maximum(np.bincount(place, minlength=len(used)), 1)
    return choice(active, used, np.exp(mean))


def shared_features(one: Choice, other: Choice) -> Counted:
    """Say where the number of features that two circuits share stands in its exact distribution under the null."""
    matching = match(one, other)
    return count_shared(int(matching.chosen.all(axis=0).sum()), matching.distribution())


def _exact(matching: Matching) -> Chances:
    counted = count_shared(int(matching.chosen.all(axis=0).sum()), matching.distribution())
    return Chances("nodes", "n_shared", counted.observed, counted.expected, counted.spread, counted.p_value, "exact")


def _drawn(
    of: str, uses: Uses, matching: Matching, count: int, random: np.random.Generator, *, counted: bool
) -> Iterator[Chances]:
    sides = side(uses, 0, matching), side(uses, 1, matching)
    shared, smaller, drawn_whole = draws(*sides, matching, count, random)
    now = shared_now(*sides)
    whole = sum(float(one.size.sum()) for one in sides)
    method = f"{count} draws"
    if counted:
        yield _stands(of, "n_shared", now[0], shared.astype(np.float64), method)
    yield _stands(of, "weighted_jaccard", _jaccard(now[1], whole), _jaccard(smaller, drawn_whole), method)


def _jaccard(smaller: Any, whole: Any) -> Any:
    return smaller / np.maximum(whole - smaller, np.finfo(float).tiny)


def _stands(of: str, figure: str, observed: float, drawn: Floats, method: str) -> Chances:
    more = np.count_nonzero(drawn > observed + 1e-12)
    same = np.count_nonzero(np.abs(drawn - observed) <= 1e-12)
    p_value = (more + (same + 1) / 2.0) / (len(drawn) + 1)
    return Chances(of, figure, observed, float(drawn.mean()), float(drawn.std()), float(p_value), method)
