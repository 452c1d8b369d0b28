"""Attribution, edges and ablation against golden outputs of the published implementation.

`python -m bench golden` uses the fixtures' folder `golden/neox`; `python -m bench.golden DIR` any folder of that form.
Errors are the largest absolute difference over the largest absolute value of the reference.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.figure import Figure, at_most
from bench.golden_folder import Arrays, GoldenFolder, open_golden
from circuit_atlas.errors import AtlasError
from circuit_atlas.ingest.ablation import ablated_sites, run_ablated
from circuit_atlas.ingest.baselines import mean_baselines, zero_baselines
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.changes import Ends, run_ends, unit_changes
from circuit_atlas.ingest.cotangents import ActiveRows, Units
from circuit_atlas.ingest.edge_weights import EdgeInputs, cut_graph, edge_weights
from circuit_atlas.ingest.exact_edges import Intervention, exact_edge_effects
from circuit_atlas.ingest.measuring.conditions import Errors
from circuit_atlas.ingest.measuring.node_sets import SiteUnits, Trio, masks, treat_errors
from circuit_atlas.ingest.metrics import LogitDifference, Metric, NegativeLogit
from circuit_atlas.ingest.moved_units import End
from circuit_atlas.ingest.node_effects import (
    UnitEffects,
    clean_gradients,
    exact_effects,
    path_gradients,
    unit_effects,
)
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.subject import Subject

LIMIT = 1e-5
ABLATION_LIMIT = 1e-4
EXACT_EDGE_LIMIT = 1e-4
STEPS, ROWS, EDGE_EXAMPLES = 10, 64, 4

Float32 = NDArray[np.float32]


class Worst:
    """The largest difference and the largest reference value seen so far."""

    def __init__(self) -> None:
        self.difference, self.value, self.compared = 0.0, 0.0, 0

    def add(self, ours: Float32, reference: Float32) -> None:
        """Take in one array and its reference, of the same shape."""
        if ours.shape != reference.shape:
            raise AtlasError(f"golden array of shape {reference.shape} met ours of {ours.shape}: another data set?")
        # np.maximum, unlike max, lets a NaN through, so that one never passes.
        self.difference = float(np.maximum(self.difference, np.abs(ours - reference).max()))
        self.value = max(self.value, float(np.abs(reference).max()))
        self.compared += 1

    @property
    def relative(self) -> float:
        """Largest difference over the largest value; NaN where nothing was compared."""
        return self.difference / self.value if self.value else float("nan")


def run(quick: bool) -> list[Figure]:
    """Compare with the fixtures' golden/neox; everything, for it takes seconds."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    return compare(open_golden(Path(os.environ.get("CIRCUIT_ATLAS_FIXTURES") or beside) / "golden" / "neox"))


def compare(golden: GoldenFolder) -> list[Figure]:
    """Every figure of one folder; what the folder has no file for is left out."""
    figures = []
    for kind in ("pairs", "zero"):
        if (golden.path / f"nodes_{kind}.npz").is_file():
            figures += [_nodes(golden, kind, method) for method in ("atp", "ig")]
        if (golden.path / f"exact_{kind}.npz").is_file():
            figures.append(_exact_nodes(golden, kind))
        if (golden.path / f"edges_{kind}.npz").is_file():
            figures += _edges(golden, kind)
    if (golden.path / "exact_edges.npz").is_file():
        figures.append(_exact_edges(golden))
    if (golden.path / "ablation.json").is_file():
        figures.append(_ablation(golden))
    return figures


def _setting(golden: GoldenFolder, kind: str, count: int | None = None) -> tuple[Batch, Metric]:
    return (golden.pairs(count), LogitDifference()) if kind == "pairs" else (golden.single(count), NegativeLogit())


def _gradients(golden: GoldenFolder, metric: Metric, batch: Batch, ends: Ends, method: str) -> dict[Site, Tensor]:
    if method == "atp":
        return clean_gradients(golden.model, metric, batch, ends)
    return path_gradients(golden.model, metric, batch, ends, STEPS, ROWS)


def _dense_effects(
    golden: GoldenFolder, batch: Batch, ends: Ends, gradients: dict[Site, Tensor]
) -> Iterator[tuple[Site, Tensor]]:
    """Effects [batch, pos, d_sae + 1] of each site, the error last."""
    for site, dictionary in golden.dictionaries.items():
        rows = unit_effects(unit_changes(dictionary, ends), batch, gradients[site])
        yield site, _dense(rows, batch, dictionary.d_sae)


