"""Tests of a circuit on its measurements: equivalence to the model, independence of the rest, minimality.

After Shi et al., *Hypothesis Testing the Circuit Hypothesis in LLMs* (NeurIPS 2024, arXiv 2410.13032), who name the
three, with tests for what is stored here, the metric of every example:

- *equivalence*: two one-sided tests (Schuirmann 1987) that the mean of m(C) - m(M) lies within a margin on both sides.
  A margin given as a share δ of the span m(M) - m(∅) is tested through the means of m(C) - m(M) ± δ (m(M) - m(∅)), so
  that the span's own error counts;
- *independence of the rest*: whether the mean of m(M∖C) differs from that of m(∅), two-sided. Where it does, the rest
  carries something;
- *minimality*: for each unit, whether leaving it out of C takes m(C) further from m(M)'s side of m(∅), one-sided.

All are paired, on means over examples, by Student's t with the standard error over distinct items (the cluster-robust
variance of a mean) and one degree of freedom fewer than there are items. p-values of one table are adjusted together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from circuit_atlas.analysis.faithfulness import COLUMNS as MEASURED
from circuit_atlas.analysis.graph import Floats
from circuit_atlas.analysis.ranks import false_discovery
from circuit_atlas.analysis.result import METRIC, Column, asked_for, rows_of, tabulate
from circuit_atlas.analysis.telling import CHOICES
from circuit_atlas.analysis.units import require_features
from circuit_atlas.cypher.defined import least_span
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

_WHERE = {
    "circuit": Column("string", "", "name of the circuit"),
    "task": Column("string", "", "the task it was measured on"),
    "node_threshold": Column("float", METRIC, "nodes of larger absolute effect were kept"),
    "n_nodes": Column("integer", "", "units kept"),
    "errors": Column("string", "", "what was done with error units"),
    **{name: MEASURED[name] for name in CHOICES},
    "n_items": Column("integer", "", "distinct items measured on"),
}
_TESTED = {
    "p_value": Column("float", "", "of the test; null where it cannot be made"),
    "q_value": Column("float", "", "the same, adjusted for all rows of the table (false discovery rate)"),
}
EQUIVALENCE = {
    **_WHERE,
    "difference": Column("float", METRIC, "mean of m(C) - m(M)"),
    "low": Column("float", METRIC, "lower bound of its interval, which holds 1 - 2 alpha"),
    "high": Column("float", METRIC, "upper bound"),
    "margin": Column("float", METRIC, "how far it may be from 0"),
    **_TESTED,
    "equivalent": Column("boolean", "", "whether q is at most alpha: the circuit does what the model does"),
}
INDEPENDENCE = {
    **_WHERE,
    "difference": Column("float", METRIC, "mean of m(M∖C) - m(∅)"),
    "low": Column("float", METRIC, "lower bound of its interval, which holds 1 - alpha"),
    "high": Column("float", METRIC, "upper bound"),
    "share": Column("float", "share", "the same over the mean of m(M) - m(∅): completeness as docs/method.md has it"),
    **_TESTED,
    "carries": Column("boolean", "", "whether q is at most alpha: the rest carries something"),
}
MINIMALITY = {
    **_WHERE,
    "removed": Column("string", "", "the unit left out, as in the key of its node"),
    "hurt": Column("float", METRIC, "mean of m(C) - m(C without it), towards m(M) positive"),
    "hurt_share": Column("float", "share", "the same over the mean of m(M) - m(∅)"),
    "low": Column("float", METRIC, "one-sided lower bound of hurt, which holds 1 - alpha"),
    **_TESTED,
    "needed": Column("boolean", "", "whether q is at most alpha: leaving it out hurts"),
}


def equivalence(
    store: Store,
    circuits: str | Sequence[str],
    *,
    margin_share: float = 0.1,
    margin: float | None = None,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Test whether circuits do what the model does, within a margin: a row a measurement of a circuit.

    Args:
        store: where the circuits are.
        circuits: one name, or several that are adjusted for together.
        margin_share: the margin as a share of the mean of m(M) - m(∅).
        margin: in its place, the margin in units of the metric.
        alpha: false discovery rate up to which a circuit is called equivalent.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: a circuit has no measurements with the metric of every example, or an argument is out of range.

    """
    if not 0.0 < (margin_share if margin is None else margin) < math.inf:
        raise QueryError("the margin must be a finite number above 0: no test can show that a difference is exactly 0")
    rows, asked = _measured(store, circuits, "circuit", alpha)
    found = []
    for one in rows:
        gap, span = one.kept - one.full, one.full - one.empty
        shift = np.abs(margin) if margin is not None else margin_share * span * np.sign(span.mean())
        above, below = _mean(gap + shift, one.items), _mean(gap - shift, one.items)
        p = max(above.p_greater, below.p_less)
        bounds = _mean(gap, one.items).interval(1 - 2 * alpha)
        found.append((*one.where, float(gap.mean()), *bounds, float(np.mean(shift)), p))
    return _adjusted(EQUIVALENCE, found, asked, alpha, margin=margin, margin_share=margin_share)


