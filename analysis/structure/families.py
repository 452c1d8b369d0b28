"""Families of features over circuits: features that the same circuits use with the same signs."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from circuit_atlas.analysis.result import METRIC, Column, asked_for, rows_of, tabulate
from circuit_atlas.analysis.structure.sites import site_name, site_order
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

COLUMNS = {
    "n_circuits": Column("integer", "", "circuits that use each of its features"),
    "n_features": Column("integer", "", "features of the family"),
    "positive": Column("list of strings", "", "circuits in which their pooled effect is positive"),
    "negative": Column("list of strings", "", "circuits in which it is negative"),
    "mean_absolute_effect": Column("float", METRIC, "absolute pooled effect, mean over its features and circuits"),
    "strongest": Column("float", METRIC, "the pooled effect of largest absolute value among them, signed"),
    "names": Column("list of strings", "", "its features for people, in order of the forward pass"),
    "features": Column("list of strings", "", "their keys, in the same order"),
}
"""Type, unit and meaning of each column."""


def feature_families(
    store: Store,
    min_circuits: int = 2,
    limit: int = 20,
    node_threshold: float = 0.0,
    first_token: str = "drop",
    derived: str = "drop",
) -> pd.DataFrame:
    """Group the features of a store by the circuits that use them and by their sign in each.

    Args:
        store: where the circuits are.
        min_circuits: families that at least so many circuits use.
        limit: at most so many rows.
        node_threshold: a feature counts in a circuit where its absolute pooled effect is larger (units of the metric).
        first_token: drop, keep or only what is at the first token of the input.
        derived: drop or keep circuits made of others, which share with those by the way they were made.

    Returns:
        a row a family, columns as in `COLUMNS`: those of the most circuits first, then the largest.

    Raises:
        QueryError: an argument is out of range.

    """
    if min_circuits < 1 or limit < 1:
        raise QueryError(f"min_circuits is {min_circuits} and limit {limit}; both must be at least 1")
    uses = store.query("feature_uses", node_threshold=node_threshold, first_token=first_token, derived=derived)
    if node_threshold > 0.0 and not len(uses):
        raise QueryError(f"node_threshold {node_threshold:g} leaves no feature of any circuit: give a lower one")
    effects: dict[str, dict[str, float]] = defaultdict(dict)
    places: dict[str, tuple[tuple[int, int], int, str]] = {}
    for use in rows_of(uses):
        effects[use.feature][use.circuit] = use.effect
        name = f"{site_name(use.component, use.layer)}/{use.feature_index}"
        places[use.feature] = (site_order(use.component, use.layer), use.feature_index, name)
    families: dict[tuple[tuple[str, bool], ...], list[str]] = defaultdict(list)
    for feature, by_circuit in effects.items():
        signs = tuple(sorted((circuit, effect > 0.0) for circuit, effect in by_circuit.items()))
        if len(signs) >= min_circuits:
            families[signs].append(feature)
    ranked = sorted(families.items(), key=lambda family: (-len(family[0]), -len(family[1]), family[0]))
    rows = []
    for signs, members in ranked[:limit]:
        members.sort(key=lambda feature: (places[feature], feature))
        values = [effect for feature in members for effect in effects[feature].values()]
        rows.append(
            (
                *(len(signs), len(members)),
                [circuit for circuit, positive in signs if positive],
                [circuit for circuit, positive in signs if not positive],
                *(sum(map(abs, values)) / len(values), max(values, key=abs)),
                *([places[feature][2] for feature in members], members),
            )
        )
    return tabulate(COLUMNS, rows, asked_for(uses))
