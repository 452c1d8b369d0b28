"""A generated circuit as rows that a store can write: as large as real ones, with roles, tokens and labels."""

from __future__ import annotations

from typing import Any

from circuit_atlas.cypher import CircuitRows, Pair, keys
from tests.dashboard.frames import big_frames
from tests.graphs import MODEL, SUITE, circuit

_NODE = ("component", "layer", "feature_index", "position", "role", "effect", "effect_se")
_FEATURE = ("component", "layer", "feature_index", "label", "top_tokens", "promotes")


def big_circuit(name: str, n_nodes: int = 150, n_edges: int = 400, **shape: Any) -> CircuitRows:
    """One circuit of so many features and errors and so many edges."""
    nodes, edges = big_frames(n_nodes, n_edges, **shape)
    empty = circuit(name, [], [])
    units = [{str(name): value for name, value in row.items()} for row in nodes.to_dict("records")]
    rows = {row["id"]: _circuit_node(empty.circuit_id, row) for row in units}
    sae_of = {row["id"]: keys.sae_id(MODEL, SUITE, row["id"].split("/")[0]) for row in units if row["kind"] != "target"}
    features = {row["id"]: _feature(sae_of[row["id"]], row) for row in units if row["kind"] == "feature"}
    errors = {row["id"]: _error(sae_of[row["id"]], row) for row in units if row["kind"] == "error"}
    sized = [{**row, "n_nodes": n_nodes, "n_edges": n_edges} for row in empty.nodes["Circuit"]]
    return CircuitRows(
        empty.circuit_id,
        nodes={
            **empty.nodes,
            "Circuit": sized,
            "CircuitNode": list(rows.values()),
            "Feature": _distinct(features),
            "Error": _distinct(errors),
        },
        relationships={
            **empty.relationships,
            Pair("HAS_NODE", "Circuit", "CircuitNode"): [
                {"from": empty.circuit_id, "to": row["id"]} for row in rows.values()
            ],
            Pair("INSTANCE_OF", "CircuitNode", "Feature"): _links(rows, features),
            Pair("INSTANCE_OF", "CircuitNode", "Error"): _links(rows, errors),
            Pair("EDGE", "CircuitNode", "CircuitNode"): [
                {"from": rows[source]["id"], "to": rows[target]["id"], "weight": weight}
                for source, target, weight in edges.itertuples(index=False)
            ],
        },
    )


def _circuit_node(circuit_id: str, row: dict[str, Any]) -> dict[str, Any]:
    given = {name: row[name] for name in _NODE}
    return given | {"id": f"{circuit_id}/{row['id']}", "kind": row["kind"], "is_first_token": row["position"] == 0}


def _feature(sae: str, row: dict[str, Any]) -> dict[str, Any]:
    given = {name: row[name] for name in _FEATURE}
    return given | {"id": keys.feature_id(sae, row["feature_index"]), "model_id": MODEL, "suite": SUITE}


def _error(sae: str, row: dict[str, Any]) -> dict[str, Any]:
    given = {"component": row["component"], "layer": row["layer"]}
    return given | {"id": keys.error_id(sae), "model_id": MODEL, "suite": SUITE}


def _distinct(units: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return list({row["id"]: row for row in units.values()}.values())


def _links(rows: dict[str, dict[str, Any]], units: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"from": rows[node]["id"], "to": unit["id"]} for node, unit in units.items()]
