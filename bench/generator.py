"""Circuits by the hundred, for benchmarks of stores: seeded, with hubs, and as large as real ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuit_atlas.cypher import CircuitRows, Pair, keys

MODEL = "bench"
SUITE = "zipf"
N_LAYERS = 6
SITES = ("embed", *(f"{component}_{layer}" for layer in range(N_LAYERS) for component in ("attn", "mlp", "resid")))
D_SAE = 4096
ZIPF = 1.2
"""Exponent of the distribution of features: a few are in almost every circuit, most in one."""


def generate(
    n_circuits: int = 100,
    n_nodes: int = 500,
    n_edges: int = 10_000,
    n_examples: int = 100,
    seed: int = 0,
    *,
    first: int = 0,
) -> list[CircuitRows]:
    """Circuits whose features are Zipf-distributed; every node has an effect on each of `n_examples` examples."""
    return [_circuit(first + number, n_nodes, n_edges, n_examples, seed) for number in range(n_circuits)]


def _circuit(number: int, n_nodes: int, n_edges: int, n_examples: int, seed: int) -> CircuitRows:
    random = np.random.default_rng((seed, number))
    model = keys.model_id(MODEL)
    key = keys.circuit_id(model, f"{number:064x}")
    task = f"bench/task{number % 10}"
    units = _units(random, n_nodes)
    saes = {site: keys.sae_id(model, SUITE, site) for site in SITES}
    nodes = [_node(key, site, index, effects) for (site, index), effects in _effects(random, units, n_examples)]
    target = _target(key)
    unit_ids = [_unit_id(saes[site], index) for site, index in units]
    edges = _edges(random, [*nodes, target], n_edges)
    features = {u: (site, index) for u, (site, index) in zip(unit_ids, units, strict=True) if index is not None}
    errors = {u: site for u, (site, index) in zip(unit_ids, units, strict=True) if index is None}
    instances = list(zip((node["id"] for node in nodes), unit_ids, strict=True))
    return CircuitRows(
        circuit_id=key,
        nodes={
            "Model": [_model(model)],
            "Sae": [_sae(model, site) for site in SITES],
            "Feature": [_feature(u, model, site, index) for u, (site, index) in features.items()],
            "Error": [_error(u, model, site) for u, site in errors.items()],
            "Task": [{"id": task, "kind": "contrastive", "description": "made up"}],
            "Circuit": [_header(key, number, task, len(nodes), len(edges), n_examples)],
            "CircuitNode": [*nodes, target],
        },
        relationships={
            Pair("OF_MODEL", "Sae", "Model"): [{"from": sae, "to": model} for sae in saes.values()],
            Pair("OF_MODEL", "Circuit", "Model"): [{"from": key, "to": model}],
            Pair("OF_SAE", "Feature", "Sae"): [{"from": u, "to": saes[site]} for u, (site, _) in features.items()],
            Pair("OF_SAE", "Error", "Sae"): [{"from": u, "to": saes[site]} for u, site in errors.items()],
            Pair("USES", "Circuit", "Sae"): [{"from": key, "to": sae} for sae in saes.values()],
            Pair("EXPLAINS", "Circuit", "Task"): [{"from": key, "to": task}],
            Pair("HAS_NODE", "Circuit", "CircuitNode"): [{"from": key, "to": row["id"]} for row in (*nodes, target)],
            Pair("INSTANCE_OF", "CircuitNode", "Feature"): [
                {"from": node, "to": unit} for node, unit in instances if unit in features
            ],
            Pair("INSTANCE_OF", "CircuitNode", "Error"): [
                {"from": node, "to": unit} for node, unit in instances if unit in errors
            ],
            Pair("EDGE", "CircuitNode", "CircuitNode"): edges,
        },
    )


def _units(random: np.random.Generator, n_nodes: int) -> list[tuple[str, int | None]]:
    """Distinct units in order of their sites: an error a site, the rest features."""
    found: dict[tuple[str, int | None], None] = {(site, None): None for site in SITES}
    while len(found) < n_nodes:
        site, index = SITES[random.integers(len(SITES))], int(random.zipf(ZIPF))
        if index <= D_SAE:
            found[site, index - 1] = None
    return sorted(found, key=lambda unit: SITES.index(unit[0]))


def _effects(
    random: np.random.Generator, units: list[tuple[str, int | None]], n_examples: int
) -> list[tuple[tuple[str, int | None], NDArray[np.float64]]]:
    scale = random.standard_exponential((len(units), 1)) * random.choice((-1.0, 1.0), (len(units), 1))
    return list(zip(units, scale + 0.1 * random.standard_normal((len(units), n_examples)), strict=True))


def _edges(random: np.random.Generator, nodes: list[dict[str, Any]], n_edges: int) -> list[dict[str, Any]]:
    """Distinct edges from earlier to later nodes; the last is the target."""
    last = len(nodes) - 1
    chosen: dict[tuple[int, int], None] = {(source, last): None for source in range(0, last, 2)}
    while len(chosen) < n_edges:
        for source, target in np.sort(random.integers(0, last, (n_edges, 2))).tolist():
            if source < target and len(chosen) < n_edges:
                chosen[source, target] = None
    weights = random.standard_normal(len(chosen)).tolist()
    return [
        {"from": nodes[source]["id"], "to": nodes[target]["id"], "weight": weight, "weight_se": abs(weight) / 10}
        for (source, target), weight in zip(chosen, weights, strict=True)
    ]


def _layer(site: str) -> int:
    return -1 if site == "embed" else int(site.split("_")[1])


def _place(site: str) -> dict[str, Any]:
    return {"component": site.split("_")[0], "layer": _layer(site)}


def _unit_id(sae: str, index: int | None) -> str:
    return keys.error_id(sae) if index is None else keys.feature_id(sae, index)


def _node(key: str, site: str, index: int | None, effects: NDArray[np.float64]) -> dict[str, Any]:
    return {
        "id": keys.circuit_node_id(key, keys.unit(site, index), None),
        "kind": "error" if index is None else "feature",
        **_place(site),
        "feature_index": index,
        "is_first_token": False,
        "effect": float(effects.mean()),
        "effect_se": float(effects.std() / np.sqrt(len(effects))),
        "effects": effects.tolist(),
        "activation": None if index is None else 1.0,
    }


def _target(key: str) -> dict[str, Any]:
    place = {"component": "target", "layer": N_LAYERS, "is_first_token": False, "effect": 0.0}
    return {"id": keys.circuit_node_id(key, keys.TARGET, None), "kind": "target", **place}


def _model(model: str) -> dict[str, Any]:
    return {
        "id": model,
        "n_layers": N_LAYERS,
        "d_model": 64,
        "n_heads": 4,
        "d_vocab": 1000,
        "weights_digest": "made up",
    }


def _sae(model: str, site: str) -> dict[str, Any]:
    shape = {"architecture": "topk", "d_in": 64, "d_sae": D_SAE, "weights_digest": f"made up for {site}"}
    names = {"id": keys.sae_id(model, SUITE, site), "model_id": model, "suite": SUITE, "site": site}
    return names | _place(site) | {"hook_name": f"hook.{site}"} | shape


def _feature(unit: str, model: str, site: str, index: int) -> dict[str, Any]:
    tokens = [f"token{(index * step) % 997}" for step in (1, 2, 3, 5, 7)]
    return _error(unit, model, site) | {"feature_index": index, "top_tokens": tokens, "promotes": tokens[::-1]}


def _error(unit: str, model: str, site: str) -> dict[str, Any]:
    return {"id": unit, "model_id": model, "suite": SUITE, **_place(site)}


def _header(key: str, number: int, task: str, n_nodes: int, n_edges: int, n_examples: int) -> dict[str, Any]:
    how = {
        "metric": "logit difference",
        "metric_sign": "positive: towards the patch answer",
        "method": "ig",
        "ablation": "patch",
        "selection": "mean",
        "positions": "sum",
        "units": "features",
        "outer_gradient": "clean",
        "jacobian": "clean",
        "first_token": "kept",
    }
    figures = {"node_floor": 0.0, "edge_floor": 0.0, "n_examples": n_examples, "n_nodes": n_nodes, "n_edges": n_edges}
    origin = {"split": "train", "seed": number, "metric_clean": -1.0, "settings": "{}", "data_digest": "made up"}
    written = {"created_at": "2025-01-01T00:00:00Z", "code_version": "0"}
    names = {"id": key, "name": f"{task}~{number}", "model_id": keys.model_id(MODEL), "suite": SUITE, "task_id": task}
    return {**names, **how, **figures, **origin, **written}