def independence(store: Store, circuits: str | Sequence[str], *, alpha: float = 0.05) -> pd.DataFrame:
    """Test whether what is left without a circuit carries anything: a row a measurement with its complement.

    Not to reject is no proof: read the interval.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: a circuit has no measurements with the metric of every example, or alpha is out of range.

    """
    rows, asked = _measured(store, circuits, "circuit", alpha)
    found = []
    for one in rows:
        if one.complement is not None:
            rest = _mean(_apart(one.complement, one.empty, one), one.items)
            share = rest.mean / _span(one)
            found.append((*one.where, rest.mean, *rest.interval(1 - alpha), share, rest.p_other))
    return _adjusted(INDEPENDENCE, found, asked, alpha)


def minimality(store: Store, circuits: str | Sequence[str], *, alpha: float = 0.05) -> pd.DataFrame:
    """Test for each unit that was left out (`ingest.measure_removals`) whether that hurts: a row a removal.

    A unit that works against the answer is not needed by this test: leaving it out helps.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: a circuit has no removals, or alpha is out of range.

    """
    removals, asked = _measured(store, circuits, "removal", alpha)
    found = []
    for one in removals:
        if one.whole is None:
            raise QueryError(
                f"removals of circuit {one.where[0]!r} at {one.where[2]:g} stand without the circuit that units were "
                "left out of: measure them again"
            )
        sign = math.copysign(1.0, float((one.full - one.empty).mean()))
        hurt = _mean(sign * _apart(one.whole, one.kept, one), one.items)
        low = hurt.interval(1 - 2 * alpha)[0]
        share = hurt.mean / abs(_span(one))
        found.append((*one.where, one.removed, hurt.mean, share, low, hurt.p_greater))
    table = _adjusted(MINIMALITY, found, asked, alpha)
    about = table.attrs
    table = table.sort_values(["circuit", "task", "node_threshold", "hurt"], ascending=[True, True, True, False])
    table = table.reset_index(drop=True)
    table.attrs = about
    return table


class _Measured(NamedTuple):
    """One measurement with the metric of every example."""

    where: tuple[Any, ...]
    items: Sequence[int]
    full: Floats
    empty: Floats
    kept: Floats
    complement: Floats | None
    removed: str | None
    whole: Floats | None


class Mean(NamedTuple):
    """A mean over examples with its standard error over items; the tests are against 0."""

    mean: float
    error: float
    freedom: int

    def interval(self, share: float) -> tuple[float, float]:
        """Student's interval that holds this share; NaN for fewer than two items."""
        from scipy.stats import t

        half = self.error * float(t.ppf((1 + share) / 2, self.freedom)) if self.freedom > 0 else math.nan
        return self.mean - half, self.mean + half

    @property
    def p_greater(self) -> float:
        """One-sided p-value of a mean above 0; NaN for fewer than two items."""
        from scipy.stats import t

        if self.freedom < 1:
            return math.nan
        if self.error == 0.0:
            return 0.0 if self.mean > 0.0 else 1.0
        return float(t.sf(self.mean / self.error, self.freedom))

    @property
    def p_less(self) -> float:
        """One-sided p-value of a mean below 0."""
        return Mean(-self.mean, self.error, self.freedom).p_greater

    @property
    def p_other(self) -> float:
        """Two-sided p-value."""
        return min(1.0, 2 * min(self.p_greater, self.p_less))


