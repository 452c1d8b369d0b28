"""The properties of a circuit's own node, from what discovery found."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from circuit_atlas._version import __version__
from circuit_atlas.ingest.attribution import NodeAttribution
from circuit_atlas.ingest.batches import TokenExample, roles_of
from circuit_atlas.ingest.data import Data
from circuit_atlas.ingest.evidence import token_text
from circuit_atlas.ingest.identity import Identity
from circuit_atlas.ingest.metrics import Metric
from circuit_atlas.ingest.selection import Shape
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.site_checks import SiteCheck
from circuit_atlas.ingest.sites import Site


@dataclass(frozen=True)
class Facts:
    """What the circuit's properties need beside settings, data and effects.

    Attributes:
        ablation: what units are set to, `auto` resolved.
        node_floor: absolute effect above which nodes were stored.
        edge_floor: absolute weight above which edges were stored.
        items: number of the item of each example.
        accuracy: share of examples that the model answers right; None where they have no answers.
        right_sign: share of examples on which the patch input moves the metric as expected; None where none is.
        checks: figures of each site.

    """

    ablation: str
    node_floor: float
    edge_floor: float
    items: Sequence[int]
    accuracy: float | None
    right_sign: float | None
    checks: Mapping[Site, SiteCheck]


def circuit_row(
    settings: DiscoverSettings,
    identity: Identity,
    suite: str,
    data: Data,
    metric: Metric,
    attribution: NodeAttribution,
    facts: Facts,
) -> dict[str, Any]:
    """Properties of the `Circuit` node, its key among them."""
    clean, patch = attribution.metric_clean, attribution.metric_patch
    return {
        "id": identity.circuit_id,
        "name": identity.name,
        "model_id": identity.model["id"],
        "suite": suite,
        "task_id": identity.task,
        "metric": metric.name,
        "metric_sign": metric.sign,
        "method": settings.method,
        "steps": settings.steps if settings.method == "ig" else None,
        "rule": settings.rule if settings.method == "ig" else None,
        "ablation": facts.ablation,
        "selection": settings.selection,
        "positions": settings.positions,
        "units": "features",
        "outer_gradient": settings.outer_gradient,
        "jacobian": settings.jacobian,
        "first_token": "kept: its units are nodes like any other, marked is_first_token",
        "node_floor": facts.node_floor,
        "edge_floor": facts.edge_floor,
        "n_examples": len(data.train),
        "n_items": len(set(facts.items)),
        "items": list(facts.items),
        "split": "train" if settings.held_out else f"all but {settings.held_out_share:g} of the items",
        "seed": settings.seed,
        "metric_clean": float(clean.mean()),
        "metric_patch": None if patch is None else float(patch.mean()),
        "accuracy": facts.accuracy,
        "right_sign": facts.right_sign,
        "after_selection": True,
        "sites": [site.name for site in facts.checks],
        "site_survival": _whole(check.survival for check in facts.checks.values()),
        "site_total": [check.total for check in facts.checks.values()],
        "site_patched": [check.patched for check in facts.checks.values()],
        "site_inactive": [check.inactive for check in facts.checks.values()],
        "settings": json.dumps(dataclasses.asdict(settings), sort_keys=True),
        "data_digest": identity.data_digest,
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "code_version": __version__,
    }


def right_sign(attribution: NodeAttribution, ablation: str) -> float | None:
    """Share of examples on which the patch input moves the metric as expected; None where nothing is expected of it.

    Under `resample` the other input is drawn from the data, and may move the metric either way.
    """
    if attribution.metric_patch is None or ablation == "resample":
        return None
    return float((attribution.metric_patch > attribution.metric_clean).float().mean())


def target_effect(attribution: NodeAttribution, shape: Shape, ablation: str) -> float:
    """Total effect; where no input gives the other end, the effects of the last site together."""
    if attribution.metric_patch is not None and ablation in ("patch", "resample"):
        return float((attribution.metric_patch - attribution.metric_clean).mean())
    last = max(attribution.effects)
    return float(attribution.effects[last].effect.sum()) / shape.examples


def position_roles(examples: Sequence[TokenExample], tokenizer: Any) -> list[str | None]:
    """Name of each place: its role where all examples agree, else its token where all agree, else None.

    Where nodes are aligned by role, places are the roles, in the order in which they first come.
    """
    if examples[0].places:
        return list(roles_of(examples))
    length = max(len(e.clean) for e in examples)
    found: list[str | None] = []
    for place in range(length):
        named = {e.example.roles[place] if place < len(e.example.roles) else None for e in examples}
        tokens = {t[place] if place < len(t) else None for e in examples for t in (e.clean, e.patch or e.clean)}
        role = next(iter(named)) if len(named) == 1 else None
        token = next(iter(tokens)) if len(tokens) == 1 else None
        found.append(role or (None if token is None else token_text(tokenizer, token).strip() or None))
    return found


def first_places(examples: Sequence[TokenExample]) -> frozenset[int]:
    """Places that stand for the first token of every example that has them, and for no other token."""
    if not examples[0].places:
        return frozenset({0})
    return frozenset({e.places[0] for e in examples}) - {place for e in examples for place in e.places[1:]}


def _whole(values: Iterable[float | None]) -> list[float] | None:
    """Return the values, or None where one is undefined: a list in the graph holds no nulls."""
    found = list(values)
    return None if None in found else [float(value) for value in found if value is not None]
