"""The measurements of one circuit as a table: itself, without errors, and random circuits beside it.

Faithfulness is (m(C) - m(empty)) / (m(M) - m(empty)), means over examples. Its interval resamples examples with
replacement and takes the quotient of the resampled means (a percentile bootstrap): numerator and denominator come from
the same examples. Where examples repeat an item, whole items are drawn, for their examples are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.graph import Floats
from circuit_atlas.analysis.result import METRIC, Column, asked_for, tabulate
from circuit_atlas.cypher.defined import least_span
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

_SETTING = ("task", "level", "ablation", "means_over", "start_layer", "split", "data_digest")
"""What two measurements must have alike for their figures to differ by circuit and errors alone."""

COLUMNS = {
    "task": Column("string", "", "the task it was measured on"),
    "node_threshold": Column("float", METRIC, "nodes of larger absolute effect were kept"),
    "level": Column("string or null", "", "where its nodes act: keep (their position), role, or sum (every position)"),
    "ablation": Column("string", "", "what ablated units are set to: mean, zero, resample or patch"),
    "means_over": Column("string", "", "inputs that the means are over"),
    "errors": Column("string", "", "what was done with error units"),
    "start_layer": Column("integer", "", "first layer that was ablated"),
    "split": Column("string", "", "which examples"),
    "data_digest": Column(
        "string or null",
        "",
        "digest of the examples that means are over and of those measured on; + and the seed, under resampling",
    ),
    "n_nodes": Column("integer", "", "units kept"),
    "n_active": Column("float", "", "mean number of units active on one example: what n_nodes is counted against"),
    "faithfulness": Column("float", "share", "of the circuit"),
    "low": Column("float", "share", "lower bound of its 95 % bootstrap interval"),
    "high": Column("float", "share", "upper bound of its 95 % bootstrap interval"),
    "completeness": Column("float", "share", "the same of the complement: what is left with these nodes ablated"),
    "completeness_low": Column("float", "share", "lower bound of its 95 % bootstrap interval"),
    "completeness_high": Column("float", "share", "upper bound of its 95 % bootstrap interval"),
    "without_errors": Column("float", "share", "faithfulness of the same nodes with every error unit ablated"),
    "n_random": Column("integer", "", "random circuits measured under the same conditions"),
    "random_median": Column("float", "share", "median of their faithfulness"),
    "random_95": Column(
        "float", "share", "95th percentile of their faithfulness; of 20 or fewer it lies between the two largest"
    ),
    "above_random": Column("float", "share", "of the random circuits that are less faithful"),
    "random_completeness": Column("float", "share", "median of what is left with a random circuit ablated"),
    "random_leaves_more": Column("float", "share", "of the random circuits that leave more when ablated than it does"),
}
"""Type, unit and meaning of each column."""


def faithfulness_table(
    store: Store, circuit: str, resamples: int = 2000, seed: int = 0, *, own: bool = False
) -> pd.DataFrame:
    """Tabulate how faithful a circuit is, a row for each node set and each treatment of errors.

    Args:
        store: where the circuit is.
        circuit: its name.
        resamples: bootstrap samples of each interval.
        seed: seed of the resampling.
        own: whether only what discovery measures is wanted: on held-out examples of the circuit's own task, ablated to
            means (of both inputs, where there are pairs) from the first layer measured, errors as they are or all
            removed; of several such data sets that with the most examples.

    Returns:
        a row a measurement of the circuit, columns as in `COLUMNS`; NaN where undefined or not measured.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: resamples is below 1.

    """
    if resamples < 1:
        raise QueryError(f"resamples is {resamples}; ask for at least 1")
    items = store.query("measurement_items", circuit=circuit)
    chosen = _own(store, items) if own else items
    rows = []
    for _, row in chosen[chosen["kind"] == "circuit"].iterrows():
        lists = (row["only_circuit"], row["empty"], row["full"])
        low, high = bootstrap_interval(*lists, resamples, seed, row["items"])
        rest = bootstrap_interval(row["complement"], row["empty"], row["full"], resamples, seed, row["items"])
        alone = alike(items, row, "circuit", ("node_threshold",))
        without = alone.loc[alone["errors"] == "remove", "faithfulness"]
        found = {
            **{name: row[name] for name in COLUMNS if name in row},
            "low": low,
            "high": high,
            "completeness_low": rest[0],
            "completeness_high": rest[1],
            "without_errors": float(without.iloc[0]) if len(without) else float("nan"),
            **_beside(items, row),
        }
        rows.append([found[name] for name in COLUMNS])
    rows.sort(key=_order)
    return tabulate(COLUMNS, rows, asked_for(items), resamples=resamples, seed=seed)


def _order(row: Sequence[Any]) -> tuple[Any, ...]:
    found = dict(zip(COLUMNS, row, strict=True))
    return (
        *(str(found[name]) for name in ("task", "level", "ablation", "means_over", "start_layer", "split", "errors")),
        found["n_nodes"],
        found["node_threshold"],
    )


def _own(store: Store, items: pd.DataFrame) -> pd.DataFrame:
    """Measurements as discovery makes them."""
    if not len(items):
        return items
    circuit = store.query("circuit", circuit=items.attrs["params"]["circuit"]).iloc[0]
    same = (items["task"] == circuit["task"]) & (items["ablation"] == "mean")
    same &= items["errors"].isin(("default", "remove"))
    same &= items["level"].isna() | (items["level"] == circuit["positions"])
    same &= items["split"] == "held-out"
    same &= items["start_layer"] == items.loc[same, "start_layer"].min()
    over = items.loc[same, "means_over"]
    same &= items["means_over"] == ("clean+patch" if (over == "clean+patch").any() else "clean")
    found: pd.DataFrame = items.loc[same]
    if found["data_digest"].nunique() > 1:
        examples = found["full"].map(len, na_action="ignore").fillna(0)
        largest = found["data_digest"][examples == examples.max()].iloc[0]
        found = found[found["data_digest"] == largest]
    return found


def alike(items: pd.DataFrame, row: pd.Series[Any], kind: str, also: Sequence[str]) -> pd.DataFrame:
    """Measurements of one kind under a row's setting, and alike in some more columns."""
    same = items["kind"] == kind
    for name in (*_SETTING, *also):
        same &= items[name].isna() if row[name] is None or row[name] != row[name] else items[name] == row[name]
    return items[same]


