"""Joint ablation: what setting a circuit's units all at once does to the metric, beside what their effects add up to.

For C the units above a node threshold, the change is the mean over examples of m(M∖C) - m(M): all of C at what it is
ablated to, everything else left to compute. Effects are of one unit each, and those of a unit are also those of what it
feeds, so that their sum over all layers counts each path once a site. Sums are therefore taken site by site; a
residual site is a cut that every path crosses once, and its sum is what first order has ablating *its* units do. The
joint change need not be any of these sums: it is a figure of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.faithfulness import COLUMNS as MEASURED
from circuit_atlas.analysis.faithfulness import alike, resampled_means
from circuit_atlas.analysis.resampling import require_resamples
from circuit_atlas.analysis.result import METRIC, Column, asked_for, tabulate
from circuit_atlas.analysis.structure.sites import site_name, site_order
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

_WHERE = {
    "circuit": Column("string", "", "the circuit"),
    **{
        name: MEASURED[name]
        for name in ("ablation", "means_over", "split", "start_layer", "data_digest", "node_threshold")
    },
    "n_nodes": Column("integer", "", "units ablated together"),
    "n_active": MEASURED["n_active"],
    "change": Column("float", METRIC, "mean of m(M∖C) - m(M): what ablating them together does to the metric"),
}
SETS = {
    **_WHERE,
    "low": Column("float", METRIC, "lower bound of its 95 % bootstrap interval over items"),
    "high": Column("float", METRIC, "upper bound"),
    "whole": Column("float", METRIC, "mean of m(∅) - m(M): the same of every unit that can be ablated"),
    "share": Column("float", "share", "change over whole; null where that is zero"),
    "n_random": Column("integer", "", "random circuits ablated likewise: as many features a site, with its errors"),
    "random_change": Column("float", METRIC, "median of their changes"),
    "random_most": Column("float", METRIC, "the largest of them by size"),
    "cut": Column("string or null", "", "residual site at which effects of its units add up to most; null without one"),
    "cut_effect": Column("float", METRIC, "their sum there"),
}
SITES = {
    **_WHERE,
    "site": Column("string", "", "a site that is ablated"),
    "is_cut": Column("boolean", "", "whether every path crosses it: a residual site"),
    "n_site": Column("integer", "", "units of the circuit there"),
    "effect": Column("float", METRIC, "their effects, each of patching one unit alone, summed"),
    "absolute_effect": Column("float", METRIC, "their absolute effects, summed"),
    "ratio": Column("float", "share", "change over effect; null where that is zero"),
}


@dataclass(frozen=True)
class Joint:
    """What ablating the units of a circuit together did; both tables name their queries in `attrs`.

    Attributes:
        sets: a row a measurement, columns as in `SETS`.
        sites: a row a measurement and site, columns as in `SITES`, sites in the order of the forward pass.

    """

    sets: pd.DataFrame
    sites: pd.DataFrame


def joint_ablation(store: Store, circuit: str, *, resamples: int = 2000, seed: int = 0) -> Joint:
    """Tabulate what ablating a circuit's units together did, wherever that was measured on its own task.

    Measurements count in which its error units are as the circuit says and its units act at their own places. Effects
    are means over the examples that they were attributed over, and of patching: beside other ablations, and other
    examples, their sums only give the scale.

    Args:
        store: where the circuit is.
        circuit: its name.
        resamples: bootstrap samples of each interval, over distinct items.
        seed: seed of the resampling.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: it was not measured so, or resamples is below 1.

    """
    require_resamples(resamples)
    about = store.query("circuit", circuit=circuit)
    name, task, level = about.loc[0, ["name", "task", "positions"]]
    items = store.query("measurement_items", circuit=name)
    nodes = store.query("nodes", circuit=name)
    measured = items[(items["kind"] == "circuit") & (items["errors"] == "default") & (items["task"] == task)]
    measured = measured[measured["complement"].notna() & (measured["level"].isna() | (measured["level"] == level))]
    if measured.empty:
        raise QueryError(
            f"the units of {name!r} were not ablated together: run `circuit-atlas measure {name} --ablation patch "
            "--ablate-random` first"
        )
    order = ["ablation", "means_over", "split", "start_layer", "n_nodes", "node_threshold", "measurement"]
    sets, sites = [], []
    for _, row in measured.sort_values(order, ascending=[True] * 4 + [False, True, True]).iterrows():
        change = np.subtract(row["complement"], row["full"])
        where = [name, *(row[column] for column in list(_WHERE)[1:-1]), float(change.mean())]
        sums = _by_site(nodes, float(row["node_threshold"]), int(row["start_layer"]))
        cuts = [one for one in sums if one[1]]
        cut = max(cuts, key=lambda one: (abs(one[3]), one[0])) if cuts else (None, False, 0, float("nan"))
        whole = float(np.subtract(row["empty"], row["full"]).mean())
        figures = [*_interval(change.tolist(), row["items"], resamples, seed), whole, _over(where[-1], whole)]
        sets.append([*where, *figures, *_random(items, row), cut[0], cut[3]])
        sites += [[*where, *one, _over(where[-1], one[3])] for one in sums]
    said = {"resamples": resamples, "seed": seed}
    asked = asked_for(items, nodes, about)
    return Joint(tabulate(SETS, sets, asked, **said), tabulate(SITES, sites, asked, **said))


def _by_site(nodes: pd.DataFrame, threshold: float, start_layer: int) -> list[tuple[str, bool, int, float, float]]:
    """Sum the effects of a node set site by site: name, whether it is a cut, units, signed and absolute sum."""
    inside = (nodes["kind"] != "target") & (nodes["layer"] >= max(start_layer, 0))
    kept = nodes[inside & (nodes["effect"].abs() > threshold)]
    found = []
    for component, layer in sorted(
        set(zip(kept["component"], kept["layer"], strict=True)), key=lambda s: site_order(*s)
    ):
        here = kept.loc[(kept["component"] == component) & (kept["layer"] == layer), "effect"]
        absolute = float(here.abs().sum())
        found.append((site_name(component, layer), component == "resid", len(here), float(here.sum()), absolute))
    return found


def _interval(change: list[float], items: list[int] | None, resamples: int, seed: int) -> tuple[float, float]:
    draws = resampled_means([change], resamples, seed, items)
    if draws is None:
        return float("nan"), float("nan")
    low, high = np.quantile(draws[0], (0.025, 0.975))
    return float(low), float(high)


def _random(items: pd.DataFrame, row: pd.Series[Any]) -> tuple[int, float, float]:
    """Number, median and largest of the changes that random circuits make under a row's conditions."""
    drawn = alike(items, row, "random", ("node_threshold", "errors"))
    drawn = drawn[drawn["complement"].notna()]
    changes = [float(np.subtract(one["complement"], one["full"]).mean()) for _, one in drawn.iterrows()]
    if not changes:
        return 0, float("nan"), float("nan")
    return len(changes), float(np.median(changes)), max(changes, key=lambda one: (abs(one), one))


def _over(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
