"""Edge faithfulness: all edges, none, a literal node-by-node recursion, and a case worked by hand."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from circuit_atlas.ingest.ablation import ablated_sites, run_ablated
from circuit_atlas.ingest.baselines import Baseline, mean_baselines, zero_baselines
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.measuring.edge_runs import EdgeSet, SiteNodes, active_on_clean, direct_parents, run_edges
from circuit_atlas.ingest.measuring.edges import CircuitEdges
from circuit_atlas.ingest.metrics import LogitDifference
from circuit_atlas.ingest.model_files import load_model
from circuit_atlas.ingest.sites import Site, site_from_name
from circuit_atlas.ingest.subject import Subject
from tests.ingest.test_by_hand import second_coordinate, write_model
from tests.ingest.tiny import D_SAE, make_batch, make_subject

pytestmark = pytest.mark.slow

LENGTH = 5


def draw_nodes(subject: Subject, sites: list[Site], count: int, *, keep: bool) -> dict[Site, SiteNodes]:
    """Some units of each site, the error among them, at some positions or at all."""
    generator = torch.Generator().manual_seed(1)
    nodes, first = {}, 0
    for site in sites:
        units = torch.randperm(D_SAE, generator=generator)[:count]
        units = torch.cat([units, torch.tensor([D_SAE])])
        place = torch.randint(LENGTH, (len(units),), generator=generator) if keep else None
        nodes[site] = SiteNodes(units, place, first)
        first += len(units)
    return nodes


def masks(nodes: Mapping[Site, SiteNodes]) -> dict[Site, Tensor]:
    found = {}
    for site, here in nodes.items():
        mask = torch.zeros(1 if here.place is None else LENGTH, D_SAE + 1, dtype=torch.bool)
        mask[0 if here.place is None else here.place, here.unit] = True
        found[site] = mask
    return found


FAMILIES = [("llama", "topk", "none"), ("neox", "standard", "none"), ("gemma", "jumprelu", "layer_norm")]


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("start_layer", [0, 1])
@pytest.mark.parametrize(("family", "kind", "normalisation"), FAMILIES)
def test_all_edges_are_the_node_set_and_none_is_the_empty_one(
    tmp_path: Path, family: str, kind: str, normalisation: str, keep: bool, start_layer: int
) -> None:
    subject, batch = make_subject(tmp_path, family, kind, normalisation), make_batch()
    sites = ablated_sites(list(subject.dictionaries), start_layer)
    nodes = draw_nodes(subject, sites, 7, keep=keep)
    assert batch.patch is not None
    means = mean_baselines(subject.model, subject.dictionaries, sites, [batch.clean, batch.patch], LENGTH)
    count = sum(len(here.unit) for here in nodes.values())
    every, none = (torch.full((count + 1, count), value) for value in (True, False))
    empty = {site: torch.zeros_like(mask) for site, mask in masks(nodes).items()}
    whole, nothing = run_ablated(subject, batch, [masks(nodes), empty], means)

    assert run_edges(subject, batch, nodes, every, means) == pytest.approx(whole, abs=1e-5)
    assert run_edges(subject, batch, nodes, none, means) == pytest.approx(nothing, abs=1e-5)
    assert not torch.allclose(whole, nothing, atol=1e-3)


def chosen_on_clean(subject: Subject, one: Batch) -> dict[Site, Tensor]:
    """Units [pos, unit] that the dictionaries choose on the clean input of one example."""
    found = subject.model.activations(one.clean, list(subject.dictionaries))
    return {site: subject.dictionaries[site].sae.encode(x[0]) != 0 for site, x in found.items()}


def encoded(sae: Any, x: Tensor, chosen: Tensor | None) -> Tensor:
    """Activations [pos, unit] of one example; of those chosen alone, where every unit is let through before that."""
    if chosen is None:
        found: Tensor = sae.encode(x)
        return found
    unbounded = copy.deepcopy(sae)
    unbounded.activation_fn.k = D_SAE
    return torch.where(chosen, unbounded.encode(x), 0.0)


def literal(
    subject: Subject,
    batch: Batch,
    nodes: Mapping[Site, SiteNodes],
    edges: EdgeSet,
    means: Mapping[Site, Baseline],
    *,
    held: bool = False,
) -> Tensor:
    """The definition, one example and one node at a time: run the model with every earlier site put together anew."""
    found = []
    for example in range(len(batch.clean)):
        one = batch.take(torch.tensor([example]))
        chosen = chosen_on_clean(subject, one) if held else {}
        value: dict[int, Tensor] = {}

        def put_together(site: Site, kept: Tensor, value: dict[int, Tensor] = value) -> Tensor:
            sae, base = subject.dictionaries[site].sae, means[site]
            acts, error = base.acts.clone(), base.error.clone()
            if site in nodes:
                here = nodes[site]
                for k, unit in enumerate(here.unit.tolist()):
                    where = range(LENGTH) if here.place is None else [int(here.place[k])]
                    for position in where if bool(kept[here.first + k]) else ():
                        target = error if unit == D_SAE else acts[:, unit]
                        target[position] = value[here.first + k][position]
            whole: Tensor = (sae.decode(acts) + error)[None]
            return whole

        def replaced(before: list[Site], kept: Tensor) -> dict[Site, Any]:
            return {site: constantly(put_together(site, kept)) for site in before}

        for site in sorted(means):
            sae = subject.dictionaries[site].sae
            before = [other for other in means if other < site]
            here = nodes.get(site)
            for k in range(0 if here is None else len(here.unit)):
                assert here is not None
                with torch.no_grad():
                    x = subject.model.run_to(one.clean, site, replaced(before, edges[here.first + k]))[0]
                    acts = encoded(sae, x, chosen.get(site))
                    unit = int(here.unit[k])
                    value[here.first + k] = x - sae.decode(acts) if unit == D_SAE else acts[:, unit]
        with torch.no_grad():
            found.append(subject.metric(subject.model.run(one.clean, replaced(list(means), edges[-1])), one))
    return torch.cat(found)


def constantly(x: Tensor) -> Any:
    return lambda _: x


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("family", ["llama", "neox"])
def test_some_edges_against_the_definition_node_by_node(tmp_path: Path, family: str, keep: bool) -> None:
    subject, batch = make_subject(tmp_path, family, "topk", "none"), make_batch()
    sites = ablated_sites(list(subject.dictionaries), 0)
    nodes = draw_nodes(subject, sites, 3, keep=keep)
    assert batch.patch is not None
    means = mean_baselines(subject.model, subject.dictionaries, sites, [batch.clean, batch.patch], LENGTH)
    count = sum(len(here.unit) for here in nodes.values())
    for seed in range(3):
        edges = torch.rand(count + 1, count, generator=torch.Generator().manual_seed(seed)) < 0.6
        assert run_edges(subject, batch, nodes, edges, means) == pytest.approx(
            literal(subject, batch, nodes, edges, means), abs=1e-5
        )


def literal_nodes(
    subject: Subject, batch: Batch, kept: Mapping[Site, Tensor], means: Mapping[Site, Baseline]
) -> Tensor:
    """m(C) where every TopK holds its clean choice: one run an example, each site put together as it is reached."""
    found = []
    for example in range(len(batch.clean)):
        one = batch.take(torch.tensor([example]))

        def rebuild(site: Site, chosen: Mapping[Site, Tensor]) -> Any:
            sae, base, mask = subject.dictionaries[site].sae, means[site], kept[site]

            def rebuilt(x: Tensor) -> Tensor:
                acts = encoded(sae, x[0], chosen[site])
                error = torch.where(mask[:, -1:], x[0] - sae.decode(acts), base.error)
                whole: Tensor = sae.decode(torch.where(mask[:, :-1], acts, base.acts)) + error
                return whole[None]

            return rebuilt

        with torch.no_grad():
            chosen = chosen_on_clean(subject, one)
            replace = {site: rebuild(site, chosen) for site in means}
            found.append(subject.metric(subject.model.run(one.clean, replace), one))
    return torch.cat(found)


@dataclass(frozen=True)
class Held:
    """A tiny model of TopK dictionaries, and some nodes."""

    subject: Subject
    batch: Batch
    nodes: dict[Site, SiteNodes]
    means: dict[Site, Baseline]

    @classmethod
    def make(cls, folder: Path, family: str, kind: str, count: int, *, keep: bool) -> Held:
        subject, batch = make_subject(folder, family, kind, "none"), make_batch()
        assert batch.patch is not None
        sites = ablated_sites(list(subject.dictionaries), 0)
        nodes = draw_nodes(subject, sites, count, keep=keep)
        means = mean_baselines(subject.model, subject.dictionaries, sites, [batch.clean, batch.patch], LENGTH)
        return cls(subject, batch, nodes, means)

    @property
    def count(self) -> int:
        return sum(len(here.unit) for here in self.nodes.values())

    def run(self, edges: EdgeSet, *, held: bool = True) -> Tensor:
        active = active_on_clean(self.subject, self.batch, self.nodes) if held else None
        return run_edges(self.subject, self.batch, self.nodes, edges, self.means, active)

    def all_edges(self, value: bool) -> EdgeSet:
        return torch.full((self.count + 1, self.count), value)


TOPK = [("llama", "topk"), ("neox", "rescaled topk"), ("llama", "abstopk")]


@pytest.mark.parametrize("normalisation", ["none", "layer_norm"])
@pytest.mark.parametrize("kind", ["topk", "rescaled topk", "abstopk"])
def test_a_choice_held_where_it_was_made_changes_nothing(tmp_path: Path, kind: str, normalisation: str) -> None:
    subject = make_subject(tmp_path, "llama", kind, normalisation)
    for site, x in subject.model.activations(make_batch().clean, list(subject.dictionaries)).items():
        dictionary = subject.dictionaries[site]
        acts = dictionary.encode(x)
        assert torch.allclose(dictionary.encode_held(x, acts != 0), acts, atol=1e-5)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(("family", "kind"), TOPK)
def test_with_the_clean_active_set_every_edge_is_the_node_set_that_holds_it(
    tmp_path: Path, family: str, kind: str, keep: bool
) -> None:
    made = Held.make(tmp_path, family, kind, 7, keep=keep)
    kept = masks(made.nodes)
    empty = {site: torch.zeros_like(mask) for site, mask in kept.items()}
    plain, nothing = run_ablated(made.subject, made.batch, [kept, empty], made.means)
    every = made.run(made.all_edges(True))
    assert every == pytest.approx(literal_nodes(made.subject, made.batch, kept, made.means), abs=1e-5)
    assert keep or not torch.allclose(every, plain, atol=1e-3)  # at one position alone, a choice may be the same
    assert made.run(made.all_edges(False)) == pytest.approx(nothing, abs=1e-5)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(("family", "kind"), TOPK)
def test_some_edges_with_the_clean_active_set_against_the_definition(
    tmp_path: Path, family: str, kind: str, keep: bool
) -> None:
    made = Held.make(tmp_path, family, kind, 3, keep=keep)
    apart = []
    for seed in range(2):
        shape = (made.count + 1, made.count)
        edges = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.6
        expected = literal(made.subject, made.batch, made.nodes, edges, made.means, held=True)
        assert made.run(edges) == pytest.approx(expected, abs=1e-5)
        apart.append(float((expected - made.run(edges, held=False)).abs().max()))
    if not keep:  # with a node at one position alone, a choice may happen to be the same
        assert max(apart) > 1e-3


@pytest.mark.parametrize("held", [True, False])
def test_every_unit_and_edge_is_the_whole_model_whatever_a_topk_chooses(tmp_path: Path, held: bool) -> None:
    made = Held.make(tmp_path, "llama", "topk", D_SAE, keep=False)
    whole = made.subject.metric(made.subject.model.run(made.batch.clean), made.batch)
    assert made.run(made.all_edges(True), held=held) == pytest.approx(whole, abs=1e-4)


@pytest.mark.parametrize("family", ["llama", "neox"])
def test_edges_of_errors_taken_away_are_a_circuit_that_has_no_errors(tmp_path: Path, family: str) -> None:
    made = Held.make(tmp_path, family, "topk", 3, keep=True)
    is_error = torch.cat([here.unit == D_SAE for here in made.nodes.values()])
    edges = torch.rand(made.count + 1, made.count, generator=torch.Generator().manual_seed(0)) < 0.8
    down, up = edges.nonzero(as_tuple=True)
    known = CircuitEdges(
        made.nodes, torch.zeros_like(up), down, up, torch.ones(len(up)), torch.ones_like(is_error), is_error
    )
    bare = known.without_errors()
    features = {
        site: SiteNodes(here.unit[:-1], None if here.place is None else here.place[:-1], 3 * number)
        for number, (site, here) in enumerate(sorted(made.nodes.items()))
    }
    inside = torch.cat([~is_error, torch.tensor([True])])
    smaller = edges[inside][:, ~is_error]
    expected = literal(made.subject, made.batch, features, smaller, made.means)
    assert made.run(bare.kept(torch.ones(len(bare.up), dtype=torch.bool)), held=False) == pytest.approx(
        expected, abs=1e-5
    )
    nodes_alone = masks(features)
    (whole,) = run_ablated(made.subject, made.batch, [nodes_alone], made.means)
    assert made.run(bare.every(), held=False) == pytest.approx(whole, abs=1e-5)
    drawn = bare.connected(5, 0)
    assert int(drawn.sum()) == 5
    assert not is_error[bare.up[drawn]].any()


@pytest.mark.parametrize(("family", "kind", "normalisation"), FAMILIES)
def test_a_block_is_known_to_leave_a_sum_where_no_norm_stands_behind_its_parts(
    tmp_path: Path, family: str, kind: str, normalisation: str
) -> None:
    model = make_subject(tmp_path, family, kind, normalisation).model
    assert model.sums == (family != "gemma")


def test_parents_are_what_no_ablated_stream_stands_before() -> None:
    names = ["attn_0", "mlp_0", "resid_0", "attn_1", "mlp_1"]
    assert [site.name for site in direct_parents([site_from_name(n) for n in names])] == ["resid_0", "attn_1", "mlp_1"]
    assert [site.name for site in direct_parents([site_from_name(n) for n in names[:2]])] == ["attn_0", "mlp_0"]


def test_by_hand(tmp_path: Path) -> None:
    """The model of `test_by_hand`, dictionaries at attn_0 and resid_0, everything ablated to zero, on "A A".

    Attention writes (0, 2); the stream is (1, 3) before resid_0's dictionary, whose feature keeps coordinate 2 and
    leaves (1, 0) to the error. Metric: -x₂ / sqrt(|x|² / 2).

        attn feature -> resid feature, resid feature and error -> target:   x = (1, 3): -3 / √5
        without the edge from attention: the stream is (1, 1), x = (1, 1): -1
        resid error's edge to the target taken away too: x = (0, 1): -√2
        the attention's edge into the error alone: coordinate 2 of the error is 0, so that nothing changes: -1
    """
    write_model(tmp_path)
    sites = [site_from_name(name) for name in ("attn_0", "resid_0")]
    dictionaries = {site: SparseDictionary.holding(site, second_coordinate(), "by hand") for site in sites}
    subject = Subject(load_model(str(tmp_path)), dictionaries, LogitDifference())
    one = torch.tensor([0])
    batch = Batch(torch.tensor([[0, 0]]), one + 2, torch.tensor([[1, 0]]), one + 3, one, one)
    nodes = {
        sites[0]: SiteNodes(torch.tensor([0]), None, 0),
        sites[1]: SiteNodes(torch.tensor([0, 1]), None, 1),
    }
    zeros = zero_baselines(dictionaries, sites)

    def metric(*kept: tuple[int, int]) -> float:
        edges = torch.zeros(4, 3, dtype=torch.bool)
        for down, up in kept:
            edges[down, up] = True
        return float(run_edges(subject, batch, nodes, edges, zeros))

    assert metric((1, 0), (3, 1), (3, 2)) == pytest.approx(-3 / 5**0.5, abs=1e-5)
    assert metric((3, 1), (3, 2)) == pytest.approx(-1.0, abs=1e-5)
    assert metric((3, 1)) == pytest.approx(-(2**0.5), abs=1e-5)
    assert metric((2, 0), (3, 1), (3, 2)) == pytest.approx(-1.0, abs=1e-5)
    assert metric((1, 0), (3, 1)) == pytest.approx(-(2**0.5), abs=1e-5)
