"""Exact effects of nodes and edges are those of one intervention at a time; rules and other ends are what they say."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bench import literal
from circuit_atlas.ingest.baselines import MeanBaselines, inputs
from circuit_atlas.ingest.changes import UnitChanges, run_ends, unit_changes
from circuit_atlas.ingest.exact_edges import Intervention, arrived_effects, exact_edge_effects
from circuit_atlas.ingest.moved_units import End
from circuit_atlas.ingest.node_effects import exact_effects, path_gradients, path_points, unit_effects
from circuit_atlas.ingest.sites import Site, site_from_name
from tests.ingest.test_literal import KINDS, assert_near
from tests.ingest.tiny import D_SAE, make_batch, make_subject

EDGES = (
    ("embed", "attn_0"),
    ("attn_0", "resid_0"),
    ("mlp_0", "resid_0"),
    ("resid_0", "resid_1"),
    ("resid_0", "attn_1"),
    ("resid_1", None),
)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "kind", "normalisation"), KINDS)
@pytest.mark.parametrize("pairs", [True, False])
def test_exact_effects_of_nodes(tmp_path: Path, family: str, kind: str, normalisation: str, pairs: bool) -> None:
    subject, batch = make_subject(tmp_path, family, kind, normalisation, pairs=pairs), make_batch(pairs=pairs)
    ends = run_ends(subject.model, subject.dictionaries, batch)
    for name in ("embed", "mlp_0", "resid_0", "attn_1"):
        dictionary = subject.dictionaries[site_from_name(name)]
        changes = unit_changes(dictionary, ends)
        rows = exact_effects(subject.model, subject.metric, batch, ends, changes, 7)

        strongest = rows.effect.abs().argsort(descending=True)[:4].tolist()
        an_error = int((rows.unit == D_SAE).nonzero()[0])
        chosen, expected = [*strongest, an_error], []
        for row in chosen:
            unit, position = int(rows.unit[row]), int(rows.position[row])
            expected.append(literal.patch_one(subject, batch, dictionary.site, unit, position)[rows.example[row]])
        assert_near(rows.effect[chosen], torch.stack(expected))


@pytest.mark.slow
@pytest.mark.parametrize(("family", "kind", "normalisation"), KINDS)
@pytest.mark.parametrize("pairs", [True, False])
def test_exact_effects_of_edges(tmp_path: Path, family: str, kind: str, normalisation: str, pairs: bool) -> None:
    subject, batch = make_subject(tmp_path, family, kind, normalisation, pairs=pairs), make_batch(pairs=pairs)
    ends = run_ends(subject.model, subject.dictionaries, batch)
    changes = {site: unit_changes(dictionary, ends) for site, dictionary in subject.dictionaries.items()}
    last = batch.clean.shape[1] - 1
    wanted, expected = [], []
    for up, down in EDGES:
        for source in _some(changes[site_from_name(up)], last):
            for end in [None] if down is None else _some(changes[site_from_name(down)], last):
                wanted.append(Intervention(0, End(*source), None if end is None else End(*end)))
                expected.append(literal.exact_edge(subject, batch, source, end)[0])

    ours = exact_edge_effects(subject.model, subject.metric, batch, ends, changes, wanted, 5)

    assert_near(ours, torch.stack(expected))
    assert float(ours.abs().max()) > 1e-3


def _some(changes: UnitChanges, position: int) -> list[tuple[Site, int, int]]:
    """A feature that changes at a position of the first example, and the error."""
    here = (changes.example == 0) & (changes.position == position) & ~changes.is_error
    site = changes.dictionary.site
    return [(site, int(changes.unit[here][0]), position), (site, D_SAE, position)]


def _note(seen: list[Tensor], x: Tensor) -> Tensor:
    seen.append(x)
    return x


def _instead(value: Tensor, _: Tensor) -> Tensor:
    return value


def test_summed_positions_move_a_unit_everywhere(tmp_path: Path) -> None:
    subject, batch = make_subject(tmp_path, "llama", "standard", "none"), make_batch()
    ends = run_ends(subject.model, subject.dictionaries, batch)
    changes = {site: unit_changes(dictionary, ends) for site, dictionary in subject.dictionaries.items()}
    up, down = site_from_name("attn_1"), site_from_name("resid_1")
    edge = Intervention(1, End(up, D_SAE, None), End(down, D_SAE, None))
    (ours,) = exact_edge_effects(subject.model, subject.metric, batch, ends, changes, [edge], 5)

    # By hand: the error of attn_1 everywhere at its patch value, mlp_1 (without dictionary) computing, resid_1 read.
    states = [literal.states(subject, batch, patch=end)[up] for end in (False, True)]
    moved = literal.decode(subject.dictionaries[up], (states[0][0], states[1][1]))
    seen: list[Tensor] = []
    with torch.no_grad():
        subject.model.run(batch.clean, {up: lambda _: moved, down: partial(_note, seen)})
        features, _ = literal.states(subject, batch, patch=False)[down]
        _, error = literal.split(subject.dictionaries[down], seen[0])
        after = literal.metric_with(subject, batch, down, (features, error))
        before = subject.metric(subject.model.run(batch.clean), batch)
    assert_near(ours, (after - before)[1])

    # What arrives, times any gradient there: here one that is drawn.
    outer = {down: torch.randn(error.shape, generator=torch.Generator().manual_seed(0))}
    carried = arrived_effects(subject.model, subject.metric, batch, ends, changes, [edge], outer, 5)
    clean_error = literal.split(subject.dictionaries[down], ends.clean[down])[1]
    assert_near(carried, ((error - clean_error) * outer[down])[1].sum()[None])


def test_points_and_weights_of_the_rules() -> None:
    assert path_points("left", 4) == ([0.0, 0.25, 0.5, 0.75], [0.25] * 4)
    assert path_points("midpoint", 2) == ([0.25, 0.75], [0.5, 0.5])
    points, weights = path_points("gauss-legendre", 3)
    # Three points integrate polynomials up to the fifth degree exactly.
    assert sum(w * p**5 for p, w in zip(points, weights, strict=True)) == pytest.approx(1 / 6)


def test_better_rules_are_nearer_to_patching_the_whole_site(tmp_path: Path) -> None:
    subject, batch = make_subject(tmp_path, "llama", "topk", "none"), make_batch()
    ends = run_ends(subject.model, subject.dictionaries, batch)
    site = site_from_name("resid_0")
    with torch.no_grad():
        before = subject.metric(subject.model.run(batch.clean), batch)
        whole = (
            subject.metric(subject.model.run(batch.clean, {site: partial(_instead, ends.patch[site])}), batch) - before
        )
    miss = {}
    for rule in ("left", "gauss-legendre"):
        gradient = path_gradients(subject.model, subject.metric, batch, ends, 12, 36, rule)[site]
        rows = unit_effects(unit_changes(subject.dictionaries[site], ends), batch, gradient)
        total = torch.zeros(len(whole)).index_add_(0, rows.example, rows.effect)
        miss[rule] = float((total - whole).abs().max())
    assert miss["gauss-legendre"] < miss["left"] / 3


def test_the_other_end_of_mean_ablation_is_the_mean_activation(tmp_path: Path) -> None:
    subject, batch = make_subject(tmp_path, "neox", "jumprelu", "none"), make_batch()
    sites = list(subject.dictionaries)
    means = MeanBaselines(subject.model, subject.dictionaries, sites, inputs([batch])).of_length(5)
    ends = run_ends(subject.model, subject.dictionaries, batch, means)
    site = site_from_name("resid_0")
    every = torch.cat([subject.model.activations(tokens, sites)[site] for tokens in inputs([batch])])

    torch.testing.assert_close(ends.patch[site], every.mean(0).expand_as(ends.patch[site]), atol=1e-5, rtol=1e-5)
    changes = unit_changes(subject.dictionaries[site], ends)
    total = torch.zeros_like(every[:3])
    total.index_put_((changes.example, changes.position), changes.directions(slice(None)), accumulate=True)
    torch.testing.assert_close(ends.clean[site] + total, ends.patch[site], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["llama", "neox"])
def test_running_only_what_comes_after_a_site_changes_nothing(tmp_path: Path, family: str) -> None:
    subject, batch = make_subject(tmp_path, family, "standard", "none"), make_batch()
    model, ends = subject.model, run_ends(subject.model, subject.dictionaries, batch)
    assert model.can_skip
    with torch.no_grad():
        for site in subject.dictionaries:
            whole = model.run(batch.clean, {site: partial(_instead, ends.patch[site])})[:, -1:]
            rest = model.run_from(batch.clean, site, ends.patch[site], ends.around(site), last=True)
            torch.testing.assert_close(rest, whole)
        torch.testing.assert_close(model.run(batch.clean)[:, -1:], model.run(batch.clean, last=True))
