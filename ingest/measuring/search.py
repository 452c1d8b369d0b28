"""Search for the smallest circuit that is faithful enough, below what a grid has measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from circuit_atlas.errors import MeasureError
from circuit_atlas.ingest.measuring.grid import thresholds_of
from circuit_atlas.ingest.measuring.layout import Bench
from circuit_atlas.ingest.measuring.settings import MeasureSettings

Rows = list[dict[str, Any]]


def approach(
    bench: Bench, asked: MeasureSettings, rows: Rows, measure: Callable[[MeasureSettings], Rows]
) -> MeasureError | None:
    """Halve the gap between the smallest size that is faithful enough and the next smaller one, until it is closed.

    Under the first setting and treatment of errors, the other treatments beside it; what `measure` finds on the way is
    added to `rows`. Faithfulness need not grow with size, so this is the smallest of its neighbourhood on the grid, not
    of all subsets.

    Returns:
        why there is none: no measured size is faithful enough, or faithfulness is undefined. What was measured stands.

    """
    first, target = rows[0], asked.target_faithfulness
    assert target is not None
    alike = ("ablation", "means_over", "start_layer", "errors")
    ranked = bench.circuit.ranked(bench.sites(first["start_layer"]))

    def points() -> list[tuple[int, float]]:
        here = [r for r in rows if r["kind"] == "circuit" and all(r[name] == first[name] for name in alike)]
        return sorted((int((ranked > r["node_threshold"]).sum()), r["faithfulness"]) for r in here)

    if first["faithfulness"] is None:
        return MeasureError(
            f"faithfulness of {bench.stored.name!r} is undefined on these examples, for m(M) = m(∅): "
            "no size can reach a target; what was measured is stored"
        )
    if max(found for _, found in points()) < target:
        best = max(points(), key=lambda point: point[1])
        return MeasureError(
            f"no measured size of {bench.stored.name!r} reaches faithfulness {target:g} by {first['ablation']} "
            f"ablation from layer {first['start_layer']} on; the most is {best[1]:.3f}, with {best[0]} nodes; "
            "what was measured is stored"
        )
    while True:
        enough = next(i for i, (_, found) in enumerate(points()) if found >= target)
        below = points()[enough - 1][0] if enough else 0
        middle = (below + points()[enough][0]) // 2
        if middle in (below, points()[enough][0]):
            return None
        thresholds = tuple(thresholds_of(ranked, [middle], bench.circuit.floor))
        over = () if first["means_over"] == "none" else (first["means_over"],)  # other ablations have no means
        narrowed = dataclasses.replace(
            asked, thresholds=thresholds, start_layers=(first["start_layer"],),
            ablations=(first["ablation"],), means_over=over, target_faithfulness=None,
        )  # fmt: skip
        more = measure(narrowed)
        if int((ranked > more[0]["node_threshold"]).sum()) != middle:
            return None  # nodes of equal effect come or go together
        rows += more
