"""Effects and edges equal the definitions, written out literally, on tiny random models."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bench import literal
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.changes import run_ends, unit_changes
from circuit_atlas.ingest.cotangents import ActiveRows, Units
from circuit_atlas.ingest.edge_weights import EdgeInputs, cut_graph, edge_weights
from circuit_atlas.ingest.node_effects import clean_gradients, path_gradients, unit_effects
from circuit_atlas.ingest.sites import Site, site_from_hook, site_from_name
from circuit_atlas.ingest.subject import Subject
from tests.ingest.tiny import D_SAE, make_batch, make_subject

pytestmark = pytest.mark.slow

KINDS = [
    ("llama", "standard", "none"),
    ("llama", "topk", "layer_norm"),
    ("neox", "jumprelu", "none"),
    ("neox", "standard", "constant_norm_rescale"),
    ("llama", "rescaled topk", "none"),
    ("neox", "gated", "none"),
    ("llama", "gated", "layer_norm"),
    ("gemma", "jumprelu", "none"),
]


def _instead(value: Tensor, _: Tensor) -> Tensor:
    return value


def dense_effects(subject: Subject, batch: Batch, method: str, steps: int = 4) -> dict[Site, Tensor]:
    ends = run_ends(subject.model, subject.dictionaries, batch)
    if method == "atp":
        gradients = clean_gradients(subject.model, subject.metric, batch, ends)
    else:
        gradients = path_gradients(subject.model, subject.metric, batch, ends, steps, rows=6)
    found = {}
    for site, dictionary in subject.dictionaries.items():
        rows = unit_effects(unit_changes(dictionary, ends), batch, gradients[site])
        dense = torch.zeros(*batch.clean.shape, D_SAE + 1)
        dense[rows.example, rows.position, rows.unit] = rows.effect
        found[site] = dense
    return found


def assert_near(ours: Tensor, expected: Tensor) -> None:
    assert float((ours - expected).abs().max()) <= 2e-5 * max(1e-2, float(expected.abs().max()))


@pytest.mark.parametrize(("family", "kind", "normalisation"), KINDS)
@pytest.mark.parametrize("pairs", [True, False])
def test_node_effects_are_those_of_the_definition(
    tmp_path: Path, family: str, kind: str, normalisation: str, pairs: bool
) -> None:
    subject, batch = make_subject(tmp_path, family, kind, normalisation, pairs=pairs), make_batch(pairs=pairs)

    for method, alphas in (("atp", [0.0]), ("ig", [0.0, 0.25, 0.5, 0.75])):
        for site, ours in dense_effects(subject, batch, method).items():
            assert_near(ours, literal.node_effects(subject, batch, site, alphas))


@pytest.mark.slow
@pytest.mark.parametrize(("family", "kind", "normalisation"), KINDS)
def test_edge_weights_are_those_of_the_definition(tmp_path: Path, family: str, kind: str, normalisation: str) -> None:
    subject, batch = make_subject(tmp_path, family, kind, normalisation), make_batch()
    ends = run_ends(subject.model, subject.dictionaries, batch)
    outer = clean_gradients(subject.model, subject.metric, batch, ends)
    length, sites = batch.clean.shape[1], {site.name: site for site in subject.dictionaries}
    every = Units(torch.arange(D_SAE + 1).repeat(length), torch.arange(length).repeat_interleave(D_SAE + 1))
    units = dict.fromkeys(subject.dictionaries, every)
    graph = cut_graph(subject.model, subject.metric, batch, ends.clean)
    changes = {site: unit_changes(dictionary, ends) for site, dictionary in subject.dictionaries.items()}
    active = {site: ActiveRows.on_clean(change) for site, change in changes.items()}
    found = {
        (up.name, down.name): weights.view(len(batch.clean), length, D_SAE + 1, length, D_SAE + 1)
        for up, down, weights in edge_weights(EdgeInputs(graph, active, changes, outer), units, units)
        if down is not None
    }

    for up, down in (("embed", "resid_0"), ("attn_0", "resid_0"), ("resid_0", "attn_1"), ("resid_0", "resid_1")):
        live = found[up, down].abs().sum((0, 3, 4))[length - 1].argsort(descending=True)[:3].tolist()
        for unit in {*live, D_SAE}:
            expected = literal.edge_weights(subject, batch, sites[up], sites[down], unit, length - 1)
            assert_near(found[up, down][:, length - 1, unit], expected)
    assert ("attn_0", "attn_1") not in found  # resid_0 lies between and cuts every way
    assert (("attn_0", "mlp_0") in found) == (family != "neox")  # a parallel block's MLP reads no attention


@pytest.mark.slow
def test_ig_effects_of_a_site_sum_to_patching_it_whole(tmp_path: Path) -> None:
    subject, batch = make_subject(tmp_path, "llama", "topk", "none"), make_batch()
    assert batch.patch is not None
    effects = dense_effects(subject, batch, "ig", steps=400)
    with torch.no_grad():
        clean = subject.metric(subject.model.run(batch.clean), batch)
        for site, patch in subject.model.activations(batch.patch, list(effects)).items():
            whole = subject.metric(subject.model.run(batch.clean, {site: partial(_instead, patch)}), batch)
            torch.testing.assert_close(effects[site].sum((1, 2)), whole - clean, atol=0.02, rtol=0.02)


def test_a_small_step_of_one_unit_does_what_its_atp_effect_says(tmp_path: Path) -> None:
    subject, batch = make_subject(tmp_path, "neox", "standard", "none"), make_batch()
    site, share = site_from_name("resid_1"), 0.01
    mean = dense_effects(subject, batch, "atp")[site].mean(0)
    for place in mean.abs().flatten().argsort(descending=True)[:5].tolist():
        position, unit = divmod(place, D_SAE + 1)
        exact = float(literal.patch_one(subject, batch, site, unit, position, share).mean()) / share
        assert exact == pytest.approx(float(mean[position, unit]), rel=0.05)


@pytest.mark.parametrize("family", ["llama", "neox"])
def test_attention_before_its_output_projection(tmp_path: Path, family: str) -> None:
    subject, batch = make_subject(tmp_path, family, "standard", "none", z=True), make_batch()
    sites = {site.name: site for site in subject.dictionaries}
    assert sites["attn_0"].hook_name == "blocks.0.attn.hook_z"
    effects = dense_effects(subject, batch, "ig")
    for name in ("embed", "attn_0", "resid_0", "attn_1"):
        assert_near(effects[sites[name]], literal.node_effects(subject, batch, sites[name], [0.0, 0.25, 0.5, 0.75]))

    ends = run_ends(subject.model, subject.dictionaries, batch)
    outer = clean_gradients(subject.model, subject.metric, batch, ends)
    changes = {site: unit_changes(dictionary, ends) for site, dictionary in subject.dictionaries.items()}
    active = {site: ActiveRows.on_clean(change) for site, change in changes.items()}
    last = batch.clean.shape[1] - 1
    every = Units(torch.arange(D_SAE + 1), torch.full((D_SAE + 1,), last))
    units = dict.fromkeys(subject.dictionaries, every)
    graph = cut_graph(subject.model, subject.metric, batch, ends.clean)
    found = {
        (up.name, down.name): weights
        for up, down, weights in edge_weights(EdgeInputs(graph, active, changes, outer), units, units)
        if down is not None
    }
    for up, down in (("attn_0", "resid_0"), ("resid_0", "attn_1"), ("attn_1", "resid_1")):
        for unit in (*found[up, down].abs().sum((0, 2)).argsort(descending=True)[:2].tolist(), D_SAE):
            expected = literal.edge_weights(subject, batch, sites[up], sites[down], unit, last)[:, last]
            assert_near(found[up, down][:, unit], expected)


def test_what_a_direction_before_the_output_projection_writes(tmp_path: Path) -> None:
    model = make_subject(tmp_path, "neox", "standard", "none", z=True).model
    z = site_from_hook("blocks.1.attn.hook_z")
    row = torch.randn(1, model.width_at(z), generator=torch.Generator().manual_seed(1))
    seen: list[Tensor] = []

    def note(x: Tensor, hook: object) -> None:
        seen.append(x)

    with torch.no_grad():
        for value in (torch.zeros_like(row), row):
            hooks = [(z.hook_name, partial(_shaped, value)), ("blocks.1.attn.hook_out", note)]
            model.bridge.run_with_hooks(torch.tensor([[3]]), return_type="logits", fwd_hooks=hooks)
    torch.testing.assert_close(model.written(z, row), seen[1][0] - seen[0][0])


def _shaped(value: Tensor, x: Tensor, hook: object) -> Tensor:
    return value.view_as(x)