def _nodes(golden: GoldenFolder, kind: str, method: str) -> Figure:
    arrays = golden.arrays(f"nodes_{kind}")
    batch, metric = _setting(golden, kind)
    ends = run_ends(golden.model, golden.dictionaries, batch)
    worst = Worst()
    for site, dense in _dense_effects(golden, batch, ends, _gradients(golden, metric, batch, ends, method)):
        parts = [arrays[f"{method}/{site.name}/{part}"] for part in ("act", "resc")]
        worst.add(dense.numpy(), np.concatenate(parts, -1))
    return at_most(f"node effects {method}, {kind}", worst.relative, "of the largest", LIMIT)


def _exact_nodes(golden: GoldenFolder, kind: str) -> Figure:
    arrays = golden.arrays(f"exact_{kind}")
    whole, metric = _setting(golden, kind)
    batch = replace(whole.take(torch.tensor(arrays["examples"])), indices=torch.arange(len(arrays["examples"])))
    ends = run_ends(golden.model, golden.dictionaries, batch)
    worst = Worst()
    for site, dictionary in golden.dictionaries.items():
        changes = unit_changes(dictionary, ends)
        rows = exact_effects(golden.model, metric, batch, ends, changes, ROWS)
        parts = [arrays[f"exact/{site.name}/{part}"] for part in ("act", "resc")]
        worst.add(_dense(rows, batch, dictionary.d_sae).numpy(), np.concatenate(parts, -1))
    return at_most(f"node effects exact, {kind}", worst.relative, "of the largest", LIMIT)


def _dense(rows: UnitEffects, batch: Batch, d_sae: int) -> Tensor:
    dense = torch.zeros(*batch.clean.shape, d_sae + 1)
    dense[rows.example, rows.position, rows.unit] = rows.effect
    return dense


def _exact_edges(golden: GoldenFolder) -> Figure:
    """Exact effects of the edges that the folder names, each on its own example."""
    arrays = golden.arrays("exact_edges")
    batch, metric = golden.pairs(), LogitDifference()
    ends = run_ends(golden.model, golden.dictionaries, batch)
    changes = {site: unit_changes(dictionary, ends) for site, dictionary in golden.dictionaries.items()}
    named = {site.name: site for site in golden.dictionaries}
    wanted = []
    for pair, (example, down_position, down, up_position, up) in zip(arrays["pair"], arrays["index"], strict=True):
        sites = [named[name] for name in str(pair).split("->")]
        ends_of_edge = (End(sites[0], int(up), int(up_position)), End(sites[1], int(down), int(down_position)))
        wanted.append(Intervention(int(example), *ends_of_edge))
    ours = exact_edge_effects(golden.model, metric, batch, ends, changes, wanted, ROWS)
    worst = Worst()
    worst.add(ours.numpy(), arrays["exact"])
    return at_most("edges exact", worst.relative, "of the largest", EXACT_EDGE_LIMIT)


def _edges(golden: GoldenFolder, kind: str) -> list[Figure]:
    """Raw edges, and their means over examples with positions kept (agg_none) and summed (agg_sum)."""
    arrays = golden.arrays(f"edges_{kind}")
    # Which aggregations a file holds varies; one that it holds and we never meet stays NaN, and falls short.
    names = [n for n in ("raw", "agg_none/edges", "agg_sum/edges") if any(key.startswith(f"{n}/") for key in arrays)]
    found = {name: Worst() for name in names}
    for pair, raw in _raw_edges(golden, kind, float(arrays["node_threshold"])):
        mean = raw.mean(0)
        ours = {"raw": raw, "agg_none/edges": mean, "agg_sum/edges": mean.sum((0, 2))}
        for name, worst in found.items():
            reference = _from_coordinates(arrays, f"{name}/{pair}")
            if reference is not None:
                worst.add(ours[name], _diagonal(reference) if name == "raw" else reference)
    return [at_most(f"edges {name}, {kind}", w.relative, "of the largest", LIMIT) for name, w in found.items()]


