"""Edge faithfulness: what the model still does when only a circuit's strongest edges carry computed values.

Beside each point stand edge sets of the same size that the weights did not choose: weights permuted within each pair of
sites (which edges are strong is what is tested, not where strong ones run), and random connected subgraphs, grown edge
by edge from the target among the stored edges. Beside each point stands also the same circuit without its errors, with
permuted and random edges that have none either.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from circuit_atlas.cypher.store import Store
from circuit_atlas.errors import MeasureError
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.evaluation import evaluate
from circuit_atlas.ingest.measuring.conditions import Errors, Setting
from circuit_atlas.ingest.measuring.discovered import items_of
from circuit_atlas.ingest.measuring.edge_runs import EdgeSet, SiteNodes, active_on_clean, run_edges
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
        computes: nodes that may compute: all, or the features alone.
        is_error: nodes that are error units.
        floor: absolute weight above which edges were stored.

    """

    nodes: Mapping[Site, SiteNodes]
    pair: Int[Tensor, " edge"]
    down: Int[Tensor, " edge"]
    up: Int[Tensor, " edge"]
    weight: Float[Tensor, " edge"]
    computes: Bool[Tensor, " node"]
    is_error: Bool[Tensor, " node"]
    floor: float = 0.0

    @property
    def count(self) -> int:
        """Number of nodes, error units with them."""
        return len(self.is_error)

    def without_errors(self) -> CircuitEdges:
        """Return the same without the edges of error units, which no longer compute."""
        # The target, which is no node, is the last row.
        inside = ~torch.cat([self.is_error, self.is_error.new_zeros(1)])
        left = inside[self.down] & inside[self.up]
        named = {name: getattr(self, name)[left] for name in ("pair", "down", "up", "weight")}
        return replace(self, **named, computes=self.computes & ~self.is_error)

    def kept(self, chosen: Bool[Tensor, " edge"]) -> EdgeSet:
        """Edge set of some of the edges."""
        found = torch.zeros(self.count + 1, self.count, dtype=torch.bool)
        found[self.down[chosen], self.up[chosen]] = True
        return found

    def every(self) -> EdgeSet:
        """Edge set of all edges that there can be: to each node and the target from every computing node before it."""
        into = torch.cat([self.computes, self.computes.new_ones(1)])
        return into[:, None] & self.computes

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
    nodes, number, is_error = _numbered(bench, _strong(bench, threshold, sites))
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
    weight = torch.tensor([row[2] for row in known])
    every = torch.ones_like(is_error)
    return CircuitEdges(nodes, pair, down, up, weight, every, is_error, stored.edge_floor)


def _strong(bench: Bench, threshold: float, sites: Sequence[Site]) -> list[StoredNode]:
    """Nodes of larger absolute effect at some sites."""
    return [node for node in bench.stored.nodes if node.site in sites and abs(node.effect) > threshold]


def _numbered(
    bench: Bench, strong: Sequence[StoredNode]
) -> tuple[dict[Site, SiteNodes], dict[str, int], Bool[Tensor, " node"]]:
    """Nodes by site, the number of each by its key, and which of them are error units."""
    widths = bench.widths(bench.subject.dictionaries)
    place_of = {role: place for place, role in enumerate(bench.roles)}
    by_site: dict[Site, list[tuple[StoredNode, int, int]]] = defaultdict(list)
    for node in strong:
        unit, place = unit_and_place(node, bench.level, place_of, widths)
        if place is not None:
            by_site[node.site].append((node, unit, place))
    nodes: dict[Site, SiteNodes] = {}
    number: dict[str, int] = {}
    is_error: list[bool] = []
    for site in sorted(by_site):
        here, first = by_site[site], len(number)
        places = None if bench.level == "sum" else torch.tensor([place for _, _, place in here])
        nodes[site] = SiteNodes(torch.tensor([unit for _, unit, _ in here]), places, first)
        number |= {node.id: first + k for k, (node, _, _) in enumerate(here)}
        is_error += [node.feature is None for node, _, _ in here]
    return nodes, number, torch.tensor(is_error, dtype=torch.bool)


@dataclass(frozen=True)
class _EdgeRun:
    kind: str
    errors: Errors
    nodes: int
    threshold: float | None
    seed: int | None
    count: int | None
    kept: EdgeSet


def refuse_idle_active_sets(bench: Bench, asked: MeasureSettings) -> None:
    """Refuse to hold the clean active set where that would change nothing.

    Raises:
        MeasureError: no dictionary that a node's value comes from is a TopK.

    """
    if "clean" not in asked.active_sets:
        return
    for setting, threshold in _asked_for(bench, asked):
        sites = {node.site for node in _strong(bench, threshold, bench.sites(setting.start_layer))}
        dictionaries = [bench.subject.dictionaries[site] for site in sorted(sites)]
        if not any(dictionary.is_topk for dictionary in dictionaries):
            kinds = ", ".join(sorted({dictionary.architecture for dictionary in dictionaries}))
            raise MeasureError(
                f"no dictionary of the nodes of {bench.stored.name!r} above {threshold:g} that are ablated is a TopK "
                f"(they are {kinds or 'none'}), so active set clean would change nothing: leave it out"
            )


