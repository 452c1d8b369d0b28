"""Take the strongest features of the last layer away from the whole model: does the answer fall as they are credited?

What stands right before the unembedding moves the answer directly, so that its credited effects can be held against
what everyone understands: the rank of the right answer among all tokens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from circuit_atlas.cypher import keys
from circuit_atlas.cypher.store import Store
from circuit_atlas.errors import MeasureError
from circuit_atlas.ingest.ablation import replacements, run_ablated, sets_at_once
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.evaluation import evaluate
from circuit_atlas.ingest.measuring.discovered import items_of
from circuit_atlas.ingest.measuring.layout import Bench, baselines_of, lay_out
from circuit_atlas.ingest.measuring.measure import Measured
from circuit_atlas.ingest.measuring.node_sets import SiteUnits, UnitSet, masks
from circuit_atlas.ingest.measuring.rows import keyed
from circuit_atlas.ingest.measuring.runs import BaselinesOf
from circuit_atlas.ingest.measuring.settings import MeasureSettings
from circuit_atlas.ingest.preparation import Loaded, load
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.progress import Advance, Reporter, Silent

ALL = "*"
"""What is removed in the row of all features together; of a site, the row of its features is named `resid_3/*`."""


def measure_proximal(
    store: Store,
    settings: MeasureSettings,
    *,
    features: int = 10,
    reporter: Reporter | None = None,
    load_subject: Callable[[DiscoverSettings], Loaded] = load,
) -> Measured:
    """Ablate the strongest features of the last layer in the whole model: each alone, those of a site, all at once.

    Of the settings the first ablation counts; `patch` makes the change of the metric the feature's exact effect.

    Args:
        store: where the circuit is, and where the measurements go, in one transaction.
        settings: what to measure.
        features: how many of the last layer's features, the strongest first.
        reporter: where progress goes; silent by default.
        load_subject: loads model and dictionaries.

    Returns:
        a row of kind `proximal` for each feature, one for each site with two of them or more, and one for all where
        they are of several sites; `n_nodes` is how many were removed, m(∅) that of errors `keep`.

    Raises:
        MeasureError: the examples have no answers, or the circuit no feature in its last layer.
        AtlasError: anything else that the user can mend, in one line.

    """
    reporter = reporter or Silent()
    bench = lay_out(store, settings, load_subject)
    bench.say_left_out(reporter)
    if any(example.clean_answer < 0 for example in bench.examples):
        raise MeasureError(f"the examples of {bench.task!r} have no answer whose rank could change")
    rows = keyed(bench.stored.id, bench.task, _measured(bench, settings, features, reporter))
    kind = "contrastive" if bench.work.is_pair else "single"
    store.add_measurements(bench.stored.id, {"id": bench.task, "kind": kind}, rows)
    return Measured(bench.stored.name, bench.task, rows)


def _measured(bench: Bench, asked: MeasureSettings, features: int, reporter: Reporter) -> list[dict[str, Any]]:
    setting = dataclasses.replace(bench.settings(asked)[0], start_layer=0)
    sites = bench.sites(0)
    removed = _with_sums(_strongest(bench, sites, features))
    sets = [_all_but(bench, sites, units) for units in removed.values()]
    batches, baselines = baselines_of(bench, setting)
    with reporter.task(f"last features of {bench.stored.name}", len(bench.examples)) as advance:
        full, metrics, ranks_full, ranks = _run(bench, batches, [*sets, _errors(bench, sites)], baselines, advance)
    empty = metrics[-1]
    common = bench.common(setting, asked.split) | {"items": items_of(batches), "kind": "proximal", "errors": "keep"}
    return [
        {
            **common,
            "removed": name,
            "node_threshold": 0.0,
            "n_nodes": sum(map(len, units.values())),
            "m_full": float(full.mean()),
            "m_empty": float(empty.mean()),
            "m_circuit": float(values.mean()),
            "full": full.tolist(),
            "empty": empty.tolist(),
            "circuit": values.tolist(),
            "ranks_full": ranks_full.tolist(),
            "ranks": rank.tolist(),
        }
        for (name, units), values, rank in zip(removed.items(), metrics, ranks, strict=False)
    ]


_Removed = dict[str, dict[Site, list[int]]]


def _strongest(bench: Bench, sites: Sequence[Site], features: int) -> _Removed:
    """Keys of the strongest features of the last layer, by the name of their node without its place."""
    last = max(site.layer for site in sites)
    found: list[tuple[float, str, Site, int]] = []
    for site in (site for site in sites if site.layer == last and site in bench.circuit.members):
        members, width = bench.circuit.members[site], bench.subject.dictionaries[site].d_sae + 1
        place = torch.zeros_like(members.unit) if members.place is None else members.place
        names = bench.place_names()
        for unit, at, effect in zip(members.unit.tolist(), place.tolist(), members.effect.tolist(), strict=True):
            if unit < width - 1:
                found.append((abs(effect), f"{keys.unit(site.name, unit)}/{names[at]}", site, at * width + unit))
    if not found:
        raise MeasureError(f"{bench.stored.name!r} has no feature in layer {last}, the last with a dictionary")
    found.sort(key=lambda one: (-one[0], one[1]))
    return {name: {site: [key]} for _, name, site, key in found[:features]}


def _with_sums(removed: _Removed) -> _Removed:
    """Add what is removed of each site at once, and of all sites, wherever that is another set."""
    together: dict[Site, list[int]] = {}
    for units in removed.values():
        for site, some in units.items():
            together[site] = sorted([*together.get(site, ()), *some])
    found = removed | {f"{site.name}/{ALL}": {site: units} for site, units in together.items() if len(units) > 1}
    return found | ({ALL: together} if len(together) > 1 else {})


def _all_but(bench: Bench, sites: Sequence[Site], out: dict[Site, list[int]]) -> UnitSet:
    widths = bench.widths(sites)
    return {
        site: SiteUnits(torch.tensor(out.get(site, []), dtype=torch.long), bench.circuit.places, widths[site] + 1, True)
        for site in sites
    }


def _errors(bench: Bench, sites: Sequence[Site]) -> UnitSet:
    """Every feature ablated, errors left to compute."""
    none = torch.zeros(0, dtype=torch.long)
    widths = bench.widths(sites)
    return {site: SiteUnits(none, bench.circuit.places, widths[site] + 1).with_errors(True) for site in sites}


def _run(
    bench: Bench, batches: Sequence[Batch], sets: Sequence[UnitSet], baselines: BaselinesOf, advance: Advance
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Metric and rank of every example, of the whole model and [set, example] of each set."""
    subject, count = bench.subject, len(bench.examples)
    full, metrics = torch.zeros(count), torch.zeros(len(sets), count)
    ranks_full, ranks = torch.zeros(count, dtype=torch.long), torch.zeros(len(sets), count, dtype=torch.long)
    with torch.no_grad():
        for batch in batches:
            at, values = batch.indices.cpu(), baselines(batch)
            full[at] = evaluate(subject.model, subject.metric, batch).float().cpu()
            ranks_full[at] = answer_ranks(subject.model.run(batch.clean, last=True)[:, -1], batch).cpu()
            together = sets_at_once(batch)
            for start in range(0, len(sets), together):
                some = [masks(units, subject.model.device) for units in sets[start : start + together]]
                rows = torch.arange(start, start + len(some))[:, None]
                metrics[rows, at] = run_ablated(subject, batch, some, values).float().cpu()
                several = batch.repeat(len(some))
                logits = subject.model.run(several.clean, replacements(subject, batch, some, values), last=True)
                ranks[rows, at] = answer_ranks(logits[:, -1], several).view(len(some), -1).cpu()
            advance(len(batch.clean))
    return full, metrics, ranks_full, ranks


def answer_ranks(logits: Tensor, batch: Batch) -> Int[Tensor, " batch"]:
    """Rank of each right answer among all tokens: 1 and how many have a larger logit. Of several, the best."""
    answers = batch.clean_answer[:, None] if batch.clean_set is None else batch.clean_set
    known = answers >= 0
    own = logits.gather(1, answers.clamp_min(0)).masked_fill(~known, float("-inf")).max(1).values
    return 1 + (logits > own[:, None]).sum(1)