def _raw_edges(golden: GoldenFolder, kind: str, threshold: float) -> Iterator[tuple[str, Float32]]:
    """Pair of sites, and weights [batch, pos, unit, pos, unit], downstream first."""
    batch, metric = _setting(golden, kind, EDGE_EXAMPLES)
    count, length = batch.clean.shape
    ends = run_ends(golden.model, golden.dictionaries, batch)
    outer = _gradients(golden, metric, batch, ends, "ig")
    downstream = {}
    for site, dense in _dense_effects(golden, batch, ends, outer):
        strong = dense.abs() > threshold
        position, unit = torch.nonzero(strong.any(0), as_tuple=True)
        part = strong[:, position, unit][:, None].expand(count, length, len(unit))
        downstream[site] = Units(unit, position, part)
    upstream = {site: _all_units(d.d_sae + 1, length) for site, d in golden.dictionaries.items()}
    graph = cut_graph(golden.model, metric, batch, ends.clean)
    changes = {site: unit_changes(dictionary, ends) for site, dictionary in golden.dictionaries.items()}
    active = {site: ActiveRows.on_clean(change) for site, change in changes.items()}
    for up, down, weights in edge_weights(EdgeInputs(graph, active, changes, outer), downstream, upstream):
        if down is None:
            continue  # the published code gives no edges to the target
        width, up_width = golden.dictionaries[down].d_sae + 1, golden.dictionaries[up].d_sae + 1
        dense_weights = np.zeros((count, length, width, length, up_width), dtype=np.float32)
        nodes = downstream[down]
        assert nodes.position is not None
        at = (slice(None), nodes.position.numpy(), nodes.unit.numpy())  # a tensor of one would count as a number
        dense_weights[at] = weights.view(count, -1, length, up_width).numpy()
        yield f"{up.name}->{down.name}", dense_weights


def _all_units(width: int, length: int) -> Units:
    return Units(torch.arange(width).repeat(length), torch.arange(length).repeat_interleave(width))


def _from_coordinates(arrays: Arrays, name: str) -> Float32 | None:
    if f"{name}/values" not in arrays:
        return None
    dense = np.zeros(arrays[f"{name}/shape"], dtype=np.float32)
    dense[tuple(arrays[f"{name}/indices"])] = arrays[f"{name}/values"]
    return dense


def _diagonal(raw: Float32) -> Float32:
    """Edges within one example; the reference has an axis of examples at both ends."""
    return np.stack([raw[b, :, :, b] for b in range(len(raw))])


def _ablation(golden: GoldenFolder) -> Figure:
    """Largest difference of faithfulness or completeness over all cells of `ablation.json`."""
    arrays = golden.arrays("ablation")
    subject, batch = Subject(golden.model, golden.dictionaries, LogitDifference()), golden.pairs()
    with torch.no_grad():
        full = float(subject.metric(subject.model.run(batch.clean), batch).mean())
    worst = 0.0
    for name, cell in json.loads((golden.path / "ablation.json").read_text()).items():
        aggregation, _, start, ablation, mode = name.split("/")
        sites = ablated_sites(list(golden.dictionaries), int(start.removeprefix("start")))
        trio = _node_sets(arrays, aggregation, sites, cell["threshold"], mode)
        sets = [masks(units, batch.clean.device) for units in (trio.circuit, trio.complement, trio.empty)]
        assert batch.patch is not None
        if ablation == "mean":
            baselines = mean_baselines(golden.model, golden.dictionaries, sites, [batch.patch], batch.clean.shape[1])
        else:
            baselines = zero_baselines(golden.dictionaries, sites)
        circuit, complement, empty = run_ablated(subject, batch, sets, baselines).mean(1).tolist()
        faithfulness, completeness = ((m - empty) / (full - empty) for m in (circuit, complement))
        differences = [faithfulness - cell["faithfulness"], completeness - cell["completeness"]]
        worst = float(np.maximum(worst, np.abs(differences).max()))
    return at_most("ablation cells", worst, "", ABLATION_LIMIT)


def _node_sets(arrays: Arrays, aggregation: str, sites: list[Site], threshold: float, mode: str) -> Trio:
    """Circuit, complement and empty set, with the errors that the mode asks for."""
    circuit = {}
    for site in sites:
        parts = [torch.tensor(arrays[f"circuit_{aggregation}/{site.name}/{part}"]) for part in ("act", "resc")]
        effects = torch.atleast_2d(torch.cat(parts, -1))
        keys = (effects.abs() > threshold).flatten().nonzero()[:, 0]
        circuit[site] = SiteUnits(keys, *effects.shape)
    return treat_errors(circuit, cast(Errors, mode))


def main(arguments: list[str]) -> int:
    """Print a line a figure; return 1 where one falls short, 2 where the folder cannot be read."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m bench.golden DIR\n")
        return 2
    try:
        figures = compare(open_golden(Path(arguments[0])))
    except AtlasError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for figure in figures:
        verdict = "holds" if figure.holds else "falls short"
        sys.stdout.write(f"{figure.name:32} {figure.value:9.2e} {figure.unit:15} {figure.target:16} {verdict}\n")
    return 0 if figures and all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