def _asked_for(bench: Bench, asked: MeasureSettings) -> list[tuple[Setting, float]]:
    return [
        (setting, threshold)
        for setting in bench.settings(asked)
        for threshold in asked.thresholds or (bench.usual_threshold(setting),)
    ]


def measure_edges(store: Store, bench: Bench, asked: MeasureSettings, reporter: Reporter) -> list[dict[str, Any]]:
    """Measure edge sets of each node set under each setting asked for, errors as the circuit says and all ablated.

    Of other treatments of errors than `default` and `remove` there are no edges: under them, error units outside the
    circuit compute, or come back in the complement, and no stored edge says what reaches them.

    Returns:
        rows of `Measurement` without key.

    """
    rows: list[dict[str, Any]] = []
    for setting, threshold in _asked_for(bench, asked):
        edges = read_edges(store, bench, threshold, bench.sites(setting.start_layer))
        runs = list(_plan(edges, asked))
        batches, baselines = baselines_of(bench, setting)
        common = bench.common(setting, asked.split) | {"items": items_of(batches), "node_threshold": threshold}
        for active_set in asked.active_sets:
            sites = edges.nodes if active_set == "clean" else ()
            distinct = len({_digest(run.kept) for run in runs})
            with reporter.task(f"edges of {bench.stored.name}", len(bench.examples) * distinct) as advance:
                full, found = _run_all(bench, batches, edges, runs, baselines, sites, advance)
            empty = found[_digest(runs[0].kept)]
            rows += [
                common | {"active_set": active_set} | _about(run) | figures(found[_digest(run.kept)], empty, full)
                for run in runs[1:]
            ]
    return rows


def _about(run: _EdgeRun) -> dict[str, Any]:
    return {
        "kind": run.kind,
        "errors": run.errors,
        "n_nodes": run.nodes,
        "edge_threshold": run.threshold,
        "seed": run.seed,
        "n_edges": run.count,
    }


def _plan(edges: CircuitEdges, asked: MeasureSettings) -> Iterator[_EdgeRun]:
    """No edge; then under each treatment of errors all there can be, and the strongest with draws beside them.

    Thresholds are those of the circuit with its errors, so that each point has the same one without them beside it.
    """
    nothing = torch.zeros(len(edges.weight), dtype=torch.bool)
    yield _EdgeRun("empty", "default", 0, None, None, 0, edges.kept(nothing))
    ranked = edges.weight.sort(descending=True).values
    wanted = asked.edge_thresholds or thresholds_of(ranked, spread_sizes(asked.edges, len(ranked)), edges.floor)
    if "default" in asked.errors:
        yield from _points(edges, "default", wanted, asked)
    yield from _points(edges.without_errors(), "remove", wanted, asked)


def _points(
    edges: CircuitEdges, errors: Errors, thresholds: Sequence[float], asked: MeasureSettings
) -> Iterator[_EdgeRun]:
    """All edges there can be; and at each threshold the strongest, permuted ones and random ones."""
    nodes = int(edges.computes.sum())
    yield _EdgeRun("edges", errors, nodes, None, None, None, edges.every())
    for threshold in thresholds:
        chosen = edges.weight > threshold
        count = int(chosen.sum())
        yield _EdgeRun("edges", errors, nodes, threshold, None, count, edges.kept(chosen))
        for seed in range(asked.seed, asked.seed + asked.random_circuits):
            permuted = edges.permuted(seed) > threshold
            yield _EdgeRun("edges-permuted", errors, nodes, threshold, seed, count, edges.kept(permuted))
            drawn = edges.connected(count, seed)
            yield _EdgeRun("edges-random", errors, nodes, threshold, seed, int(drawn.sum()), edges.kept(drawn))


def _digest(edges: EdgeSet) -> str:
    """The same for the same edges, so that none are run twice: of a circuit without errors, most would be."""
    return hashlib.sha256(edges.numpy().tobytes()).hexdigest()


def _run_all(
    bench: Bench,
    batches: Sequence[Batch],
    edges: CircuitEdges,
    runs: Sequence[_EdgeRun],
    baselines: BaselinesOf,
    held: Iterable[Site],
    advance: Advance,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Metric of every example of the whole model, and of each edge set by its digest.

    `held` are the sites whose TopK keeps the features active on the clean input.
    """
    distinct = {_digest(run.kept): run.kept for run in runs}
    full = torch.zeros(len(bench.examples))
    found = {name: torch.zeros(len(bench.examples)) for name in distinct}
    subject = bench.subject
    with torch.no_grad():
        for batch in batches:
            at, values = batch.indices.cpu(), baselines(batch)
            active = active_on_clean(subject, batch, held)
            full[at] = evaluate(subject.model, subject.metric, batch).float().cpu()
            for name, kept in distinct.items():
                values_of = run_edges(subject, batch, edges.nodes, kept.to(subject.model.device), values, active)
                found[name][at] = values_of.float().cpu()
                advance(len(batch.clean))
    return full, found
