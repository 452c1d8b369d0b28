"""Motifs, chains and threads against literal enumeration on random acyclic graphs."""

from __future__ import annotations

import itertools
from collections import defaultdict

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuit_atlas.analysis.graph import CircuitGraph, graph_of
from circuit_atlas.analysis.structure.chains import best_chains
from circuit_atlas.analysis.structure.likeness import Likeness
from circuit_atlas.analysis.structure.motifs import census
from circuit_atlas.analysis.structure.pattern import parse_pattern
from circuit_atlas.analysis.structure.threads import find_threads
from tests.analysis.test_paths import Row, graphs, made_graph

COMPONENTS = {"e": "embed", "n": "mlp", "x": "error", "t": "target"}


def every_chain(rows: list[Row], effects: dict[str, float], length: int) -> dict[tuple[str, ...], float]:
    """Each chain of so many nodes with its strength."""
    weights = {(source, target): weight for source, target, weight in rows}
    found = {}
    for chain in itertools.product(effects, repeat=length):
        links = list(itertools.pairwise(chain))
        if all(link in weights for link in links):
            strength = 1.0
            for link in links:
                strength *= weights[link]
            for inner in chain[1:-1]:
                strength /= effects[inner]
            found[chain] = strength
    return found


@settings(max_examples=60, deadline=None)
@given(graphs(), st.lists(st.sampled_from(["any", "feature", "mlp", "error", "embed"]), min_size=2, max_size=4))
def test_chains_are_those_of_enumeration(made: tuple[list[Row], dict[str, float]], steps: list[str]) -> None:
    rows, effects = made
    graph = made_graph(rows, effects)
    fits = {"any": "enxt", "feature": "en", "mlp": "n", "error": "x", "embed": "e"}
    wanted = {
        chain: strength
        for chain, strength in every_chain(rows, effects, len(steps)).items()
        if all(name[0] in fits[step] for name, step in zip(chain, steps, strict=True))
    }
    found, count = best_chains(graph, parse_pattern(" ".join(steps)), 5)
    assert count == len(wanted)
    assert len(found) == min(5, len(wanted))
    for strength, places in found:
        assert strength == pytest.approx(wanted[tuple(graph.nodes["id"].iloc[places])])
    strongest = sorted(map(abs, wanted.values()), reverse=True)[:5]
    assert [abs(strength) for strength, _ in found] == pytest.approx(strongest)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_the_census_is_that_of_enumeration(made: tuple[list[Row], dict[str, float]]) -> None:
    rows, effects = made
    wanted: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for chain, strength in every_chain(rows, effects, 3).items():
        middle = "mlp_0/error" if chain[1][0] == "x" else "mlp_0"
        wanted[COMPONENTS[chain[0][0]], middle, COMPONENTS[chain[2][0]]].append(strength)
    found = census(made_graph(rows, effects))
    assert {tuple(kind[:3]) for kind in found} == wanted.keys()
    for kind, counted in found.items():
        strengths = wanted[tuple(kind[:3])]
        assert counted.n_chains == len(strengths)
        assert counted.positive - counted.negative == pytest.approx(sum(strengths))
        assert counted.positive + counted.negative == pytest.approx(sum(map(abs, strengths)))
        assert abs(counted.strongest) == pytest.approx(max(map(abs, strengths)))


def residual(effects: dict[str, float], edges: list[Row]) -> CircuitGraph:
    """A graph of residual features at one position, named `LAYER/INDEX`."""
    nodes = pd.DataFrame(
        [(name, "feature", "resid", int(name[0]), int(name[2:]), 4, None, value) for name, value in effects.items()],
        columns=["id", "kind", "component", "layer", "feature_index", "position", "role", "effect"],
    )
    nodes[["effect_se", "label", "promotes"]] = None
    return graph_of(nodes, pd.DataFrame(edges, columns=["source", "target", "weight"]))


def test_a_thread_runs_over_several_layers_and_neither_splits_nor_joins() -> None:
    effects = {"0/1": 2.0, "0/2": 1.0, "1/1": 1.0, "1/2": 1.0, "2/1": 1.0, "3/1": -1.0}
    edges: list[Row] = [
        ("0/1", "1/1", 0.9),
        ("0/1", "1/2", 0.6),
        ("0/2", "1/1", 0.5),
        ("0/2", "1/2", 0.4),
        ("1/1", "2/1", 0.8),
        ("1/2", "2/1", 0.7),
        ("2/1", "3/1", 0.9),  # the sign turns: the next feature works the other way, so nothing persists
    ]
    graph = residual(effects, edges)
    found = [
        [str(graph.nodes["id"].iloc[graph.source[thread[0]]]), *graph.nodes["id"].iloc[graph.target[thread]]]
        for thread in find_threads(graph, Likeness({}), 0.3, None)
    ]
    # 0/2 gives most to 1/1, which has more from 0/1; 0/1 gives less to 1/2 than to 1/1.
    assert found == [["0/1", "1/1", "2/1"]]
    assert find_threads(graph, Likeness({}), 0.95, None) == []
