"""How near effects and weights come to exact ones, on the nodes and edges that were also measured by intervention.

After Figure 25 of Marks et al., *Sparse Feature Circuits* (ICLR 2025), which sets `atp` and `ig` of nodes against
exact effects; of edges nobody has published the same. Relative error is |approximate - exact| / |exact|. What is
measured is the strongest and a sample of the rest: together they raise a rank correlation, so read the groups (`by`),
not the whole.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from circuit_atlas.analysis.graph import Floats, Ints, readable
from circuit_atlas.analysis.ranks import rank_correlation
from circuit_atlas.analysis.resampling import median_interval, require_resamples, share_interval
from circuit_atlas.analysis.result import METRIC, Asked, Column, asked_for, rows_of, tabulate
from circuit_atlas.analysis.structure.sites import site_name
from circuit_atlas.analysis.units import require_features
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

OF = ("nodes", "edges")
BY = ("all", "drawn", "kind", "component", "layer", "sites", "decile")
"""What points are grouped by."""

DECILES = 10

POINTS = {
    "circuit": Column("string", "", "name of the circuit"),
    "name": Column("string", "", "the node, or the edge as upstream → downstream, for people"),
    "node": Column("string", "", "key of the circuit node; of an edge, of its downstream end"),
    "source": Column("string", "", "key of an edge's upstream end; of a node, empty"),
    "kind": Column("string", "", "feature or error; of an edge, of both ends"),
    "component": Column("string", "", "embed, attn, mlp or resid; of an edge, of both ends"),
    "layer": Column("integer", "", "layer, the embedding -1; of an edge, of its downstream end"),
    "sites": Column("string", "", "site; of an edge, of both ends"),
    "drawn": Column("string", "", "strongest, or sample: drawn from the others"),
    "decile": Column("integer", "", "tenth of the points by absolute approximate value, 1 the largest"),
    "approximate": Column("float", METRIC, "effect or weight"),
    "exact": Column("float", METRIC, "the same by intervention"),
    "difference": Column("float", METRIC, "approximate minus exact"),
    "relative_error": Column("float", "share", "absolute difference over absolute exact value; null where that is 0"),
    "same_sign": Column("boolean", "", "whether both have the same sign"),
}
COLUMNS = {
    "circuit": Column("string", "", "name of the circuit"),
    "group": Column("string", "", "what the points have in common"),
    "n": Column("integer", "", "points: nodes or edges"),
    "slope": Column("float", "", "of exact on approximate, through the origin"),
    "slope_free": Column("float", "", "of exact on approximate, with an intercept"),
    "intercept": Column("float", METRIC, "that intercept"),
    "spearman": Column("float", "", "rank correlation"),
    "median_relative_error": Column("float", "share", "median of |approximate - exact| / |exact|"),
    "error_low": Column("float", "share", "lower bound of its 95 % bootstrap interval over points"),
    "error_high": Column("float", "share", "upper bound"),
    "n_zero": Column("integer", "", "points left out of it, for their exact value is 0"),
    "same_sign": Column("float", "share", "points of the same sign"),
    "sign_low": Column("float", "share", "lower bound of its 95 % interval (Wilson's)"),
    "sign_high": Column("float", "share", "upper bound"),
}


def exactness(
    store: Store, circuit: str, of: str = "edges", by: str = "all", *, resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Say how near approximate values come to exact ones, a row a group.

    Args:
        store: where the circuit is.
        circuit: its name.
        of: nodes or edges.
        by: what they are grouped by, one of `BY`.
        resamples: bootstrap samples of each interval.
        seed: seed of the resampling.

    Returns:
        columns as in `COLUMNS`; `attrs["note"]` says where the two are not means over the same examples.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: an argument is out of range, or nothing was measured by intervention.

    """
    require_resamples(resamples)
    if by not in BY:
        raise QueryError(f"by is {by!r}; choose one of {', '.join(BY)}")
    return by_group(measured_points(store, circuit, of), by, resamples=resamples, seed=seed)


