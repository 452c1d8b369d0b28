"""Small circuits made by hand, with numbers that can be checked in the head.

Two pronoun circuits and one agreement circuit of one 2-layer model. `he/subject` and `he/object` share the features
embed/1 and mlp_0/7 (and, at position 2, both of them); `sva` shares mlp_0/7 alone, at another position.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from circuit_atlas.cypher import CircuitRows, Pair, keys

MODEL = "toy"
SUITE = "topk"
SITES = {"embed": -1, "mlp_0": 0, "resid_0": 0, "resid_1": 1}
TARGET_LAYER = 2

Unit = tuple[str, int | None, int | None, float]
"""Site, feature index (None: the error), position, effect."""

Edge = tuple[int, int, float]
"""Places of both ends in the list of units (-1: the target) and weight."""

SUBJECT: list[Unit] = [
    ("embed", 1, 2, 0.5),
    ("mlp_0", 7, 2, -1.0),
    ("mlp_0", 8, 3, 0.25),
    ("resid_1", 3, 3, 2.0),
    ("resid_1", None, 3, 0.75),
]
SUBJECT_EDGES: list[Edge] = [
    (0, 1, 0.4),
    (0, 2, 0.2),
    (1, 3, -0.9),
    (2, 3, 0.3),
    (1, 4, 0.1),
    (3, -1, 2.0),
    (4, -1, 0.75),
]

OBJECT: list[Unit] = [
    ("embed", 1, 2, 0.25),
    ("mlp_0", 7, 2, 1.5),
    ("resid_1", 4, 3, 1.0),
    ("resid_1", None, 3, -0.5),
]
OBJECT_EDGES: list[Edge] = [(0, 1, 0.2), (1, 2, 1.2), (1, 3, -0.3), (2, -1, 1.0), (3, -1, -0.5)]

SVA: list[Unit] = [("embed", 5, 1, 1.0), ("mlp_0", 7, 4, 0.5), ("mlp_0", None, 4, 0.125)]
SIMILAR: dict[tuple[tuple[str, int], tuple[str, int]], float] = {
    (("embed", 1), ("resid_0", 6)): 0.9,
    (("embed", 1), ("resid_1", 3)): 0.75,
    (("embed", 1), ("resid_1", 4)): -0.4,
    (("mlp_0", 7), ("mlp_0", 8)): 0.5,
    (("resid_1", 3), ("resid_1", 4)): 0.5,
}
"""Cosines of decoder directions, of whichever features a circuit has."""

SVA_EDGES: list[Edge] = [(0, 1, 0.5), (0, 2, 0.1), (1, -1, 0.5), (2, -1, 0.125)]


def small_circuits(model: str = MODEL) -> list[CircuitRows]:
    """The three circuits `he/subject`, `he/object` and `sva`."""
    return [
        circuit("he/subject", SUBJECT, SUBJECT_EDGES, model=model),
        circuit("he/object", OBJECT, OBJECT_EDGES, model=model),
        circuit("sva", SVA, SVA_EDGES, model=model),
    ]


def circuit(
    name: str,
    units: list[Unit],
    edges: list[Edge],
    *,
    model: str = MODEL,
    circuit_id: str | None = None,
    weights_digest: str = "aa",
) -> CircuitRows:
    """One circuit, named and identified by `name`, of two examples with values 0.5 and 1.5 times the mean."""
    model_key = keys.model_id(model)
    key = circuit_id or keys.circuit_id(model_key, keys.encode(name))
    task = name.split("~")[0]
    node_rows = [_node(key, unit) for unit in units] + [_target(key)]
    sites = sorted({site for site, *_ in units})
    saes = {site: keys.sae_id(model_key, SUITE, site) for site in sites}
    features = [u for u in units if u[1] is not None]
    errors = [u for u in units if u[1] is None]
    measurement = keys.measurement_id(key, task, "d0")
    return CircuitRows(
        circuit_id=key,
        nodes={
            "Model": [_model(model_key, weights_digest)],
            "Sae": [_sae(model_key, site) for site in sites],
            "Feature": list({r["id"]: r for r in (_feature(saes[u[0]], model_key, u) for u in features)}.values()),
            "Error": list({r["id"]: r for r in (_error(saes[u[0]], model_key, u) for u in errors)}.values()),
            "Task": [{"id": task, "kind": "contrastive", "description": f"the behaviour {task}"}],
            "Circuit": [_circuit(key, name, task, model_key, len(units), len(edges))],
            "CircuitNode": node_rows,
            "Measurement": [_measurement(measurement)],
            "Candidates": [_candidates(keys.candidates_id(saes[site], "data")) for site in sites],
        },
        relationships={
            Pair("OF_MODEL", "Sae", "Model"): [{"from": sae, "to": model_key} for sae in saes.values()],
            Pair("OF_MODEL", "Circuit", "Model"): [{"from": key, "to": model_key}],
            Pair("OF_SAE", "Feature", "Sae"): _of_sae(features, saes),
            Pair("OF_SAE", "Error", "Sae"): _of_sae(errors, saes),
            Pair("OF_SAE", "Candidates", "Sae"): [
                {"from": keys.candidates_id(sae, "data"), "to": sae} for sae in saes.values()
            ],
            Pair("SIMILAR_TO", "Feature", "Feature"): _similar(features, saes),
            Pair("USES", "Circuit", "Sae"): [{"from": key, "to": sae} for sae in saes.values()],
            Pair("DREW_FROM", "Circuit", "Candidates"): [
                {"from": key, "to": keys.candidates_id(sae, "data")} for sae in saes.values()
            ],
            Pair("EXPLAINS", "Circuit", "Task"): [{"from": key, "to": task}],
            Pair("HAS_NODE", "Circuit", "CircuitNode"): [{"from": key, "to": row["id"]} for row in node_rows],
            Pair("INSTANCE_OF", "CircuitNode", "Feature"): _instances(key, features, saes),
            Pair("INSTANCE_OF", "CircuitNode", "Error"): _instances(key, errors, saes),
            Pair("EDGE", "CircuitNode", "CircuitNode"): [
                {"from": node_rows[u]["id"], "to": node_rows[d]["id"], **_weights(w)} for u, d, w in edges
            ],
            Pair("MEASURES", "Measurement", "Circuit"): [{"from": measurement, "to": key}],
            Pair("ON_TASK", "Measurement", "Task"): [{"from": measurement, "to": task}],
        },
    )


def _weights(weight: float) -> dict[str, Any]:
    """An edge's values: measured by intervention, at 0.8 of its weight, where that is at least 0.3."""
    exact = weight * 0.8 if abs(weight) >= 0.3 else None
    values = [weight * 0.5, weight * 1.5]
    return {"weight": weight, "weight_se": abs(weight) / 10, "exact_weight": exact, "weights": values}


