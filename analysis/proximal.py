"""Whether the last layer's features move the answer as they are credited: effect against change of rank.

Effects add up over the features of one site, never over sites of a layer: what mlp_2 does, it does through resid_2. So
features of one site removed at once are credited with the sum of their effects, features of several sites with none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.faithfulness import resampled_means
from circuit_atlas.analysis.result import METRIC, Column, asked_for, rows_of, tabulate
from circuit_atlas.analysis.structure.sites import site_name
from circuit_atlas.cypher import keys
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

COLUMNS = {
    "circuit": Column("string", "", "the circuit"),
    "task": Column("string", "", "the task it was measured on"),
    "level": Column("string", "", "where it was ablated: keep (its position), role, or sum (every position)"),
    "removed": Column(
        "string", "", "the feature ablated alone in the whole model; resid_3/*: several of that site at once; *: of all"
    ),
    "n_removed": Column("integer", "", "features ablated: the strongest of the site, or of the layer"),
    "ablation": Column("string", "", "what it was set to"),
    "means_over": Column("string", "", "inputs that the means are over"),
    "split": Column("string", "", "which examples"),
    "effect": Column(
        "float", METRIC, "effect that it is credited with; of one site's, the sum; null of several sites', or unknown"
    ),
    "change": Column("float", METRIC, "change of the metric when it is ablated, mean over examples"),
    "change_low": Column("float", METRIC, "lower bound of its 95 % bootstrap interval over items"),
    "change_high": Column("float", METRIC, "upper bound of its 95 % bootstrap interval over items"),
    "rank": Column("float", "ranks", "mean rank of the right answer among all tokens before; 1 is best"),
    "rank_without": Column("float", "ranks", "the same with the feature ablated"),
    "fell": Column("float", "share", "of the examples on which the answer lost ranks"),
    "rose": Column("float", "share", "of the examples on which it gained some"),
    "as_credited": Column(
        "boolean or null", "", "whether the metric moved in the direction of the effect; null where that is null"
    ),
}
"""Type, unit and meaning of each column."""

ALL = "*"
_ABOUT = ("task", "level", "removed", "n_removed", "ablation", "means_over", "split")
_SETTING = ["task", "level", "ablation", "means_over", "split", "data_digest"]


def proximal_causes(store: Store, circuit: str, *, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Tabulate what ablating each of the last layer's strongest features does to metric and rank of the answer.

    Args:
        store: where the circuit is.
        circuit: its name.
        resamples: bootstrap samples of each interval, over distinct items.
        seed: seed of the resampling.

    Returns:
        a row a feature, the strongest first, then one for each site's at once, and one for all at once; columns as in
        `COLUMNS`. A feature that acts at a role, or at every position, is credited with its nodes there.

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
    nodes = store.query("nodes", circuit=name)
    pooled = {level: _pooled(nodes, level) for level in ("keep", "role", "sum")}
    rows = []
    for _, group in found.groupby(_SETTING, dropna=False, sort=True):
        given: list[dict[str, Any]] = [{str(column): row[column] for column in row} for row in group.to_dict("records")]
        removed = [(str(row["removed"]), int(row["n_removed"])) for row in given]
        credited = _credits(removed, pooled.get(group["level"].iloc[0], {}))
        for row, effect in sorted(zip(given, credited, strict=True), key=lambda one: _order(*one)):
            about = (row[column] for column in _ABOUT)
            rows.append([name, *about, effect, *_moved(row, effect, resamples, seed)])
    return tabulate(COLUMNS, rows, asked_for(found, nodes), resamples=resamples, seed=seed)


def _pooled(nodes: pd.DataFrame, level: str) -> dict[str, float]:
    """Effects (units of the metric) of features at the places of a level, by name as in the keys of nodes."""
    found: dict[str, float] = {}
    for node in rows_of(nodes[(nodes["kind"] == "feature") & (nodes["role"].notna() | (level != "role"))]):
        place = {"sum": "*", "role": keys.encode(str(node.role)), "keep": node.id.rpartition("/")[2]}[level]
        unit = keys.unit(site_name(node.component, int(node.layer)), int(node.feature_index))
        found[f"{unit}/{place}"] = found.get(f"{unit}/{place}", 0.0) + float(node.effect)
    return found


def _credits(removed: Sequence[tuple[str, int]], effects: Mapping[str, float]) -> list[float]:
    """What each of the units that were removed, name and number, is credited with; NaN where nothing is."""
    alone = {name for name, _ in removed if "/feature/" in name}
    ranked = sorted(alone, key=lambda name: (-abs(effects.get(name, 0.0)), name))
    found = []
    for name, number in removed:
        site, _, rest = name.partition("/")
        mine = [name] if rest != ALL else [one for one in ranked if one.startswith(f"{site}/")][:number]
        known = name != ALL and len(mine) == number and all(one in effects for one in mine)
        found.append(sum(effects[one] for one in mine) if known else float("nan"))
    return found


def _order(row: Mapping[str, Any], effect: float) -> tuple[Any, ...]:
    """Single features, the strongest first; then those of a site; all at once last."""
    if "/feature/" in row["removed"]:
        return 0, -abs(effect) if effect == effect else 0.0, row["removed"]
    return 1 + (row["removed"] == ALL), row["removed"], row["n_removed"]


def _moved(row: Mapping[str, Any], effect: float, resamples: int, seed: int) -> list[Any]:
    """The columns from `change` on."""
    change = np.subtract(row["metric_without"], row["metric"])
    before, after = (np.asarray(row[column]) for column in ("ranks", "ranks_without"))
    draws = resampled_means([change.tolist()], resamples, seed, row["items"])
    low, high = (float("nan"),) * 2 if draws is None else np.quantile(draws[0], (0.025, 0.975))
    return [
        *(float(change.mean()), float(low), float(high)),
        *(float(before.mean()), float(after.mean())),
        *(float((after > before).mean()), float((after < before).mean())),
        bool(change.mean() * effect > 0) if effect == effect else None,
    ]
