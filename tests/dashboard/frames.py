"""A circuit as the queries give it, generated: as many nodes and edges as wanted over layers and positions."""

from __future__ import annotations

import random
from typing import Any

import pandas as pd

_WORDS = ["the", "keys", "cabinet", "near", "dogs", "is", "are", "was", "boy", "who", "letters", "."]
_ROLES = ["bos", "determiner", "subject", "preposition", "determiner 2", "attractor", "end"]


def big_frames(
    n_nodes: int = 150, n_edges: int = 400, n_layers: int = 3, n_positions: int | None = 7, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Nodes and edges with heavy-tailed effects; positions are summed where `n_positions` is None."""
    rng = random.Random(seed)
    sites = [("embed", -1)] + [(c, layer) for layer in range(n_layers) for c in ("attn", "mlp", "resid")]
    taken: set[str] = set()
    rows: list[dict[str, Any]] = []
    while len(rows) < n_nodes:
        row = _row(rng, *rng.choice(sites), n_positions)
        if row["id"] not in taken:
            taken.add(row["id"])
            rows.append(row)
    rows.append(_target(n_layers))
    edges = _edges(rng, rows, n_edges)
    return pd.DataFrame(rows, dtype=object), pd.DataFrame(edges, columns=["source", "target", "weight"])


def _row(rng: random.Random, component: str, layer: int, n_positions: int | None) -> dict[str, Any]:
    index = None if rng.random() < 0.12 else rng.randrange(4096)
    position = None if n_positions is None else min(rng.randrange(n_positions), rng.randrange(1, n_positions + 1))
    site = "embed" if component == "embed" else f"{component}_{layer}"
    unit = f"{site}/error" if index is None else f"{site}/feature/{index}"
    return {
        "id": f"{unit}/{'*' if position is None else position}",
        "kind": "error" if index is None else "feature",
        "component": component,
        "layer": layer,
        "feature_index": index,
        "position": position,
        "role": None if position is None else _ROLES[position % len(_ROLES)],
        "effect": rng.choice([1, 1, -1]) * 0.4 * rng.paretovariate(1.0) ** -4,
        "effect_se": abs(rng.gauss(0, 0.01)),
        "label": rng.choice([None, None, None, "plural subject"]) if index is not None else None,
        "top_tokens": rng.sample(_WORDS, 4) if index is not None else None,
        "promotes": rng.sample(_WORDS, 3) if index is not None else None,
    }


def _target(n_layers: int) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(("feature_index", "position", "role", "effect_se", "label"))
    return row | {
        "id": "target/*", "kind": "target", "component": "target", "layer": n_layers, "effect": 1.0,
        "top_tokens": None, "promotes": None,
    }  # fmt: skip


def _edges(rng: random.Random, rows: list[dict[str, Any]], n_edges: int) -> list[tuple[str, str, float]]:
    order = {"embed": 0, "attn": 1, "mlp": 2, "resid": 3, "target": 4}
    seen: set[tuple[str, str]] = set()
    while len(seen) < n_edges:
        a, b = sorted(rng.sample(rows, 2), key=lambda row: (row["layer"], order[row["component"]]))
        upstream = (a["layer"], a["component"]) != (b["layer"], b["component"])
        causal = a["position"] is None or b["position"] is None or a["position"] <= b["position"]
        near = b["layer"] - a["layer"] <= 1
        if upstream and causal and near:
            seen.add((a["id"], b["id"]))
    return [(u, d, rng.choice([1, -1]) * 0.2 * rng.paretovariate(1.0) ** -2) for u, d in sorted(seen)]
