"""What `measure --target-faithfulness` found, in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from circuit_atlas.cli.output import cell

Row = Mapping[str, Any]

_OPTIONS = ("ablation", "means_over", "start_layer")
_SEARCHED = (*_OPTIONS, "errors")
"""The columns of which the search keeps to the first value."""


def smallest_line(rows: Sequence[Row], target: float) -> str:
    """Name the smallest circuit among what was measured that is as faithful as was asked for.

    The search is under the first of several ablations, start layers and treatments of errors: the line says under
    which, and that the others were not searched. (Where no circuit is so faithful, the search has refused already.)
    """
    circuits = [row for row in rows if row["kind"] == "circuit"]
    alike = [row for row in circuits if all(row[name] == circuits[0][name] for name in _SEARCHED)]
    best = min((row for row in alike if row["faithfulness"] >= target), key=lambda row: row["n_nodes"])
    found = (
        f"smallest circuit found of faithfulness {target:g} or more{_under(best)}: {best['n_nodes']} nodes, "
        f"node_threshold {cell(best['node_threshold'])}, faithfulness {cell(best['faithfulness'])}{_interval(best)}"
    )
    others = any(row[name] != best[name] for row in circuits for name in _OPTIONS)
    return found + ("; nothing smaller was looked for under the other ablations and start layers" if others else "")


def _under(row: Row) -> str:
    means = f" over {row['means_over']}" if row["ablation"] == "mean" else ""
    return f" (ablation {row['ablation']}{means}, start_layer {row['start_layer']}, errors {row['errors']})"


def _interval(row: Row) -> str:
    from circuit_atlas.analysis.faithfulness import bootstrap_interval

    metrics = (row["circuit"], row["empty"], row["full"])
    low, high = bootstrap_interval(*metrics, resamples=2000, seed=0, items=row["items"])
    return "" if low != low else f" (95 % interval {cell(low)} to {cell(high)})"
