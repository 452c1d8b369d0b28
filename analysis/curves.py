"""Faithfulness over circuit size: the curve as rows, and what is left of it when no threshold is chosen.

Sources: Marks et al. (ICLR 2025), Figure 3; Mueller et al. (2025), "MIB: A Mechanistic Interpretability Benchmark"
(arXiv 2504.13151), section 4.1, for CPR and CMD. All integrals run over k, the number of nodes as a share of the
universe (units active on an average example, at the sites that are ablated), by trapezoids from f(0) = 0, which holds
by definition, over the sizes measured. A circuit as large as the universe is not the whole model, for other units are
active on other examples, and errors may be ablated: f(1) is read off between the sizes measured on both sides of 1, or
is that of the largest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.advice import measure_command, said_of
from circuit_atlas.analysis.faithfulness import COLUMNS as MEASURED
from circuit_atlas.analysis.faithfulness import faithfulness_table
from circuit_atlas.analysis.graph import Floats
from circuit_atlas.analysis.result import METRIC, Asked, Column, tabulate
from circuit_atlas.analysis.telling import same_data
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

SETTING = ("task", "level", "ablation", "means_over", "start_layer", "split", "data_digest", "errors")
"""What one curve has in common."""

_CURVE = {
    "circuit": Column("string", "", "the circuit"),
    "suite": Column("string", "", "its dictionaries; neurons where every neuron is a feature"),
    **MEASURED,
    "share": Column("float", "share", "n_nodes over n_active"),
}

_SUMMARY = {
    "circuit": Column("string", "", "the circuit"),
    **{name: MEASURED[name] for name in SETTING},
    "points": Column("integer", "", "sizes measured"),
    "to_share": Column(
        "float",
        "share",
        "largest of them over the units active on an average example; where below 1, what "
        "follows takes its faithfulness beyond it",
    ),
    "cpr": Column(
        "float",
        "share",
        "integral of faithfulness over the share of units kept; above 1 where circuits overshoot the whole model",
    ),
    "cmd": Column("float", "share", "integral of |1 - faithfulness| over the share of units kept; 0 is best"),
    "log_area": Column("float", "share", "mean faithfulness over the logarithm of the size, one node to all active"),
    "target": Column("float", "share", "faithfulness that the next two columns are about"),
    "target_nodes": Column("integer or null", "", "fewest nodes measured that reach it; null where none does"),
    "target_threshold": Column("float", METRIC, "their node threshold"),
}


def faithfulness_curves(
    store: Store, circuits: Sequence[str], *, resamples: int = 2000, seed: int = 0, **only: Any
) -> pd.DataFrame:
    """Everything that was measured of some circuits, size by size.

    Args:
        store: where they are.
        circuits: their names.
        resamples: bootstrap samples of each interval.
        seed: seed of the resampling.
        only: values that a column of `SETTING` must have, such as `ablation="mean"`.

    Returns:
        the rows of `faithfulness_table` with the circuit, its dictionaries and the size as a share.

    Raises:
        QueryError: a circuit has no measurement that fits; the line says how to make one.

    """
    rows: list[list[Any]] = []
    asked: list[Asked] = []
    for name in circuits:
        about = store.query("circuit", circuit=name).iloc[0]
        table = faithfulness_table(store, about["name"], resamples, seed)
        asked.append(Asked(table.attrs["query"], table.attrs["params"]))
        table = table[_fits(table, only)]
        if table.empty:
            raise QueryError(_unmeasured(about["name"], about["task"], only))
        for row in table.to_dict("records"):
            share = row["n_nodes"] / row["n_active"] if row["n_active"] else float("nan")
            rows.append([about["name"], about["suite"], *(row[column] for column in MEASURED), share])
    return tabulate(_CURVE, rows, asked, resamples=resamples, seed=seed)


def _fits(table: pd.DataFrame, only: dict[str, Any]) -> pd.Series[bool]:
    found = table["n_nodes"] >= 0
    for name, value in only.items():
        if name not in SETTING:
            raise QueryError(f"a curve has no {name!r} to choose by; choose by {', '.join(SETTING)}")
        found &= table[name] == value
    return found


def _unmeasured(circuit: str, own_task: str, only: dict[str, Any]) -> str:
    again = measure_command(circuit, own_task, only)
    return f"circuit {circuit!r} has no measurements{said_of(only)}: run `{again}` first"


def summarise_curves(curves: pd.DataFrame, target: float = 0.8) -> pd.DataFrame:
    """Integrate each curve over size, and find its smallest circuit that is faithful enough.

    Args:
        curves: rows of `faithfulness_curves`.
        target: faithfulness that is enough.

    Returns:
        a row a curve; figures are NaN where faithfulness is undefined at a size.

    """
    rows = []
    for key, curve in curves.groupby(["circuit", *SETTING], dropna=False, sort=False):
        curve = curve.sort_values("n_nodes")
        share, faithfulness = (curve[name].to_numpy(np.float64) for name in ("share", "faithfulness"))
        enough = curve[curve["faithfulness"] >= target]
        first = enough.iloc[0] if len(enough) else None
        rows.append(
            [
                *key,
                len(curve),
                float(share.max()),
                *integrals(share, faithfulness),
                log_area(curve["n_nodes"].to_numpy(np.float64), float(curve["n_active"].iloc[0]), faithfulness),
                target,
                None if first is None else int(first["n_nodes"]),
                float("nan") if first is None else float(first["node_threshold"]),
            ]
        )
    asked = [Asked(one["query"], one["params"]) for one in curves.attrs["queries"]]
    return tabulate(_SUMMARY, rows, asked)


def integrals(share: Floats, faithfulness: Floats) -> tuple[float, float]:
    """CPR and CMD of one curve: ∫ f dk and ∫ |1 - f| dk over k from 0 to 1; NaN where nothing was measured.

    Beyond the largest share measured, f stays what it is there.

    |1 - f| bends where f crosses 1 between two points; the crossing is made a point of its own, so that both
    integrals are exact for a curve of straight lines.
    """
    if not len(share) or np.isnan(share).any():
        return float("nan"), float("nan")
    k, f = _up_to(1.0, np.concatenate([[0.0], share]), np.concatenate([[0.0], faithfulness]))
    crossings = [
        k[i] + (1 - f[i]) / (f[i + 1] - f[i]) * (k[i + 1] - k[i])
        for i in range(len(k) - 1)
        if (f[i] - 1) * (f[i + 1] - 1) < 0
    ]
    every = np.union1d(k, crossings)
    apart = np.abs(1 - np.interp(every, k, f))
    return float(np.trapezoid(f, k)), float(np.trapezoid(apart, every))


def log_area(n_nodes: Floats, universe: float, faithfulness: Floats) -> float:
    """Mean faithfulness over log size from one node to the universe; 0 is taken at one node where none was measured.

    Between sizes f is a line over the logarithm; beyond the largest it stays what it is there.
    """
    some = n_nodes >= 1  # a set of no node has no logarithm; its faithfulness is 0
    size, f = n_nodes[some], faithfulness[some]
    if universe <= 1 or not len(size):
        return float("nan")
    if size[0] > 1:
        size, f = np.concatenate([[1.0], size]), np.concatenate([[0.0], f])
    over, f = _up_to(float(np.log(universe)), np.log(size), f)
    return float(np.trapezoid(f, over) / np.log(universe))


def _up_to(end: float, x: Floats, f: Floats) -> tuple[Floats, Floats]:
    """Points of a line over ascending x as far as `end`, where it is interpolated, or stays the last measured."""
    inside = x < end
    return np.append(x[inside], end), np.append(f[inside], np.interp(end, x, f))


_SENSITIVITY = {
    "circuit": Column("string", "", "the circuit"),
    "node_threshold": MEASURED["node_threshold"],
    "n_nodes": MEASURED["n_nodes"],
    "share": Column("float", "share", "n_nodes over the units active on an average example"),
    "choice": Column("string", "", "what was chosen otherwise than in the first row"),
    "value": Column("string", "", "how"),
    "faithfulness": Column("float", "share", "then"),
    "low": Column("float", "share", "lower bound of its 95 % bootstrap interval"),
    "high": Column("float", "share", "upper bound of its 95 % bootstrap interval"),
    "moved": Column("float", "share", "by how much that differs from the first row"),
}

QUARTER = 0.25
"""Share of the active units that is small for a circuit; where no threshold is named, choices are compared near it."""


def sensitivity(
    store: Store, circuit: str, node_threshold: float | None = None, *, resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """How much each choice moves faithfulness of one node set, one choice changed at a time.

    Args:
        store: where the circuit is.
        circuit: its name.
        node_threshold: of the node set; None: of those measured under another choice than that of errors (or else of
            all), the one whose size is nearest, by ratio, to a quarter of the units active on an average example.
        resamples: bootstrap samples of each interval.
        seed: seed of the resampling.

    Returns:
        first the usual setting (mean ablation, errors as the circuit says, earliest start layer, its own task and
        places), then a row for each measurement that differs from it in one choice alone.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: nothing was measured under the usual setting, or nothing at that threshold.

    """
    about = store.query("circuit", circuit=circuit).iloc[0]
    curves = faithfulness_curves(store, [about["name"]], resamples=resamples, seed=seed)
    usual = curves[(curves["ablation"] == "mean") & (curves["errors"] == "default") & (curves["task"] == about["task"])]
    usual = usual[usual["level"].isna() | (usual["level"] == about["positions"])]
    if node_threshold is None and len(usual):
        node_threshold = _near_a_quarter(curves, usual)
    here, usual = (_at(some, node_threshold) for some in (curves, usual))
    companions = usual["data_digest"].map(here["data_digest"].value_counts(dropna=False))
    usual = usual.assign(fewer=-companions).sort_values(["fewer", "start_layer", "means_over"], kind="stable")
    if usual.empty:
        at = "" if node_threshold is None else f" at node threshold {node_threshold:g}"
        option = "" if node_threshold is None else f" --threshold {node_threshold:g}"
        raise QueryError(
            f"{about['name']!r} was not measured{at} by mean ablation with its own errors on its own task: "
            f"run `circuit-atlas measure {about['name']}{option}` first"
        )
    base = usual.iloc[0]
    rows = [[*_told(base, "", ""), 0.0]]
    for _, row in here.iterrows():
        choice = _one_choice(base, row)
        if choice is not None:
            rows.append([*_told(row, choice, str(row[choice])), row["faithfulness"] - base["faithfulness"]])
    asked = [Asked(one["query"], one["params"]) for one in curves.attrs["queries"]]
    place = list(_SENSITIVITY).index("choice")
    return tabulate(_SENSITIVITY, sorted(rows, key=lambda row: (row[place], row[place + 1])), asked)


def _at(curves: pd.DataFrame, node_threshold: float | None) -> pd.DataFrame:
    found: pd.DataFrame = curves[
        np.isclose(curves["node_threshold"], np.nan if node_threshold is None else node_threshold)
    ]
    return found


def _near_a_quarter(curves: pd.DataFrame, usual: pd.DataFrame) -> float:
    """Node threshold of the size nearest a quarter of the active units, where more than the errors was varied."""
    found = []
    for _, base in usual.iterrows():
        there = _at(curves, base["node_threshold"])
        choices = [_one_choice(base, row) for _, row in there.iterrows()]
        varied = any(choice not in (None, "errors") for choice in choices)
        apart = abs(np.log(max(base["share"], np.finfo(float).tiny) / QUARTER))
        found.append((not varied, round(apart, 12), -len(there), float(base["node_threshold"])))
    return min(found)[3]


def _told(row: pd.Series[Any], choice: str, value: str) -> list[Any]:
    size = [row["circuit"], row["node_threshold"], row["n_nodes"], row["share"]]
    return [*size, choice, value, row["faithfulness"], row["low"], row["high"]]


def _one_choice(base: pd.Series[Any], row: pd.Series[Any]) -> str | None:
    """The one column of the setting in which two measurements differ; that means go with mean ablation is no second."""
    differing = [name for name in SETTING if row[name] != base[name]]
    if "data_digest" in differing and ("task" in differing or "split" in differing or same_data(row, base)):
        differing.remove("data_digest")  # another task, or split, is other data; a seed of resampling is none
    if "ablation" in differing and "means_over" in differing:
        differing.remove("means_over")
    return differing[0] if len(differing) == 1 and differing != ["data_digest"] else None


def of_errors(curves: pd.DataFrame, modes: Iterable[str]) -> pd.DataFrame:
    """Curves under some treatments of errors alone, their provenance kept."""
    found = curves[curves["errors"].isin(list(modes))].reset_index(drop=True)
    found.attrs = curves.attrs
    return found
