"""How near edge weights come to exact effects, on the golden model with default settings.

Of every edge of four pairs, the strongest and a random sample are measured by intervention. Relative error is
|weight - exact| / |exact|; an edge counts as strong where |exact| is at least 5 % of the largest. `python -m
bench.exactness` prints the tables of docs/exactness.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from bench.figure import Figure, at_least, at_most
from bench.golden_folder import GoldenFolder, open_golden
from circuit_atlas.errors import AtlasError
from circuit_atlas.ingest.changes import UnitChanges, run_ends, unit_changes
from circuit_atlas.ingest.cotangents import ActiveRows, Units
from circuit_atlas.ingest.edge_weights import EdgeInputs, cut_graph, edge_weights
from circuit_atlas.ingest.exact_edges import Intervention, exact_edge_effects
from circuit_atlas.ingest.metrics import LogitDifference
from circuit_atlas.ingest.moved_units import End
from circuit_atlas.ingest.node_effects import clean_gradients, path_gradients
from circuit_atlas.ingest.sites import Site

EXAMPLES, STRONGEST, SAMPLE, ROWS, STEPS = 4, 1_000, 500, 256, 10
STRONG = 0.05


@dataclass(frozen=True)
class Edge:
    """One edge on one example: what it is, its weight and its exact effect."""

    pair: str
    into: str
    weight: float
    exact: float

    @property
    def error(self) -> float:
        """Relative error."""
        return abs(self.weight - self.exact) / abs(self.exact)


def run(quick: bool) -> list[Figure]:
    """Measure edges into features, as the target has it, and the others beside them."""
    edges = measured(_golden(), "clean", 200 if quick else STRONGEST, 100 if quick else SAMPLE)
    features = [edge for edge in edges if edge.into == "feature"]
    strong = _strong(features)
    return [
        at_most("edges into features, median relative error", _median(features), "", 0.05),
        at_least("edges into features, same sign among the strong", _same_sign(strong), "", 0.99),
    ]


def _golden() -> GoldenFolder:
    beside = Path(__file__).resolve().parents[2] / "shared"
    return open_golden(Path(os.environ.get("CIRCUIT_ATLAS_FIXTURES") or beside) / "golden" / "neox")


def measured(golden: GoldenFolder, outer_gradient: str, strongest: int, sample: int) -> list[Edge]:
    """Weights and exact effects of the strongest edges and of a random sample of the others."""
    batch, metric = golden.pairs(EXAMPLES), LogitDifference()
    ends = run_ends(golden.model, golden.dictionaries, batch)
    changes = {site: unit_changes(dictionary, ends) for site, dictionary in golden.dictionaries.items()}
    if outer_gradient == "clean":
        outer = clean_gradients(golden.model, metric, batch, ends)
    else:
        outer = path_gradients(golden.model, metric, batch, ends, STEPS, ROWS)
    units = {site: _changing(change) for site, change in changes.items()}
    active = {site: ActiveRows.on_clean(change) for site, change in changes.items()}
    graph = cut_graph(golden.model, metric, batch, ends.clean)
    every: list[Intervention] = []
    weights: list[float] = []
    for up, down, found in edge_weights(EdgeInputs(graph, active, changes, outer), units, units):
        if down is not None:
            for b, d, u in torch.nonzero(found).tolist():
                every.append(Intervention(b, _end(up, units[up], u), _end(down, units[down], d)))
                weights.append(float(found[b, d, u]))
    chosen = _choose(np.abs(weights), strongest, sample)
    wanted = [every[i] for i in chosen]
    exact = exact_edge_effects(golden.model, metric, batch, ends, changes, wanted, ROWS).tolist()
    return [
        Edge(*_names(edge, golden), weights[i], value)
        for i, edge, value in zip(chosen, wanted, exact, strict=True)
        if value
    ]


def _changing(changes: UnitChanges) -> Units:
    """Every unit that changes anywhere, at its positions."""
    places = torch.stack([changes.position, changes.unit]).unique(dim=1)
    return Units(places[1], places[0])


def _end(site: Site, units: Units, column: int) -> End:
    assert units.position is not None
    return End(site, int(units.unit[column]), int(units.position[column]))


def _choose(sizes: np.ndarray[tuple[int], np.dtype[np.float64]], strongest: int, sample: int) -> list[int]:
    order = np.argsort(-sizes)
    rest = np.random.default_rng(0).permutation(order[strongest:])[:sample]
    return [*order[:strongest].tolist(), *rest.tolist()]


def _names(edge: Intervention, golden: GoldenFolder) -> tuple[str, str]:
    assert edge.down is not None
    kind = "error" if edge.down.unit == golden.dictionaries[edge.down.site].d_sae else "feature"
    return f"{edge.up.site.component} → {edge.down.site.component}", kind


def _strong(edges: Sequence[Edge]) -> list[Edge]:
    largest = max(abs(edge.exact) for edge in edges)
    return [edge for edge in edges if abs(edge.exact) >= STRONG * largest]


def _median(edges: Sequence[Edge]) -> float:
    return float(np.median([edge.error for edge in edges])) if edges else float("nan")


def _same_sign(edges: Sequence[Edge]) -> float:
    return float(np.mean([edge.weight * edge.exact > 0 for edge in edges])) if edges else float("nan")


def tables(edges: Sequence[Edge]) -> Iterator[str]:
    """Lines of Markdown: by kind of end, by decile of weight, by pair of components."""
    yield from _table("edges", edges, lambda edge: f"into a {edge.into}")
    order = sorted(edges, key=lambda edge: -abs(edge.weight))
    decile = {id(edge): 10 * rank // len(order) + 1 for rank, edge in enumerate(order)}
    yield from _table("decile of absolute weight (1: strongest)", edges, lambda edge: f"{decile[id(edge)]:2}")
    yield from _table("pair", edges, lambda edge: f"{edge.pair}, {edge.into}")


def _table(title: str, edges: Sequence[Edge], key: Callable[[Edge], str]) -> Iterator[str]:
    groups: dict[str, list[Edge]] = {}
    for edge in edges:
        groups.setdefault(key(edge), []).append(edge)
    yield f"| {title} | edges | median relative error | same sign | slope | Spearman |"
    yield "|---|---|---|---|---|---|"
    for name in sorted(groups):
        some = groups[name]
        yield f"| {name.strip()} | {len(some)} | {_median(some):.1%} | {_same_sign(some):.1%} | {_slope(some)} |"
    yield ""


def _slope(edges: Sequence[Edge]) -> str:
    """Slope of exact on weight through the origin, and the rank correlation."""
    weight, exact = (np.array([getattr(edge, name) for edge in edges]) for name in ("weight", "exact"))
    first, second = (np.argsort(np.argsort(values)) for values in (weight, exact))
    correlation = float(np.corrcoef(first, second)[0, 1]) if len(edges) > 2 else float("nan")
    return f"{(weight @ exact) / (weight @ weight):.2f} | {correlation:.2f}"


def main() -> int:
    """Print the tables for both outer gradients; return 2 where there is no golden folder."""
    try:
        golden = _golden()
    except AtlasError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for outer in ("clean", "ig"):
        sys.stdout.write(f"Outer gradient `{outer}`:\n\n")
        sys.stdout.write("\n".join(tables(measured(golden, outer, STRONGEST, SAMPLE))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
