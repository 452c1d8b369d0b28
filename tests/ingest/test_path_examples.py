"""Strength of a path on every example against literal autograd: the chain of partial derivatives along it alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from circuit_atlas.analysis import path_examples, strongest_paths
from circuit_atlas.analysis.path_examples import strength
from circuit_atlas.cypher import connect
from circuit_atlas.errors import QueryError
from circuit_atlas.ingest import DiscoverSettings, discover
from circuit_atlas.ingest.batches import batches
from circuit_atlas.ingest.dictionary_files import Suite
from circuit_atlas.ingest.examples import read_examples
from circuit_atlas.ingest.preparation import Loaded
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.subject import Subject
from circuit_atlas.ingest.tokens import tokenise
from tests.ingest.tiny import make_subject
from tests.ingest.tiny_runs import unit_key, write_examples

pytestmark = pytest.mark.slow


class Cut:
    """The clean run with every site cut: features behind a cut are leaves, features before it depend on leaves."""

    def __init__(self, subject: Subject, examples: Path) -> None:
        (batch,) = batches(tokenise(read_examples(examples), subject.model.tokenizer), 16)
        assert batch.patch is not None
        sites = list(subject.dictionaries)
        ends = [subject.model.activations(tokens, sites) for tokens in (batch.clean, batch.patch)]
        clean, patch = ({s: subject.dictionaries[s].encode(x) for s, x in end.items()} for end in ends)
        self.change = {site: patch[site] - clean[site] for site in sites}
        self.leaves = {site: clean[site].clone().requires_grad_() for site in sites}
        self.before: dict[Site, Tensor] = {}

        def cut(site: Site) -> Any:
            dictionary = subject.dictionaries[site]

            def function(x: Tensor) -> Tensor:
                self.before[site] = dictionary.encode(x)
                error = ends[0][site] - dictionary.sae.decode(clean[site])
                decoded: Tensor = dictionary.sae.decode(self.leaves[site]) + error
                return decoded

            return function

        output = subject.model.run(batch.clean, {site: cut(site) for site in sites}, last=True)
        self.metric = subject.metric(output, batch)

    def along(self, path: list[tuple[Site, int, int]], example: int) -> float:
        """Change of the first feature times the derivative of each next one, and of the metric, by the one before."""
        site, unit, place = path[0]
        found = float(self.change[site][example, place, unit])
        for (site, unit, place), after in zip(path, [*path[1:], None], strict=True):
            value = self.metric[example] if after is None else self.before[after[0]][example, after[2], after[1]]
            (gradient,) = torch.autograd.grad(value, self.leaves[site], retain_graph=True, allow_unused=True)
            found *= 0.0 if gradient is None else float(gradient[example, place, unit])
        return found


def _found(folder: Path, store: Any, **settings: Any) -> tuple[Subject, Path, Any]:
    subject = make_subject(folder / "model", "neox", "standard", "none")
    examples = write_examples(folder / "e.jsonl", pairs=True, lengths=(4, 4, 4))
    common: dict[str, Any] = {"held_out_share": 0.0, "measure_thresholds": 0, "name": "paths", "method": "atp"}
    limits: dict[str, Any] = {"max_nodes": 100_000, "max_edges": 10_000, "edge_values": "examples"}
    wanted = DiscoverSettings(model="m", dictionaries="d", examples=str(examples), **common | limits | settings)
    loaded = Loaded(subject.model, Suite("made here", dict(sorted(subject.dictionaries.items()))))
    return subject, examples, discover(wanted, loaded=loaded, store=store)


def test_on_each_example_it_is_the_chain_of_derivatives(tmp_path: Path) -> None:
    with connect(str(tmp_path / "atlas.lbug")) as store:
        subject, examples, circuit = _found(tmp_path, store)
        rows = {row["id"]: row for row in circuit.rows.nodes["CircuitNode"]}
        cut, compared, sizes = Cut(subject, examples), 0, set()
        for nodes in strongest_paths(store, "paths", k=400, through_errors=False)["nodes"][::20]:
            if any(rows[node]["kind"] == "error" for node in nodes):
                continue
            path = [unit_key(rows[node]) for node in nodes[:-1]]
            told = path_examples(store, "paths", nodes)
            assert told["item"].tolist() == [0, 0, 1]
            for example, value in zip(told["example"], told["strength"], strict=True):
                literal = cut.along([(site, unit, place or 0) for site, unit, place in path], example)
                if not np.isnan(value):
                    assert value == pytest.approx(literal, rel=2e-3, abs=1e-6)
                    compared += abs(literal) > 1e-5
            sizes.add(len(nodes))
        assert compared >= 10
        assert max(sizes) >= 4


def test_a_path_that_is_none_and_a_circuit_without_values_are_refused(tmp_path: Path) -> None:
    with connect(str(tmp_path / "atlas.lbug")) as store:
        _found(tmp_path, store, edge_values="mean", max_edges=300)
        nodes = strongest_paths(store, "paths", k=1)["nodes"][0]
        with pytest.raises(QueryError, match="no weights by example: discover it again with edge_values examples"):
            path_examples(store, "paths", nodes)
        with pytest.raises(QueryError, match="has no edge from"):
            path_examples(store, "paths", [nodes[1], nodes[0]])
        with pytest.raises(QueryError, match="at least two nodes; 1 given"):
            path_examples(store, "paths", nodes[:1])


def test_by_hand() -> None:
    """Weights 2 then 3 over an effect of 4; nothing comes in; something does and the effect is zero."""
    found = strength(np.array([[2.0, 0.0, 2.0], [3.0, 3.0, 3.0]]), np.array([[4.0, 0.0, 0.0]]))
    assert found[:2].tolist() == [1.5, 0.0]
    assert np.isnan(found[2])
    assert strength(np.array([[2.0]]), np.empty((0, 1))).tolist() == [2.0]