def with_measurements(rows: CircuitRows, changes: list[dict[str, Any]]) -> CircuitRows:
    """The same circuit with a measurement for each of `changes`."""
    (one,) = rows.nodes["Measurement"]
    made = [{**one, "id": f"{one['id']}-{n}", **change} for n, change in enumerate(changes)]
    relationships = dict(rows.relationships)
    for type_, label in (("MEASURES", "Circuit"), ("ON_TASK", "Task")):
        (link,) = relationships[Pair(type_, "Measurement", label)]
        relationships[Pair(type_, "Measurement", label)] = [{**link, "from": m["id"]} for m in made]
    return dataclasses.replace(rows, nodes={**rows.nodes, "Measurement": made}, relationships=relationships)


def _unit_id(sae: str, unit: Unit) -> str:
    return keys.error_id(sae) if unit[1] is None else keys.feature_id(sae, unit[1])


def _of_sae(units: list[Unit], saes: dict[str, str]) -> list[dict[str, Any]]:
    return [{"from": _unit_id(saes[u[0]], u), "to": saes[u[0]]} for u in units]


def _similar(features: list[Unit], saes: dict[str, str]) -> list[dict[str, Any]]:
    here = {(site, index) for site, index, *_ in features}
    return [
        {"from": keys.feature_id(saes[u[0]], u[1]), "to": keys.feature_id(saes[d[0]], d[1]), "cosine": cosine}
        for (u, d), cosine in SIMILAR.items()
        if u in here and d in here
    ]


def _instances(key: str, units: list[Unit], saes: dict[str, str]) -> list[dict[str, Any]]:
    return [{"from": _node(key, u)["id"], "to": _unit_id(saes[u[0]], u)} for u in units]


