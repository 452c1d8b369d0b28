"""Edge faithfulness over the number of edges kept, with errors and without.

Beside each point stand edge sets of equal size, under the same treatment of errors, that the weights did not choose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.faithfulness import COLUMNS as MEASURED
from circuit_atlas.analysis.faithfulness import alike, bootstrap_interval
from circuit_atlas.analysis.result import METRIC, Column, asked_for, tabulate
from circuit_atlas.analysis.telling import CHOICES, EVERY_CHOICE
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

_FEW = "; of 20 draws or fewer it lies between the two largest"

COLUMNS = {
    "circuit": Column("string", "", "the circuit"),
    "task": Column("string", "", "the task it was measured on"),
    "errors": MEASURED["errors"],
    **{name: MEASURED[name] for name in CHOICES},
    "active_set": Column(
        "string", "", "what TopK dictionaries choose their active features on: mixed (what arrives) or clean"
    ),
    "node_threshold": Column("float", METRIC, "nodes of larger absolute effect take part"),
    "n_nodes": Column("integer", "", "how many these are"),
    "edge_threshold": Column("float", METRIC, "edges of larger absolute weight were kept; NaN: all there can be"),
    "n_edges": Column("integer or null", "", "how many these are; null: all there can be"),
    "faithfulness": Column("float", "share", "with these edges alone carrying computed values"),
    "low": Column("float", "share", "lower bound of its 95 % bootstrap interval"),
    "high": Column("float", "share", "upper bound of its 95 % bootstrap interval"),
    "of_nodes": Column("float", "share", "faithfulness over that with every edge: what the kept edges explain of it"),
    "without_errors": Column(
        "float", "share", "faithfulness of the kept edges between features, every error unit ablated"
    ),
    "permuted": Column("float", "share", "mean faithfulness with weights permuted within each pair of sites"),
    "permuted_95": Column("float", "share", f"95th percentile of that{_FEW}"),
    "random": Column("float", "share", "mean faithfulness of random connected edges as many"),
    "random_95": Column("float", "share", f"95th percentile of that{_FEW}"),
    "n_draws": Column("integer", "", "draws of each kind, of edges with the same treatment of errors"),
}
"""Type, unit and meaning of each column."""


def edge_curve(store: Store, circuit: str, *, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Tabulate how faithful the strongest edges of a circuit alone are, fewest first.

    Args:
        store: where the circuit is.
        circuit: its name.
        resamples: bootstrap samples of each interval, over distinct items.
        seed: seed of the resampling.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: its edges were not measured.

    """
    items = store.query("measurement_items", circuit=circuit)
    name = items.attrs["params"]["circuit"]
    measured = items[items["kind"] == "edges"]
    if measured.empty:
        raise QueryError(f"the edges of {name!r} were not measured: run `circuit-atlas measure {name} --edges 8` first")
    rows = [_point(items, row, resamples, seed) for _, row in measured.iterrows()]
    table = [[name if column == "circuit" else row[column] for column in COLUMNS] for row in sorted(rows, key=_order)]
    return tabulate(COLUMNS, table, asked_for(items), resamples=resamples, seed=seed)


def _point(items: pd.DataFrame, row: pd.Series[Any], resamples: int, seed: int) -> dict[str, Any]:
    """One row of the table but for the circuit's name."""
    low, high = bootstrap_interval(row["only_circuit"], row["empty"], row["full"], resamples, seed, row["items"])
    every = alike(items, row, "edges", ("node_threshold", "active_set", "errors"))
    whole = every.loc[every["edge_threshold"].isna(), "faithfulness"]
    here = alike(items, row, "edges", ("node_threshold", "active_set", "edge_threshold"))
    without = here.loc[here["errors"] == "remove", "faithfulness"]
    beside = ("node_threshold", "active_set", "errors", "edge_threshold")
    permuted, random = (
        alike(items, row, kind, beside)["faithfulness"].to_numpy(np.float64)
        for kind in ("edges-permuted", "edges-random")
    )
    found = {column: row[column] for column in COLUMNS if column in row}
    found |= {"low": low, "high": high}
    found["of_nodes"] = row["faithfulness"] / whole.iloc[0] if len(whole) and whole.iloc[0] else float("nan")
    found["without_errors"] = float(without.iloc[0]) if len(without) else float("nan")
    found["permuted"], found["permuted_95"] = _figures(permuted)
    found["random"], found["random_95"] = _figures(random)
    return found | {"n_draws": min(len(permuted), len(random))}


def _figures(draws: np.typing.NDArray[np.float64]) -> tuple[float, float]:
    return (float(draws.mean()), float(np.quantile(draws, 0.95))) if len(draws) else (float("nan"), float("nan"))


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    """By task, treatment of errors, setting and nodes, then strongest edges first and every edge last."""
    weakest = row["edge_threshold"]
    setting = (str(row[name]) for name in ("task", "errors", *EVERY_CHOICE))
    return *setting, row["n_nodes"], weakest != weakest, -weakest
