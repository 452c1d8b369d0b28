"""Edge faithfulness: what the model still does when only a circuit's strongest edges carry computed values.

Beside each point stand edge sets of the same size that the weights did not choose: weights permuted within each pair of
sites (which edges are strong is what is tested, not where strong ones run), and random connected subgraphs, grown edge
by edge from the target among the stored edges.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuit_atlas.cypher.store import Store
from circuit_atlas.errors import MeasureError
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.evaluation import evaluate
from circuit_atlas.ingest.measuring.discovered import items_of
from circuit_atlas.ingest.measuring.edge_runs import EdgeSet, SiteNodes, run_edges
from circuit_atlas.ingest.measuring.grid import spread_sizes, thresholds_of
from circuit_atlas.ingest.measuring.layout import Bench, baselines_of
from circuit_atlas.ingest.measuring.runs import BaselinesOf, figures
from circuit_atlas.ingest.measuring.settings import MeasureSettings
from circuit_atlas.ingest.measuring.stored import StoredNode, unit_and_place
from circuit_atlas.ingest.sites import Site
from circuit_atlas.progress import Advance, Reporter


@dataclass(frozen=True)
class CircuitEdges:
    """The stored edges among the nodes that take part, those to the target with them.

    Attributes:
        nodes: the nodes of each ablated site.
        pair: number of each edge's pair of sites.
        down: number of its downstream node; of the target, the number of nodes.
        up: number of its upstream node.
        weight: its absolute weight (units of the metric).
        count: number of nodes.
        floor: absolute weight above which edges were stored.

    """

    nodes: Mapping[Site, SiteNodes]
    pair: Int[Tensor, " edge"]
    down: Int[Tensor, " edge"]
    up: Int[Tensor, " edge"]
    weight: Float[Tensor, " edge"]
    count: int
    floor: float = 0.0

    def kept(self, chosen: Bool[Tensor, " edge"]) -> EdgeSet:
        """Edge set of some of the edges."""
        found = torch.zeros(self.count + 1, self.count, dtype=torch.bool)
        found[self.down[chosen], self.up[chosen]] = True
        return found

    def every(self) -> EdgeSet:
        """Edge set of all edges that there can be: to each node and the target from every node before it."""
        return torch.ones(self.count + 1, self.count, dtype=torch.bool)

    def permuted(self, seed: int) -> Float[Tensor, " edge"]:
        """Weights permuted within each pair of sites."""
        generator, found = torch.Generator().manual_seed(seed), self.weight.clone()
        for pair in self.pair.unique():
            here = (self.pair == pair).nonzero()[:, 0]
            found[here] = self.weight[here[torch.randperm(len(here), generator=generator)]]
        return found

    def connected(self, size: int, seed: int) -> Bool[Tensor, " edge"]:
        """So many random edges, each of which leads to the target over others of them."""
        generator = torch.Generator().manual_seed(seed)
        into: dict[int, list[int]] = defaultdict(list)
        for edge, down in enumerate(self.down.tolist()):
            into[down].append(edge)
        frontier, reached = list(into[self.count]), {self.count}
        chosen = torch.zeros(len(self.down), dtype=torch.bool)
        while frontier and int(chosen.sum()) < size:
            place = int(torch.randint(len(frontier), (1,), generator=generator))
            frontier[place], frontier[-1] = frontier[-1], frontier[place]
            edge = frontier.pop()
            chosen[edge] = True
            up = int(self.up[edge])
            if up not in reached:
                reached.add(up)
                frontier += into[up]
        return chosen


def read_edges(store: Store, bench: Bench, threshold: float, sites: Sequence[Site]) -> CircuitEdges:
    """Nodes above a threshold at the ablated sites, and the stored edges among them.

    Raises:
        MeasureError: no edge is left, or nodes do not act where edges were computed.

    """
    stored = bench.stored
    if bench.level != stored.positions:
        raise MeasureError(
            f"edges of {stored.name!r} were computed between nodes at level {stored.positions!r}, "
            f"so they cannot be measured at level {bench.level!r}"
        )
    strong = [node for node in stored.nodes if node.site in sites and abs(node.effect) > threshold]
    nodes, number = _numbered(bench, strong)
    table = store.query("edges", circuit=stored.name)
    rows = [
        (number.get(source), number.get(target, len(number) if target.endswith("/target/*") else None), abs(weight))
        for source, target, weight in zip(table["source"], table["target"], table["weight"], strict=True)
    ]
    known = [(up, down, weight) for up, down, weight in rows if up is not None and down is not None]
    if not known:
        raise MeasureError(f"{stored.name!r} has no stored edge between nodes above {threshold:g}")
    up, down = (torch.tensor([row[k] for row in known]) for k in (0, 1))
    site_of = torch.zeros(len(number) + 1, dtype=torch.long)
    for place, site in enumerate(sorted(nodes)):
        site_of[nodes[site].numbers] = place
    site_of[-1] = len(nodes)
    pair = site_of[up] * (len(nodes) + 1) + site_of[down]
    return CircuitEdges(nodes, pair, down, up, torch.tensor([row[2] for row in known]), len(number), stored.edge_floor)


def _numbered(bench: Bench, strong: Sequence[StoredNode]) -> tuple[dict[Site, SiteNodes], dict[str, int]]:
    """Nodes by site, and the number of each by its key."""
    widths = bench.widths(bench.subject.dictionaries)
    place_of = {role: place for place, role in enumerate(bench.roles)}
    by_site: dict[Site, list[tuple[StoredNode, int, int]]] = defaultdict(list)
    for node in strong:
        unit, place = unit_and_place(node, bench.level, place_of, widths)
        if place is not None:
            by_site[node.site].append((node, unit, place))
    nodes: dict[Site, SiteNodes] = {}
    number: dict[str, int] = {}
    for site in sorted(by_site):
        here, first = by_site[site], len(number)
        places = None if bench.level == "sum" else torch.tensor([place for _, _, place in here])
        nodes[site] = SiteNodes(torch.tensor([unit for _, unit, _ in here]), places, first)
        number |= {node.id: first + k for k, (node, _, _) in enumerate(here)}
    return nodes, number


@dataclass(frozen=True)
class _EdgeRun:
    kind: str
    threshold: float | None
    seed: int | None
    count: int | None
    kept: EdgeSet


def measure_edges(store: Store, bench: Bench, asked: MeasureSettings, reporter: Reporter) -> list[dict[str, Any]]:
    """Measure edge sets of each node set under each setting asked for, errors as the circuit says.

    Returns:
        rows of `Measurement` without key.

    """
    rows: list[dict[str, Any]] = []
    asked_for = [
        (setting, threshold)
        for setting in bench.settings(asked)
        for threshold in asked.thresholds or (bench.usual_threshold(setting),)
    ]
    for setting, threshold in asked_for:
        edges = read_edges(store, bench, threshold, bench.sites(setting.start_layer))
        runs = list(_plan(edges, asked))
        batches, baselines = baselines_of(bench, setting)
        common = bench.common(setting, asked.split) | {
            "items": items_of(batches),
            "errors": "default",
            "node_threshold": threshold,
            "n_nodes": edges.count,
        }
        with reporter.task(f"edges of {bench.stored.name}", len(bench.examples) * len(runs)) as advance:
            full, metrics = _run_all(bench, batches, edges, runs, baselines, advance)
        empty = metrics[0]
        for run, values in zip(runs[1:], metrics[1:], strict=True):
            about = {"kind": run.kind, "edge_threshold": run.threshold, "seed": run.seed, "n_edges": run.count}
            rows.append(common | about | figures(values, empty, full))
    return rows


def _plan(edges: CircuitEdges, asked: MeasureSettings) -> Iterator[_EdgeRun]:
    """No edge; all there can be; and at each threshold the strongest, permuted ones and random ones."""
    nothing = torch.zeros(len(edges.weight), dtype=torch.bool)
    yield _EdgeRun("empty", None, None, 0, edges.kept(nothing))
    yield _EdgeRun("edges", None, None, None, edges.every())
    ranked = edges.weight.sort(descending=True).values
    wanted = asked.edge_thresholds or thresholds_of(ranked, spread_sizes(asked.edges, len(ranked)), edges.floor)
    for threshold in wanted:
        chosen = edges.weight > threshold
        count = int(chosen.sum())
        yield _EdgeRun("edges", threshold, None, count, edges.kept(chosen))
        for seed in range(asked.seed, asked.seed + asked.random_circuits):
            permuted = edges.permuted(seed) > threshold
            yield _EdgeRun("edges-permuted", threshold, seed, count, edges.kept(permuted))
            drawn = edges.connected(count, seed)
            yield _EdgeRun("edges-random", threshold, seed, int(drawn.sum()), edges.kept(drawn))


def _run_all(
    bench: Bench,
    batches: Sequence[Batch],
    edges: CircuitEdges,
    runs: Sequence[_EdgeRun],
    baselines: BaselinesOf,
    advance: Advance,
) -> tuple[Tensor, Tensor]:
    full = torch.zeros(len(bench.examples))
    found = torch.zeros(len(runs), len(bench.examples))
    device = bench.subject.model.device
    with torch.no_grad():
        for batch in batches:
            at, values = batch.indices.cpu(), baselines(batch)
            full[at] = evaluate(bench.subject.model, bench.subject.metric, batch).float().cpu()
            for number, run in enumerate(runs):
                found[number, at] = (
                    run_edges(bench.subject, batch, edges.nodes, run.kept.to(device), values).float().cpu()
                )
                advance(len(batch.clean))
    return full, found