def bootstrap_interval(
    kept: list[float] | None,
    empty: list[float] | None,
    full: list[float] | None,
    resamples: int,
    seed: int,
    items: Sequence[int] | None = None,
    share: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of (mean kept - mean empty) / (mean full - mean empty).

    Args:
        kept: metric on each example with only the circuit left.
        empty: metric on each example with every unit ablated.
        full: metric on each example of the whole model.
        resamples: number of resamples.
        seed: seed of the resampling.
        items: number of each example's item; None: each is its own.
        share: how much of the distribution the interval holds.

    Returns:
        lower and upper bound; NaN where the lists are missing or of one item, or the quotient is undefined by the
        rule that faithfulness is stored by (`cypher.defined`). Resamples in which it is are left out.

    """
    draws = resampled_means((kept, empty, full), resamples, seed, items)
    if draws is None or full is None or empty is None:
        return float("nan"), float("nan")
    kept_mean, empty_mean, full_mean = draws
    span, least = full_mean - empty_mean, least_span(float(np.abs(full).mean()))
    defined = np.abs(span) > least
    if abs(float(np.mean(full) - np.mean(empty))) <= least or not defined.any():
        return float("nan"), float("nan")
    quotients = (kept_mean - empty_mean)[defined] / span[defined]
    low, high = np.quantile(quotients, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def resampled_means(
    metrics: Sequence[Sequence[float] | None], resamples: int, seed: int, items: Sequence[int] | None = None
) -> Floats | None:
    """Means [metric, resample] over resampled items of several metrics of the same examples.

    Returns:
        None where a list is missing, they differ in length, or there are fewer than two items.

    """
    if any(m is None or not len(m) for m in metrics) or len({len(m or ()) for m in metrics}) > 1:
        return None
    m: Floats = np.array(metrics, dtype=np.float64)
    _, of_item = np.unique(np.arange(m.shape[1]) if items is None else items, return_inverse=True)
    counts = np.bincount(of_item).astype(np.float64)
    if len(counts) < 2:
        return None
    sums = np.stack([np.bincount(of_item, weights=row) for row in m])
    chosen = np.random.default_rng(seed).integers(len(counts), size=(resamples, len(counts)))
    return np.asarray(sums[:, chosen].sum(axis=2) / counts[chosen].sum(axis=1), dtype=np.float64)


def _beside(items: pd.DataFrame, row: pd.Series[Any]) -> dict[str, float]:
    """Figures of the random circuits under a row's conditions, and its rank among them."""
    drawn = alike(items, row, "random", ("node_threshold", "errors"))
    random = drawn["faithfulness"].dropna().to_numpy(np.float64)
    rest = drawn["completeness"].dropna().to_numpy(np.float64)
    found = {
        "random_completeness": float(np.median(rest)) if len(rest) else float("nan"),
        "random_leaves_more": float(np.mean(rest > row["completeness"])) if len(rest) else float("nan"),
    }
    if not len(random):
        return found | {"n_random": 0} | dict.fromkeys(("random_median", "random_95", "above_random"), float("nan"))
    return found | {
        "n_random": len(random),
        "random_median": float(np.median(random)),
        "random_95": float(np.quantile(random, 0.95)),
        "above_random": float(np.mean(random < row["faithfulness"])),
    }