def by_group(points: pd.DataFrame, by: str, *, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Group points that were fetched already; columns as in `COLUMNS`."""
    groups = [("all", points)] if by == "all" else list(points.groupby(by, sort=True))
    rows = [(points.attrs["circuit"], str(name), *_figures(some, resamples, seed)) for name, some in groups]
    asked = [Asked(one["query"], one["params"]) for one in points.attrs["queries"]]
    return tabulate(COLUMNS, rows, asked, by=by, **{key: points.attrs[key] for key in ("of", "circuit", "note")})


def worst(points: pd.DataFrame, limit: int = 10) -> pd.DataFrame:
    """Return the points of the largest absolute difference, in units of the metric: relative errors single out noise.

    Raises:
        QueryError: limit is below 1.

    """
    if limit < 1:
        raise QueryError(f"limit is {limit}; ask for at least 1 row")
    order = points.assign(size=points["difference"].abs()).sort_values(["size", "name"], ascending=[False, True])
    found: pd.DataFrame = order.drop(columns="size").head(limit).reset_index(drop=True)
    found.attrs = dict(points.attrs)
    return found


def measured_points(store: Store, circuit: str, of: str = "edges") -> pd.DataFrame:
    """Fetch every node or edge that was measured by intervention, with both values: a scatter's points.

    Where the exact effects are means over the first examples alone (`exact_examples`), so are the approximate ones,
    if their values on every example were kept.

    Returns:
        columns as in `POINTS`, strongest first.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: `of` is neither nodes nor edges, the circuit is made of groups, or nothing was measured so.

    """
    if of not in OF:
        raise QueryError(f"of is {of!r}; choose nodes or edges")
    require_features(store, circuit, "was not measured by intervention")
    found = store.query(f"measured_{of}", circuit=circuit)
    about = store.query("example_items", circuit=circuit)
    said = about.iloc[0]
    settings: dict[str, Any] = json.loads(said["settings"])
    if not len(found):
        options = "--exact-nodes N --exact-node-sample M" if of == "nodes" else "--exact-edges N --exact-sample M"
        what = f"none of the {of} of circuit {said['name']!r} was measured by intervention"
        raise QueryError(f"{what}: discover it again with {options}")
    first = int(settings.get("exact_examples", 0))
    alike = _Averaged(first if 0 < first < int(said["n_examples"]) else 0)
    every = [(_node(row, alike) if of == "nodes" else _edge(row, alike)) for row in rows_of(found)]
    strongest = int(settings.get("exact_nodes" if of == "nodes" else "exact_edges", 0))
    drawn = ["strongest" if place < strongest else "sample" for place in range(len(every))]
    # What changes in none of the first examples is 0 on both sides, and says nothing.
    points = [(how, point) for how, point in zip(drawn, every, strict=True) if point.approximate or point.exact]
    if not points:
        raise QueryError(f"what was measured of circuit {said['name']!r} changes in none of the first {first} examples")
    decile = _deciles(np.array([abs(point.approximate) for _, point in points]))
    rows = [
        (str(said["name"]), *point.where, how, int(tenth), *_compared(point.approximate, point.exact))
        for (how, point), tenth in zip(points, decile, strict=True)
    ]
    silent = len(every) - len(points)
    note = alike.note + (f"; {silent} {of} that change in none of them are left out" if silent else "")
    return tabulate(POINTS, rows, asked_for(found, about), of=of, circuit=str(said["name"]), note=note)


class _Point(NamedTuple):
    where: tuple[Any, ...]
    approximate: float
    exact: float


class _Averaged:
    """Takes the mean over the examples that exact effects are means over."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._unlike = 0

    def mean(self, mean: float, values: Any) -> float:
        """Return the mean over the first examples; over all where their values were not kept."""
        if not self._first:
            return float(mean)
        if not isinstance(values, list):
            self._unlike += 1
            return float(mean)
        return float(np.mean(values[: self._first]))

    @property
    def note(self) -> str:
        """What must be said of the examples; empty where both are means over all."""
        if not self._first:
            return ""
        if self._unlike:
            return (
                f"exact effects are means over the first {self._first} examples, approximate ones over all: part of "
                "the difference is the examples'; discover with --edge-values examples, or with --exact-examples 0"
            )
        return f"both are means over the first {self._first} examples"


def _node(row: Any, alike: _Averaged) -> _Point:
    site = site_name(row.component, row.layer)
    where = (readable(row), row.id, "", row.kind, row.component, row.layer, site)
    return _Point(where, alike.mean(row.effect, row.effects), float(row.exact_effect))


class _End(NamedTuple):
    kind: str
    component: str
    layer: int
    feature_index: Any
    position: Any
    role: Any


def _edge(row: Any, alike: _Averaged) -> _Point:
    up, down = (_End(*(getattr(row, f"{end}_{name}") for name in _End._fields)) for end in ("source", "target"))
    where = (
        f"{readable(up)} → {readable(down)}",
        *(row.target_id, row.source_id),
        *(f"{getattr(up, name)} → {getattr(down, name)}" for name in ("kind", "component")),
        down.layer,
        f"{site_name(up.component, up.layer)} → {site_name(down.component, down.layer)}",
    )
    return _Point(where, alike.mean(row.weight, row.weights), float(row.exact_weight))


def _deciles(sizes: Floats) -> Ints:
    """Tenth of each by its rank from the largest, from 1."""
    rank = np.empty(len(sizes), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    found: Ints = DECILES * rank // len(sizes) + 1
    return found


def _compared(approximate: float, exact: float) -> tuple[float, float, float, float, bool]:
    difference = approximate - exact
    relative = abs(difference) / abs(exact) if exact else math.nan
    return approximate, exact, difference, relative, approximate * exact > 0.0


def _figures(points: pd.DataFrame, resamples: int, seed: int) -> tuple[float, ...]:
    x, y = (points[name].to_numpy(np.float64) for name in ("approximate", "exact"))
    errors = points["relative_error"].dropna().to_numpy(np.float64)
    agreeing = int(points["same_sign"].sum())
    return (
        len(points),
        float(x @ y / (x @ x)) if x.any() else math.nan,
        *_line(x, y),
        rank_correlation(x, y),
        float(np.median(errors)) if len(errors) else math.nan,
        *median_interval(errors, resamples, seed),
        len(points) - len(errors),
        agreeing / len(points),
        *share_interval(agreeing, len(points)),
    )


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """Slope and intercept of the least-squares line; NaN where x does not vary."""
    spread = x - x.mean()
    if not spread.any():
        return math.nan, math.nan
    slope = float(spread @ y / (spread @ spread))
    return slope, float(y.mean() - slope * x.mean())