def _node(key: str, unit: Unit) -> dict[str, Any]:
    site, index, position, effect = unit
    return {
        "id": keys.circuit_node_id(key, keys.unit(site, index), position),
        "kind": "error" if index is None else "feature",
        "component": site.split("_")[0],
        "layer": SITES[site],
        "feature_index": index,
        "position": position,
        "role": {1: "noun", 2: "subject", 3: "verb", 4: "verb"}.get(position or 0),
        "is_first_token": position == 0,
        "effect": effect,
        "effect_se": abs(effect) / 10,
        "effects": [effect * 0.5, effect * 1.5],
        "exact_effect": None if index is None else effect * 1.25,
        "activation": None if index is None else 1.0,
        "stability": 0.5 if index is None else None,
        "standing": "noise" if index is None else None,
    }


def _target(key: str) -> dict[str, Any]:
    return {
        "id": keys.circuit_node_id(key, keys.TARGET, None),
        "kind": "target",
        "component": "target",
        "layer": TARGET_LAYER,
        "is_first_token": False,
        "effect": 0.0,
    }


def _model(model_key: str, weights_digest: str) -> dict[str, Any]:
    shape = {"n_layers": TARGET_LAYER, "d_model": 8, "n_heads": 2, "d_vocab": 100}
    return {"id": model_key, "source": "made by hand", "weights_digest": weights_digest, **shape}


def _sae(model_key: str, site: str) -> dict[str, Any]:
    return {
        "id": keys.sae_id(model_key, SUITE, site),
        "model_id": model_key,
        "suite": SUITE,
        "site": site,
        "component": site.split("_")[0],
        "layer": SITES[site],
        "hook_name": f"hook.{site}",
        "architecture": "topk",
        "d_in": 8,
        "d_sae": 16,
        "weights_digest": f"bb{site}",
    }


def _feature(sae: str, model_key: str, unit: Unit) -> dict[str, Any]:
    site, index = unit[:2]
    return _error(sae, model_key, unit) | {
        "id": _unit_id(sae, unit),
        "feature_index": index,
        "top_tokens": [f"{site}-token-{index}", "she"],
        "top_activations": [2.5, 1.0],
        "promotes": ["her"],
        "suppresses": [],
    }


def _error(sae: str, model_key: str, unit: Unit) -> dict[str, Any]:
    component = unit[0].split("_")[0]
    shared = {"model_id": model_key, "suite": SUITE, "component": component, "layer": SITES[unit[0]]}
    return {"id": keys.error_id(sae), **shared}


def _circuit(key: str, name: str, task: str, model_key: str, n_nodes: int, n_edges: int) -> dict[str, Any]:
    return {
        "id": key,
        "name": name,
        "model_id": model_key,
        "suite": SUITE,
        "task_id": task,
        "metric": "logit difference",
        "metric_sign": "positive: towards the patch answer",
        "method": "ig",
        "steps": 10,
        "ablation": "patch",
        "selection": "mean",
        "positions": "keep",
        "units": "features",
        "outer_gradient": "clean",
        "jacobian": "clean",
        "first_token": "kept",
        "node_floor": 0.1,
        "edge_floor": 0.05,
        "n_examples": 2,
        "n_items": 2,
        "items": [0, 1],
        "n_nodes": n_nodes,
        "n_edges": n_edges,
        "split": "train",
        "seed": 0,
        "metric_clean": -1.0,
        "metric_patch": 1.0,
        "accuracy": 1.0,
        "right_sign": 1.0,
        "settings": "{}",
        "data_digest": "dd",
        "created_at": "2025-01-01T00:00:00Z",
        "code_version": "0",
    }


def _measurement(key: str) -> dict[str, Any]:
    return {
        "id": key,
        "kind": "circuit",
        "node_threshold": 0.1,
        "n_nodes": 3,
        "n_active": 12.0,
        "ablation": "mean",
        "means_over": "clean+patch",
        "errors": "default",
        "start_layer": 0,
        "split": "held out",
        "n_examples": 2,
        "m_full": 2.0,
        "m_empty": 0.0,
        "m_circuit": 1.5,
        "m_complement": 0.5,
        "faithfulness": 0.75,
        "completeness": 0.25,
        "full": [1.0, 3.0],
        "empty": [0.0, 0.0],
        "circuit": [1.0, 2.0],
        "complement": [0.0, 1.0],
    }


def _candidates(key: str) -> dict[str, Any]:
    return {
        "id": key,
        "feature_indices": [1, 5, 7],
        "frequency": [1.0, 0.5, 0.25],
        "mean_activation": [1.0, 2.0, 3.0],
        "mean_active": 1.75,
    }
