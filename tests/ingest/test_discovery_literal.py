"""A whole discovery gives the effects and weights of the definitions, written out literally, under every choice.

Examples → tokens → batches → effects → nodes → edges → rows; the oracle (`bench.literal`) has the dictionary in the
loop, treats one downstream unit at a time, and here sums, averages and selects in plain loops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bench import literal
from circuit_atlas.ingest.sites import Site, site_from_name
from tests.ingest.test_moments import literal_error
from tests.ingest.tiny import D_SAE
from tests.ingest.tiny_runs import TinyRun, UnitKey, run_tiny

UNEQUAL = (4, 5, 5, 4)
PATH = (0.0, 0.25, 0.5, 0.75)
CLEAN = (0.0,)


@dataclass(frozen=True)
class Choice:
    """Settings of a discovery, and the points at which the oracle takes its gradients."""

    settings: Mapping[str, Any]
    node_alphas: Sequence[float]
    edge_alphas: Sequence[float] = CLEAN


CHOICES = {
    "positions summed": Choice({"positions": "sum", "method": "atp", "lengths": UNEQUAL}, CLEAN),
    "outer gradient of ig": Choice(
        {"positions": "sum", "method": "ig", "steps": 4, "outer_gradient": "ig", "lengths": UNEQUAL}, PATH, PATH
    ),
    "positions kept": Choice({"positions": "keep", "method": "ig", "steps": 4}, PATH),
    "per example": Choice({"method": "atp", "selection": "per-example", "node_floor": 0.05}, CLEAN),
    "per example, positions summed": Choice(
        {"positions": "sum", "method": "atp", "selection": "per-example", "node_floor": 0.05, "lengths": UNEQUAL}, CLEAN
    ),
    "zero ablation": Choice({"positions": "sum", "method": "atp", "pairs": False, "lengths": UNEQUAL}, CLEAN),
    "zero ablation, ig": Choice({"method": "ig", "steps": 4, "outer_gradient": "ig", "pairs": False}, PATH, PATH),
}


@pytest.fixture(scope="module", params=list(CHOICES.values()), ids=list(CHOICES))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Choice, TinyRun]:
    choice: Choice = request.param
    return choice, run_tiny(tmp_path_factory.mktemp("tiny"), **choice.settings)


def literal_effects(choice: Choice, run: TinyRun, site: Site) -> Tensor:
    """Effects [example, pos, unit], zero behind the end of short examples."""
    length = max(len(example.clean) for example in run.examples)
    found = torch.zeros(len(run.examples), length, D_SAE + 1)
    for batch in run.batches:
        found[batch.indices, : batch.clean.shape[1]] = literal.node_effects(
            run.subject, batch, site, choice.node_alphas
        )
    return found


def literal_weights(choice: Choice, run: TinyRun, up: Site, end: UnitKey) -> Tensor:
    """Weights [example, pos, unit] of the edges from all units of one site into one node."""
    down, unit, position = end
    length = max(len(example.clean) for example in run.examples)
    counts = torch.ones(len(run.examples), length, dtype=torch.bool)
    if choice.settings.get("selection") == "per-example":
        counts = literal_effects(choice, run, down)[..., unit].abs() > choice.settings["node_floor"]
    found = torch.zeros(len(run.examples), length, D_SAE + 1)
    for batch in run.batches:
        reach = batch.clean.shape[1]
        for place in range(reach) if position is None else [position]:
            weights = literal.edge_weights(run.subject, batch, up, down, unit, place, choice.edge_alphas)
            found[batch.indices, :reach] += weights * counts[batch.indices, place, None, None]
    return found


def floor(choice: Choice) -> float:
    return float(choice.settings.get("node_floor", 0.0))


@pytest.mark.slow
def test_nodes_are_the_units_above_the_floor_with_their_effects(case: tuple[Choice, TinyRun]) -> None:
    choice, run = case
    nodes = run.nodes()
    for site in run.subject.dictionaries:
        effects = literal_effects(choice, run, site)
        scale = float(effects.abs().max())
        kept = choice.settings.get("positions", "keep") == "keep"
        places: list[int | None] = list(range(effects.shape[1])) if kept else [None]
        for place in places:
            each = effects.sum(1) if place is None else effects[:, place]
            for unit, values in enumerate(each.T):
                row, mean = nodes.get((site, unit, place)), float(values.mean())
                if row is None:
                    assert abs(mean) <= floor(choice) + 1e-5 * scale
                    continue
                assert abs(mean) > floor(choice) - 1e-5 * scale
                assert row["effect"] == pytest.approx(mean, abs=2e-5 * scale)
                assert row["effects"] == pytest.approx(values.tolist(), abs=2e-5 * scale)
                items = torch.tensor([int(example.example.item) for example in run.examples])
                assert row["effect_se"] == pytest.approx(float(literal_error(values, items)), abs=2e-5 * scale)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("up", "down"), [("embed", "resid_0"), ("attn_0", "mlp_0"), ("resid_0", "attn_1"), ("resid_0", "resid_1")]
)
def test_edges_have_the_weights_of_the_definition(up: str, down: str, case: tuple[Choice, TinyRun]) -> None:
    choice, run = case
    nodes, ours = run.nodes(), run.weights()
    source = site_from_name(up)
    ends = sorted((key for key in nodes if key[0].name == down), key=lambda key: -abs(nodes[key]["effect"]))
    errors = [key for key in ends if key[1] == D_SAE][:1]
    for end in [*ends[:2], *errors]:
        expected = literal_weights(choice, run, source, end).mean(0)
        scale = max(float(expected.abs().max()), 1e-6)
        for key in (key for key in nodes if key[0] == source):
            weight = expected[:, key[1]].sum() if key[2] is None else expected[key[2], key[1]]
            assert ours.get((key, end), 0.0) == pytest.approx(float(weight), abs=5e-5 * scale)


def test_the_edge_from_the_last_site_to_the_target_is_the_effect_at_clean(case: tuple[Choice, TinyRun]) -> None:
    """No site lies behind the last, so its direct dependence is all there is."""
    choice, run = case
    ours, last = run.weights(), max(run.subject.dictionaries)
    at_clean = literal_effects(Choice(choice.settings, CLEAN), run, last).mean(0)
    for key in (key for key in run.nodes() if key[0] == last):
        effect = at_clean[:, key[1]].sum() if key[2] is None else at_clean[key[2], key[1]]
        assert ours.get((key, None), 0.0) == pytest.approx(float(effect), abs=5e-5 * float(at_clean.abs().max()))


def test_a_choice_that_should_matter_does(tmp_path: Path) -> None:
    """Selection per example and the outer gradient of ig change weights; else the tests above would show nothing."""
    plain = run_tiny(tmp_path / "a", method="atp", node_floor=0.05).weights()
    selected = run_tiny(tmp_path / "b", method="atp", node_floor=0.05, selection="per-example").weights()
    outer = run_tiny(tmp_path / "c", method="ig", steps=4, outer_gradient="ig", node_floor=0.05).weights()

    for other in (selected, outer):
        both = [key for key in plain if key in other and key[1] is not None]
        assert sum(abs(plain[key] - other[key]) > 0.01 * abs(plain[key]) for key in both) > 100
