"""Edge faithfulness: all edges, none, a literal node-by-node recursion, and a case worked by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from circuit_atlas.ingest.ablation import ablated_sites, run_ablated
from circuit_atlas.ingest.baselines import Baseline, mean_baselines, zero_baselines
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.measuring.edge_runs import EdgeSet, SiteNodes, direct_parents, run_edges
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


def literal(
    subject: Subject, batch: Batch, nodes: Mapping[Site, SiteNodes], edges: EdgeSet, means: Mapping[Site, Baseline]
) -> Tensor:
    """The definition, one example and one node at a time: run the model with every earlier site put together anew."""
    found = []
    for example in range(len(batch.clean)):
        one = batch.take(torch.tensor([example]))
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
                    acts = sae.encode(x)
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
