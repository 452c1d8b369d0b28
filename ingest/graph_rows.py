"""A discovered circuit as rows of the graph. Pure: no model is run and nothing is written here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from circuit_atlas.cypher import keys
from circuit_atlas.cypher.rows import CircuitRows, Pair, Row
from circuit_atlas.ingest.active import ActiveFeatures
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.directions import Similar
from circuit_atlas.ingest.edge_attribution import PairWeights
from circuit_atlas.ingest.evidence import Evidence
from circuit_atlas.ingest.measuring.rows import keyed
from circuit_atlas.ingest.selection import SiteNodes
from circuit_atlas.ingest.sites import Site


@dataclass(frozen=True)
class Findings:
    """All that discovery found, ready to become rows.

    Attributes:
        circuit: properties of the `Circuit` node, its key among them.
        model: properties of the `Model` node, its key among them.
        task: properties of the `Task` node, its key among them.
        suite: name of the set of dictionaries.
        dictionaries: one for each site.
        sae_digests: digest of each dictionary's weights.
        nodes: the chosen nodes.
        exact_nodes: exact effects of the nodes that were measured by intervention, NaN for the others.
        edges: mean weights for each pair of sites (downstream None: the target).
        exact: exact effects of the edges that were measured by intervention, NaN for the others.
        edge_examples: weights [edge, example] of a pair's stored edges, in its matrix's order, where asked for.
        edge_floor: smallest absolute weight stored, exclusive.
        target_effect: total effect on the metric.
        roles: name of each position (or place, where nodes are aligned by role), or None.
        by_role: whether they are.
        first_places: places that stand for the first token alone.
        evidence: tokens of each stored feature.
        similar: stored features whose decoder directions point alike or apart.
        candidates: what was active at each site, positions pooled.
        mean_active: mean number of features active on one example at each site, over all positions.
        measurements: rows of `Measurement` without key.

    """

    circuit: dict[str, Any]
    model: dict[str, Any]
    task: dict[str, Any]
    suite: str
    dictionaries: Mapping[Site, SparseDictionary]
    sae_digests: Mapping[Site, str]
    nodes: Mapping[Site, SiteNodes]
    exact_nodes: Mapping[Site, Tensor]
    edges: Mapping[tuple[Site, Site | None], PairWeights]
    exact: Mapping[tuple[Site, Site | None], Tensor]
    edge_examples: Mapping[tuple[Site, Site | None], Tensor]
    edge_floor: float
    target_effect: float
    roles: Sequence[str | None]
    by_role: bool
    first_places: frozenset[int]
    evidence: Mapping[Site, Mapping[int, Evidence]]
    similar: Sequence[Similar]
    candidates: Mapping[Site, ActiveFeatures]
    mean_active: Mapping[Site, float]
    measurements: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    def sae(self, site: Site) -> str:
        """Key of the dictionary at a site."""
        return keys.sae_id(self.model["id"], self.suite, site.name)


def to_rows(found: Findings) -> CircuitRows:
    """Turn what was found into rows of the schema."""
    circuit = found.circuit["id"]
    node_rows, instances = _circuit_nodes(found)
    edges = _edges(found)
    measurements = keyed(circuit, found.task["id"], found.measurements)
    nodes: dict[str, list[Row]] = {
        "Model": [found.model],
        "Task": [found.task],
        "Sae": [_sae(found, site) for site in found.dictionaries],
        "Feature": _features(found),
        "Error": [_unit_home(found, site, keys.error_id(found.sae(site))) for site in found.dictionaries],
        "Candidates": [_candidates(found, site) for site in found.dictionaries],
        "Circuit": [{**found.circuit, "n_nodes": len(node_rows) - 1, "n_edges": len(edges)}],
        "CircuitNode": node_rows,
        "Measurement": measurements,
    }
    saes = [found.sae(site) for site in found.dictionaries]
    relationships: dict[Pair, list[Row]] = {
        Pair("OF_MODEL", "Sae", "Model"): [_link(sae, found.model["id"]) for sae in saes],
        Pair("OF_MODEL", "Circuit", "Model"): [_link(circuit, found.model["id"])],
        Pair("OF_SAE", "Feature", "Sae"): [_link(row["id"], row["id"].rsplit("/", 2)[0]) for row in nodes["Feature"]],
        Pair("OF_SAE", "Error", "Sae"): [_link(keys.error_id(sae), sae) for sae in saes],
        Pair("OF_SAE", "Candidates", "Sae"): [
            _link(row["id"], row["id"].rsplit("/", 1)[0]) for row in nodes["Candidates"]
        ],
        Pair("SIMILAR_TO", "Feature", "Feature"): [_similar(found, pair) for pair in found.similar],
        Pair("USES", "Circuit", "Sae"): [_link(circuit, sae) for sae in saes],
        Pair("DREW_FROM", "Circuit", "Candidates"): [_link(circuit, row["id"]) for row in nodes["Candidates"]],
        Pair("EXPLAINS", "Circuit", "Task"): [_link(circuit, found.task["id"])],
        Pair("HAS_NODE", "Circuit", "CircuitNode"): [_link(circuit, row["id"]) for row in node_rows],
        Pair("INSTANCE_OF", "CircuitNode", "Feature"): instances["Feature"],
        Pair("INSTANCE_OF", "CircuitNode", "Error"): instances["Error"],
        Pair("EDGE", "CircuitNode", "CircuitNode"): edges,
        Pair("MEASURES", "Measurement", "Circuit"): [_link(row["id"], circuit) for row in measurements],
        Pair("ON_TASK", "Measurement", "Task"): [_link(row["id"], found.task["id"]) for row in measurements],
    }
    return CircuitRows(circuit, nodes, relationships)


def _link(source: str, target: str) -> dict[str, Any]:
    return {"from": source, "to": target}


def _number(value: float) -> float | None:
    """Return the number, or null where there is none (a standard error of one item)."""
    return float(value) if math.isfinite(value) else None


def _sae(found: Findings, site: Site) -> dict[str, Any]:
    dictionary = found.dictionaries[site]
    return {
        "id": found.sae(site),
        "model_id": found.model["id"],
        "suite": found.suite,
        "site": site.name,
        "component": site.component,
        "layer": site.layer,
        "hook_name": site.hook_name,
        "architecture": dictionary.architecture,
        "d_in": dictionary.d_in,
        "d_sae": dictionary.d_sae,
        "source": dictionary.source,
        "weights_digest": found.sae_digests[site],
    }


def _unit_home(found: Findings, site: Site, key: str) -> dict[str, Any]:
    home = {"model_id": found.model["id"], "suite": found.suite, "component": site.component, "layer": site.layer}
    return {"id": key, **home}


def _features(found: Findings) -> list[Row]:
    rows: list[Row] = []
    for site, evidence in found.evidence.items():
        for index, said in evidence.items():
            home = _unit_home(found, site, keys.feature_id(found.sae(site), index))
            rows.append({**home, "feature_index": index, **vars(said)})
    return rows


def _similar(found: Findings, pair: Similar) -> dict[str, Any]:
    source = keys.feature_id(found.sae(pair.source_site), pair.source)
    return {**_link(source, keys.feature_id(found.sae(pair.target_site), pair.target)), "cosine": pair.cosine}


def _candidates(found: Findings, site: Site) -> dict[str, Any]:
    active = found.candidates[site]
    return {
        "id": keys.candidates_id(found.sae(site), found.circuit["data_digest"][:16]),
        "feature_indices": active.feature.tolist(),
        "frequency": active.frequency.tolist(),
        "mean_activation": active.activation.tolist(),
        "mean_active": found.mean_active[site],
    }


def _circuit_nodes(found: Findings) -> tuple[list[Row], dict[str, list[Row]]]:
    rows: list[Row] = []
    instances: dict[str, list[Row]] = {"Feature": [], "Error": []}
    for site, nodes in found.nodes.items():
        error_unit = found.dictionaries[site].d_sae
        effects = nodes.effects.T.tolist()
        measured = found.exact_nodes.get(site)
        exact = [math.nan] * len(effects) if measured is None else measured.tolist()
        for column, unit in enumerate(nodes.units.unit.tolist()):
            index = None if unit == error_unit else unit
            key = node_key(found, site, nodes, column, error_unit)
            place = None if nodes.units.position is None else int(nodes.units.position[column])
            role = None if place is None else found.roles[place]
            rows.append(
                {
                    "id": key,
                    "kind": "error" if index is None else "feature",
                    "component": site.component,
                    "layer": site.layer,
                    "feature_index": index,
                    "position": None if found.by_role else place,
                    "role": role,
                    "is_first_token": place in found.first_places,
                    "effect": float(nodes.effect[column]),
                    "effect_se": _number(float(nodes.standard_error[column])),
                    "effects": effects[column],
                    "exact_effect": _number(exact[column]),
                    "activation": None if index is None else float(nodes.activation[column]),
                }
            )
            label = "Error" if index is None else "Feature"
            sae = found.sae(site)
            home = keys.error_id(sae) if index is None else keys.feature_id(sae, index)
            instances[label].append(_link(key, home))
    rows.append(_target(found))
    return rows, instances


def _target(found: Findings) -> dict[str, Any]:
    return {
        "id": keys.circuit_node_id(found.circuit["id"], keys.TARGET, None),
        "kind": "target",
        "component": "target",
        "layer": found.model["n_layers"],
        "is_first_token": False,
        "effect": found.target_effect,
    }


def node_key(found: Findings, site: Site, nodes: SiteNodes, column: int, error_unit: int) -> str:
    """Key of one chosen node."""
    unit = int(nodes.units.unit[column])
    place: int | str | None = None if nodes.units.position is None else int(nodes.units.position[column])
    if found.by_role and isinstance(place, int):
        place = keys.encode(str(found.roles[place]))
    name = keys.unit(site.name, None if unit == error_unit else unit)
    return keys.circuit_node_id(found.circuit["id"], name, place)


def _edges(found: Findings) -> list[Row]:
    circuit = found.circuit["id"]
    names: dict[Site | None, list[str]] = {None: [keys.circuit_node_id(circuit, keys.TARGET, None)]}
    for site, nodes in found.nodes.items():
        error = found.dictionaries[site].d_sae
        names[site] = [node_key(found, site, nodes, column, error) for column in range(len(nodes.units))]
    rows: list[Row] = []
    for (up, down), pair in found.edges.items():
        at_down, at_up = torch.nonzero(pair.weight.abs() > found.edge_floor, as_tuple=True)
        weights, errors = pair.weight[at_down, at_up].tolist(), pair.standard_error[at_down, at_up].tolist()
        measured, every = found.exact.get((up, down)), found.edge_examples.get((up, down))
        exact = [math.nan] * len(weights) if measured is None else measured[at_down, at_up].tolist()
        examples = [None] * len(weights) if every is None else every.tolist()
        columns = zip(at_down.tolist(), at_up.tolist(), weights, errors, exact, examples, strict=True)
        for d, u, weight, error, by_hand, values in columns:
            told = {"weight": weight, "weight_se": _number(error), "exact_weight": _number(by_hand), "weights": values}
            rows.append({"from": names[up][u], "to": names[down][d], **told})
    return rows


def choose_edge_floor(edges: Mapping[tuple[Site, Site | None], PairWeights], floor: float, most: int) -> float:
    """Return the floor itself where it is set; else the largest that leaves at most `most` edges above it."""
    if floor > 0 or not edges:
        return floor
    sizes: Tensor = torch.cat([pair.weight.abs().flatten() for pair in edges.values()])
    sizes = sizes[sizes > 0]
    return 0.0 if len(sizes) <= most else float(sizes.topk(most + 1).values[-1])
