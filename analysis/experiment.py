"""Whether two circuits share a mechanism, as an experiment: keep only what they share, and take away only that.

`derive` makes the circuits (`analysis.algebra`). Rows of the table are measurements of them on each task, and on tasks
that should not care.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from circuit_atlas.analysis.algebra import Operation, combine, name_of
from circuit_atlas.analysis.faithfulness import COLUMNS as MEASURED
from circuit_atlas.analysis.faithfulness import faithfulness_table
from circuit_atlas.analysis.result import METRIC, Asked, Column, tabulate

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.rows import CircuitRows
    from circuit_atlas.cypher.store import Store

RECIPES: tuple[tuple[Operation, int, int], ...] = (
    ("intersection", 0, 1), ("difference", 0, 1), ("difference", 1, 0), ("union", 0, 1),
)  # fmt: skip
"""What is made of two circuits, and in which order they are taken."""

COLUMNS = {
    "circuit": Column("string", "", "what was kept, or taken away"),
    "n_nodes": Column("integer", "", "its units, each at every position"),
    "node_threshold": Column("float", METRIC, "nodes of larger absolute effect count"),
    "task": Column("string", "", "the task it was measured on"),
    "data_digest": MEASURED["data_digest"],
    "kept": Column("float", "share", "faithfulness of it alone: 1 the whole model, 0 every unit ablated"),
    "kept_low": Column("float", "share", "lower bound of its 95 % bootstrap interval"),
    "kept_high": Column("float", "share", "upper bound of its 95 % bootstrap interval"),
    "n_random": Column(
        "integer",
        "",
        "random circuits with its errors and as many features that are active there, kept and ablated too",
    ),
    "kept_random": Column(
        "float", "share", "95th percentile of these kept; of 20 or fewer it lies between the two largest"
    ),
    "ablated": Column("float", "share", "what is left of the task with it alone ablated"),
    "ablated_low": Column("float", "share", "lower bound of its 95 % bootstrap interval"),
    "ablated_high": Column("float", "share", "upper bound of its 95 % bootstrap interval"),
    "ablated_random": Column("float", "share", "median of what is left with these ablated"),
    "random_leaves_more": MEASURED["random_leaves_more"],
}
"""Type, unit and meaning of each column."""

_FROM = {
    "kept": "faithfulness",
    "kept_low": "low",
    "kept_high": "high",
    "kept_random": "random_95",
    "ablated": "completeness",
    "ablated_low": "completeness_low",
    "ablated_high": "completeness_high",
    "ablated_random": "random_completeness",
}


def derive(
    store: Store, names: tuple[str, str], thresholds: tuple[float, float], size: int
) -> tuple[list[CircuitRows], list[str]]:
    """Make what two circuits share, what each has alone and what either has, of the strongest units of both.

    Args:
        store: where they are.
        names: of both.
        thresholds: that leave each its strongest units (units of the metric).
        size: how many these are: part of the new circuits' names, so that those of several sizes stand side by side.

    Returns:
        the new circuits, in the order of `RECIPES`, and keys of those that they are to replace: stored under the same
        name and made in the same way, when the two were still others.

    """
    made = []
    for operation, one, other in RECIPES:
        pair, at = (names[one], names[other]), (thresholds[one], thresholds[other])
        name = f"{name_of(operation, pair)} ({size})"
        made.append(combine(store, operation, *pair, node_threshold=at[0], node_threshold_b=at[1], name=name))
    table = store.query("circuits")
    known = dict(zip(table["name"], table["id"], strict=True))
    old = []
    for rows, (operation, _, _) in zip(made, RECIPES, strict=True):
        name = rows.nodes["Circuit"][0]["name"]
        if known.get(name, rows.circuit_id) != rows.circuit_id and _operation(store, name) == operation:
            old.append(known[name])
    return made, old


def _operation(store: Store, name: str) -> str | None:
    """Return how a stored circuit was made of others; None of one that was discovered."""
    settings = json.loads(store.query("circuit", circuit=name)["settings"].iloc[0])
    operation: str | None = settings.get("recipe", {}).get("operation")
    return operation


def sharing_table(
    store: Store, measured: Sequence[tuple[str, float]], tasks: Sequence[str], *, resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Tabulate what is left of each task with only some circuits, and without them.

    Args:
        store: where they are, measured at every position by mean ablation.
        measured: names of circuits, each with the node threshold that it was measured at.
        tasks: keys of the tasks.
        resamples: bootstrap samples of each interval, over distinct items.
        seed: seed of the resampling.

    Returns:
        a row for each circuit on each task that it was measured on, errors as the circuit says: held-out examples, all
        layers ablated, means over all inputs there are. Where data were measured on that differ, a row for each.

    """
    rows: list[list[Any]] = []
    asked = []
    for name, threshold in measured:
        table = faithfulness_table(store, name, resamples, seed)
        asked.append(Asked(table.attrs["query"], table.attrs["params"]))
        for row in _usual(table).to_dict("records"):
            if row["task"] in tasks and abs(row["node_threshold"] - threshold) <= 1e-9 * (1 + threshold):
                found = {column: row[_FROM[column]] if column in _FROM else row.get(column) for column in COLUMNS}
                rows.append(list((found | {"circuit": table.attrs["params"]["circuit"]}).values()))
    rows.sort(key=lambda row: tasks.index(row[3]))
    order = {name: place for place, (name, _) in enumerate(measured)}
    rows.sort(key=lambda row: order.get(row[0], len(order)))
    return tabulate(COLUMNS, rows, asked, resamples=resamples, seed=seed)


def _usual(table: pd.DataFrame) -> pd.DataFrame:
    """Measurements as the experiment makes them; a task of pairs has means over both inputs, one of prompts has not."""
    same = (table["level"] == "sum") & (table["ablation"] == "mean") & (table["errors"] == "default")
    here = table[same & (table["start_layer"] == 0) & (table["split"] == "held-out")]
    both = here["means_over"] == "clean+patch"
    alone = (here["means_over"] == "clean") & ~here["task"].isin(here.loc[both, "task"])
    return here[both | alone]
