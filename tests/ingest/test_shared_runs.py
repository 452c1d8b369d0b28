"""Runs that do less, or several things at once, find what runs of one thing find."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from circuit_atlas.ingest.changes import run_ends
from circuit_atlas.ingest.evaluation import evaluate_from, evaluate_together, groups_to_run
from circuit_atlas.ingest.node_effects import Rule, clean_gradients, path_gradients
from tests.ingest.test_literal import assert_near
from tests.ingest.tiny import make_batch, make_subject


def test_in_a_parallel_block_three_sites_run_together_and_in_a_sequential_one_two(tmp_path: Path) -> None:
    names = {}
    for family in ("neox", "llama"):
        subject, batch = make_subject(tmp_path / family, family, "standard", "none"), make_batch()
        ends = run_ends(subject.model, subject.dictionaries, batch)
        changes = [(site, x, ends.around(site)) for site, x in ends.clean.items()]
        found = groups_to_run(subject.model, subject.metric, changes)
        assert sorted(site for group in found for site in group) == sorted(ends.clean)
        names[family] = {tuple(site.name for site in group) for group in found}
    assert ("attn_0", "mlp_0", "resid_0") in names["neox"]
    assert {("attn_0",), ("mlp_0", "resid_0")} <= names["llama"]


@pytest.mark.parametrize("family", ["neox", "llama"])
def test_several_sites_in_one_run_give_what_each_gives_alone(tmp_path: Path, family: str) -> None:
    subject, batch = make_subject(tmp_path, family, "standard", "none"), make_batch()
    model, metric = subject.model, subject.metric
    ends = run_ends(model, subject.dictionaries, batch)
    changes = {site: (site, ends.patch[site], ends.around(site)) for site in ends.clean}
    with torch.no_grad():
        for group in groups_to_run(model, metric, list(changes.values())):
            together = evaluate_together(model, metric, batch.repeat(len(group)), [changes[site] for site in group])
            alone = torch.cat([evaluate_from(model, metric, batch, *changes[site]) for site in group])
            torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
            assert float((alone.view(len(group), -1) - alone[: len(batch.clean)]).abs().max()) > 0 or len(group) == 1
        embed, last = next(iter(changes)), list(changes)[-1]
        with pytest.raises(ValueError, match="do not begin at one place"):
            evaluate_together(model, metric, batch.repeat(2), [changes[embed], changes[last]])


@pytest.mark.parametrize("rule", ["left", "midpoint"])
def test_the_point_at_clean_is_read_off_the_gradients_there(tmp_path: Path, rule: Rule) -> None:
    subject, batch = make_subject(tmp_path, "llama", "standard", "none"), make_batch()
    model, metric = subject.model, subject.metric
    ends = run_ends(model, subject.dictionaries, batch)
    at_clean = clean_gradients(model, metric, batch, ends)

    ours = path_gradients(model, metric, batch, ends, 4, 100, rule, at_clean)

    every = path_gradients(model, metric, batch, ends, 4, 100, rule)
    for site, gradient in every.items():
        assert_near(ours[site], gradient)
    moved = {site: gradient + 1.0 for site, gradient in at_clean.items()}
    shift = path_gradients(model, metric, batch, ends, 4, 100, rule, moved)
    for site, gradient in every.items():
        assert_near(shift[site], gradient + (0.25 if rule == "left" else 0.0))


@pytest.mark.parametrize("family", ["neox", "llama", "gemma"])
def test_the_last_mlp_reads_the_last_position_alone(tmp_path: Path, family: str) -> None:
    subject, batch = make_subject(tmp_path, family, "standard", "none"), make_batch()
    model = subject.model
    seen: list[int] = []
    assert model.can_narrow
    module = model.bridge.blocks[model.n_layers - 1].mlp
    handle = module.register_forward_hook(partial(_note_positions, seen))
    with torch.no_grad():
        narrow, whole = model.run(batch.clean, last=True), model.run(batch.clean)
    handle.remove()
    assert seen == [1, batch.clean.shape[1]]
    torch.testing.assert_close(narrow[:, -1], whole[:, -1], atol=1e-5, rtol=1e-5)


def test_a_changed_last_block_is_read_whole(tmp_path: Path) -> None:
    subject, batch = make_subject(tmp_path, "llama", "standard", "none"), make_batch()
    model = subject.model
    site = list(subject.dictionaries)[-1]
    assert site.layer == model.n_layers - 1
    seen: list[Tensor] = []

    def keep(x: Tensor) -> Tensor:
        seen.append(x)
        return x

    with torch.no_grad():
        model.run(batch.clean, {site: keep}, last=True)
        expected = model.activations(batch.clean, [site])[site]
    torch.testing.assert_close(seen[0], expected)


def _note_positions(seen: list[int], module: object, inputs: object, output: Tensor) -> None:
    seen.append(output.shape[1])
