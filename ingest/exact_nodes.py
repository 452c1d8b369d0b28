"""Exact effects of nodes, by intervention: what `atp` and `ig` approximate.

A node is moved to its other end by itself, everything after it computing, and the change of the metric is taken: the
method `exact` for chosen nodes alone. Where positions are summed, or aligned by role, a node is moved at all of its
positions at once; the method `exact` moves one position at a time and sums, which leaves out what they do together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.changes import Ends, UnitChanges
from circuit_atlas.ingest.evaluation import evaluate, evaluate_from
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.metrics import Metric
from circuit_atlas.ingest.moved_units import End, directions
from circuit_atlas.ingest.selection import SiteNodes
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.states import BatchState
from circuit_atlas.ingest.strongest_edges import chosen_places
from circuit_atlas.ingest.subject import Subject
from circuit_atlas.progress import Reporter


def exact_node_effects(
    model: LanguageModel,
    metric: Metric,
    batch: Batch,
    ends: Ends,
    changes: Mapping[Site, UnitChanges],
    wanted: Sequence[End],
    rows: int,
) -> Float[Tensor, "node batch"]:
    """Exact effect of each node on each example (units of the metric); `rows` is the most sequences to run at once."""
    with torch.no_grad():
        before = evaluate(model, metric, batch)
        found = before.new_zeros(len(wanted), len(before))
        for site in dict.fromkeys(end.site for end in wanted):
            places = [place for place, end in enumerate(wanted) if end.site == site]
            cells = [(place, example) for place in places for example in range(len(before))]
            around = ends.around(site)
            for start in range(0, len(cells), rows):
                node, row = map(list, zip(*cells[start : start + rows], strict=True))
                example = torch.tensor(row, device=before.device)
                moved = directions(changes[site], batch, [wanted[place] for place in node], example)
                x = ends.clean[site][example] + moved
                after = evaluate_from(model, metric, batch.take(example), site, x, around.take(example))
                found[node, example] = after - before[example]
    return found


def exact_nodes(
    subject: Subject,
    batches: Sequence[Batch],
    states: Sequence[BatchState],
    nodes: Mapping[Site, SiteNodes],
    settings: DiscoverSettings,
    reporter: Reporter,
) -> dict[Site, Float[Tensor, " unit"]]:
    """Exact effects of the strongest nodes and of a sample of the others, mean over examples; NaN for the rest."""
    if not settings.exact_nodes and not settings.exact_node_sample:
        return {}
    every = [(site, column) for site, some in nodes.items() for column in range(len(some.units))]
    sizes = torch.cat([some.effect.abs() for some in nodes.values()])
    chosen = [
        every[place] for place in chosen_places(sizes, settings.exact_nodes, settings.exact_node_sample, settings.seed)
    ]
    wanted = [End.of(site, nodes[site].units, column) for site, column in chosen]
    most = settings.exact_examples or sum(len(b.clean) for b in batches)
    total, count = torch.zeros(len(wanted), dtype=torch.float64), 0
    with reporter.task("exact effects of nodes", min(most, sum(len(b.clean) for b in batches))) as advance:
        for batch, state in zip(batches, states, strict=True):
            first = batch.indices < most  # the first of the data, wherever a batch has put them
            if not first.any():
                continue
            effects = exact_node_effects(
                subject.model, subject.metric, batch, state.ends, state.changes, wanted, subject.rows(batch)
            )
            total += effects[:, first].double().sum(1).cpu()
            count += int(first.sum())
            advance(int(first.sum()))
    measured = {site: torch.full_like(some.effect, torch.nan) for site, some in nodes.items()}
    for (site, column), value in zip(chosen, (total / count).tolist(), strict=True):
        measured[site][column] = value
    return measured
