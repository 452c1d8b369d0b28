"""Whether the last layer's features move the answer as they are credited: effect against change of rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.faithfulness import resampled_means
from circuit_atlas.analysis.result import METRIC, Column, asked_for, tabulate
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

COLUMNS = {
    "circuit": Column("string", "", "the circuit"),
    "task": Column("string", "", "the task it was measured on"),
    "removed": Column("string", "", "the feature that was ablated alone in the whole model; *: all of them at once"),
    "ablation": Column("string", "", "what it was set to"),
    "effect": Column("float", METRIC, "effect that it is credited with; in the row of all, their sum"),
    "change": Column("float", METRIC, "change of the metric when it is ablated, mean over examples"),
    "change_low": Column("float", METRIC, "lower bound of its 95 % bootstrap interval over items"),
    "change_high": Column("float", METRIC, "upper bound of its 95 % bootstrap interval over items"),
    "rank": Column("float", "ranks", "mean rank of the right answer among all tokens before; 1 is best"),
    "rank_without": Column("float", "ranks", "the same with the feature ablated"),
    "fell": Column("float", "share", "of the examples on which the answer lost ranks"),
    "rose": Column("float", "share", "of the examples on which it gained some"),
    "as_credited": Column("boolean", "", "whether the metric moved in the direction of the effect"),
}
"""Type, unit and meaning of each column."""


def proximal_causes(store: Store, circuit: str, *, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Tabulate what ablating each of the last layer's strongest features does to metric and rank of the answer.

    Args:
        store: where the circuit is.
        circuit: its name.
        resamples: bootstrap samples of each interval, over distinct items.
        seed: seed of the resampling.

    Returns:
        a row a feature, the strongest first, and one for all at once. Effects of features of one layer add up where
        they act on the target alone; what they do together need not, and the last row says what it is.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: its last features were not measured.

    """
    found = store.query("proximal", circuit=circuit)
    name = found.attrs["params"]["circuit"]
    if found.empty:
        raise QueryError(
            f"the last features of {name!r} were not ablated: "
            f"run `circuit-atlas measure {name} --last-features 10` first"
        )
    rows = []
    groups = found.groupby(["task", "ablation", "data_digest"], dropna=False, sort=True)
    for _, group in groups:
        ordered = group.assign(all=group["removed"] == "*").sort_values("all", kind="stable")
        total = float(ordered["effect"].sum())
        for row in ordered.to_dict("records"):
            effect = total if row["removed"] == "*" else float(row["effect"])
            change = np.subtract(row["metric_without"], row["metric"])
            before, after = (np.asarray(row[column]) for column in ("ranks", "ranks_without"))
            draws = resampled_means([change.tolist()], resamples, seed, row["items"])
            low, high = (float("nan"),) * 2 if draws is None else np.quantile(draws[0], (0.025, 0.975))
            rows.append(
                [
                    *(name, row["task"], row["removed"], row["ablation"], effect),
                    *(float(change.mean()), float(low), float(high)),
                    *(float(before.mean()), float(after.mean())),
                    *(float((after > before).mean()), float((after < before).mean())),
                    bool(change.mean() * effect > 0),
                ]
            )
    return tabulate(COLUMNS, rows, asked_for(found), resamples=resamples, seed=seed)
