"""Features that suppress the answer: those with a negative effect, how surely, and how much of their site they are.

By the sign of every metric (see `metric_sign` of a circuit) a positive effect means that patching a unit moves the
model towards the patch answer: on clean input the unit works for the right one. A unit with a negative effect works
against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuit_atlas.analysis.result import METRIC, Column, asked_for, rows_of, tabulate
from circuit_atlas.analysis.structure.sites import site_name
from circuit_atlas.analysis.units import require_features

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

COLUMNS = {
    "node": Column("string", "", "key of the circuit node"),
    "site": Column("string", "", "its site"),
    "feature_index": Column("integer", "", "its row in the dictionary"),
    "role": Column("string", "", "role of its position; null where positions are summed"),
    "label": Column("string", "", "the feature's short name"),
    "effect": Column("float", METRIC, "indirect effect, negative"),
    "effect_se": Column("float", METRIC, "its standard error over distinct items"),
    "share_negative": Column(
        "float", "share", "of the examples on which its effect is negative; null where not stored"
    ),
    "site_share": Column("float", "share", "its absolute effect over that of all units of its site"),
    "top_tokens": Column("list of strings", "", "tokens it fires on most strongly"),
    "promotes": Column("list of strings", "", "tokens whose logit it raises most"),
    "suppresses": Column("list of strings", "", "tokens whose logit it lowers most"),
}
"""Type, unit and meaning of each column."""


def suppressors(
    store: Store, circuit: str, limit: int = 20, node_threshold: float = 0.0, first_token: str = "keep"
) -> pd.DataFrame:
    """List the features of a circuit that work against the right answer, strongest first, each at its position.

    Args:
        store: where the circuit is.
        circuit: its name.
        limit: at most so many rows.
        node_threshold: features of larger absolute effect only (units of the metric).
        first_token: drop, keep or only what is at the first token of the input.

    Returns:
        a row a circuit node, columns as in `COLUMNS`; `attrs["metric_sign"]` says what the sign means.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: an argument is out of range, or the circuit is made of groups.

    """
    require_features(store, circuit, "has no features to list")
    found = store.query(
        "suppressors", circuit=circuit, limit=limit, node_threshold=node_threshold, first_token=first_token
    )
    layers = store.query("effect_by_layer", circuit=circuit)
    about = store.query("circuit", circuit=circuit)
    whole = layers.groupby(["component", "layer"])["absolute_effect"].sum().to_dict()
    rows = [
        (
            row.node,
            site_name(row.component, row.layer),
            *(row.feature_index, row.role, row.label, row.effect, row.effect_se),
            _share_negative(row.effects),
            abs(row.effect) / whole[row.component, row.layer],
            *(row.top_tokens, row.promotes, row.suppresses),
        )
        for row in rows_of(found)
    ]
    return tabulate(COLUMNS, rows, asked_for(found, layers, about), metric_sign=str(about["metric_sign"].iloc[0]))


def _share_negative(effects: Any) -> float:
    return sum(effect < 0.0 for effect in effects) / len(effects) if effects else float("nan")