def _span(one: _Measured) -> float:
    """Mean of m(M) - m(∅); NaN where shares of it are undefined."""
    span = float((one.full - one.empty).mean())
    return span if abs(span) > least_span(float(np.abs(one.full).mean())) else math.nan


def _apart(some: Floats, other: Floats, one: _Measured) -> Floats:
    """Differences on each example; 0 where they are below what could divide, for float32 rounds that much.

    Else a unit that does nothing, but shifts every example by the same rounding, would be certain to do it.
    """
    gap = some - other
    return np.where(np.abs(gap) <= least_span(float(np.abs(one.full).mean())), 0.0, gap)


def _mean(values: Floats, items: Sequence[int]) -> Mean:
    """Mean over examples; its error as if items were drawn: sqrt(I/(I-1) Σ (s_i - m n_i)²) / N."""
    mean = float(values.mean())
    place = np.unique(np.asarray(items), return_inverse=True)[1]
    off = np.bincount(place, weights=values - mean)
    count = len(off)
    if count < 2:
        return Mean(mean, math.nan, 0)
    return Mean(mean, math.sqrt(count / (count - 1) * float(off @ off)) / len(values), count - 1)


def _measured(
    store: Store, circuits: str | Sequence[str], kind: str, alpha: float
) -> tuple[list[_Measured], list[pd.DataFrame]]:
    if not 0.0 < alpha < 0.5:
        raise QueryError(f"alpha is {alpha:g}; give a rate above 0 and below 0.5")
    names = [circuits] if isinstance(circuits, str) else list(circuits)
    if not names:
        raise QueryError("name at least one circuit")
    for name in names:
        require_features(store, name, "cannot be run in the model, so that there is nothing to test")
    tables = [store.query("measurement_items", circuit=name) for name in names]
    found: list[_Measured] = []
    for name, table in zip(names, tables, strict=True):
        rows = list(rows_of(table))
        whole = {_conditions(row): row.only_circuit for row in rows if row.kind == "circuit"}
        some = [_taken(row, whole.get(_conditions(row))) for row in rows if row.kind == kind and _is_whole(row)]
        if not some:
            way = "circuit-atlas measure" if kind == "circuit" else "circuit-atlas hypotheses --leave-out THRESHOLD"
            what = "measurements with the metric of every example" if kind == "circuit" else "removals"
            raise QueryError(
                f"circuit {table.attrs['params'].get('circuit', name)!r} has no {what}: make them with {way}"
            )
        found += some
    return found, tables


def _conditions(row: Any) -> tuple[Any, ...]:
    setting = (row.task, row.level, row.ablation, row.means_over, row.start_layer, row.split, row.data_digest)
    return (*setting, row.node_threshold, row.errors)


def _is_whole(row: Any) -> bool:
    """Whether it has the metric of every example."""
    lists = (row.full, row.empty, row.only_circuit)
    return all(isinstance(one, list) and len(one) == len(row.full) > 0 for one in lists)


def _taken(row: Any, whole: Any) -> _Measured:
    full, empty, kept = (np.array(one, np.float64) for one in (row.full, row.empty, row.only_circuit))
    items = row.items if isinstance(row.items, list) and len(row.items) == len(full) else list(range(len(full)))
    chosen = (getattr(row, name) for name in CHOICES)
    where = (row.circuit, row.task, row.node_threshold, row.n_nodes, row.errors, *chosen, len(set(items)))
    complement = np.array(row.complement, np.float64) if isinstance(row.complement, list) else None
    beside = np.array(whole, np.float64) if isinstance(whole, list) else None
    return _Measured(where, items, full, empty, kept, complement, row.removed, beside)


def _adjusted(
    columns: dict[str, Column],
    rows: Sequence[tuple[Any, ...]],
    tables: Sequence[pd.DataFrame],
    alpha: float,
    **how: Any,
) -> pd.DataFrame:
    """Add q-values and verdicts behind the p-values, which stand last."""
    adjusted = false_discovery([row[-1] for row in rows])
    whole = [(*row, q, bool(q <= alpha)) for row, q in zip(rows, adjusted, strict=True)]
    return tabulate(columns, whole, asked_for(*tables), alpha=alpha, **how)
