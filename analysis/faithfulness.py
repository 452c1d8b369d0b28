"""The measurements of one circuit as a table: itself, without errors, and random circuits beside it.

Faithfulness is (m(C) - m(empty)) / (m(M) - m(empty)), means over examples. Its interval resamples examples with
replacement and takes the quotient of the resampled means (a percentile bootstrap): numerator and denominator come from
the same examples. Each measured example counts as one item: where examples repeat one, the interval is too narrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.graph import Floats
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

_CONDITION = ["task", "node_threshold", "ablation", "means_over", "errors", "start_layer", "split"]
_SHOWN = [*_CONDITION, "n_nodes", "n_active", "faithfulness"]

COLUMNS = {
    "task": ("", "the task it was measured on"),
    "node_threshold": ("units of the metric", "nodes of larger absolute effect were kept"),
    "ablation": ("", "mean or zero"),
    "means_over": ("", "inputs that the means are over"),
    "errors": ("", "what was done with error units"),
    "start_layer": ("", "first layer that was ablated"),
    "split": ("", "which examples"),
    "n_nodes": ("", "units kept"),
    "n_active": ("", "mean number of units active on one example: what n_nodes is counted against"),
    "faithfulness": ("share", "of the circuit"),
    "low": ("share", "lower bound of its 95 % bootstrap interval"),
    "high": ("share", "upper bound of its 95 % bootstrap interval"),
    "completeness": ("share", "the same figure of the complement"),
    "n_random": ("", "random circuits measured under the same conditions"),
    "random_median": ("share", "median of their faithfulness"),
    "random_95": ("share", "95th percentile of their faithfulness"),
    "above_random": ("share", "of the random circuits that are less faithful"),
}
"""Unit and meaning of each column."""


def faithfulness_table(store: Store, circuit: str, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Tabulate how faithful a circuit is, a row for each node set and each treatment of errors.

    Args:
        store: where the circuit is.
        circuit: its name.
        resamples: bootstrap samples of each interval.
        seed: seed of the resampling.

    Returns:
        a row a measurement of the circuit, columns as in `COLUMNS`; NaN where undefined or not measured.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: resamples is below 1.

    """
    import pandas as pd

    if resamples < 1:
        raise QueryError(f"resamples is {resamples}; ask for at least 1")
    items = store.query("measurement_items", circuit=circuit)
    rows = []
    for _, row in items[items["kind"] == "circuit"].iterrows():
        low, high = bootstrap_interval(row["only_circuit"], row["empty"], row["full"], resamples, seed)
        beside = _beside(items, row)
        rows.append([row[name] for name in _SHOWN] + [low, high, row["completeness"], *beside])
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table = table.sort_values(["errors", "n_nodes", "node_threshold", "task"], ignore_index=True, kind="stable")
    table.attrs = {
        "query": "measurement_items",
        "params": items.attrs["params"] | {"resamples": resamples, "seed": seed},
        "units": {name: unit for name, (unit, _) in COLUMNS.items() if unit},
        "descriptions": {name: text for name, (_, text) in COLUMNS.items()},
    }
    return table


def bootstrap_interval(
    kept: list[float] | None,
    empty: list[float] | None,
    full: list[float] | None,
    resamples: int,
    seed: int,
    share: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of (mean kept - mean empty) / (mean full - mean empty).

    Args:
        kept: metric on each example with only the circuit left.
        empty: metric on each example with every unit ablated.
        full: metric on each example of the whole model.
        resamples: number of resamples.
        seed: seed of the resampling.
        share: how much of the distribution the interval holds.

    Returns:
        lower and upper bound; NaN where the lists are missing, of one example, or the denominator is zero.

    """
    if not kept or not empty or not full or not len(kept) == len(empty) == len(full) > 1:
        return float("nan"), float("nan")
    m: Floats = np.array([kept, empty, full], dtype=np.float64)
    chosen = np.random.default_rng(seed).integers(m.shape[1], size=(resamples, m.shape[1]))
    kept_mean, empty_mean, full_mean = m[:, chosen].mean(axis=2)
    span = full_mean - empty_mean
    defined = span != 0.0
    if not defined.any():
        return float("nan"), float("nan")
    quotients = (kept_mean - empty_mean)[defined] / span[defined]
    low, high = np.quantile(quotients, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def _beside(items: pd.DataFrame, row: pd.Series[Any]) -> list[float]:
    """Number, median, 95th percentile of the random circuits under a row's conditions, and its rank among them."""
    same = items["kind"] == "random"
    for name in _CONDITION:
        same &= items[name].isna() if row[name] is None else items[name] == row[name]
    random = items.loc[same, "faithfulness"].dropna().to_numpy(np.float64)
    if not len(random):
        return [0, float("nan"), float("nan"), float("nan")]
    below = float(np.mean(random < row["faithfulness"]))
    return [len(random), float(np.median(random)), float(np.quantile(random, 0.95)), below]
