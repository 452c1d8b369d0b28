"""Every metric: its value against the formula in NumPy, and the effects on it against an intervention on the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from bench import literal
from circuit_atlas.errors import AtlasError, AttributionError, DataError, SettingsError
from circuit_atlas.ingest import DiscoverSettings, discover
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.dictionary_files import Suite
from circuit_atlas.ingest.examples import Example
from circuit_atlas.ingest.preparation import Loaded, prepare
from circuit_atlas.ingest.sites import Site, site_from_name
from circuit_atlas.ingest.subject import Subject
from circuit_atlas.ingest.texts import read_texts
from circuit_atlas.ingest.tokens import tokenise
from tests.ingest.tiny import D_MODEL, make_subject
from tests.ingest.tiny_runs import EDGE

pytestmark = pytest.mark.slow

Array = NDArray[np.float64]
CLEAN, PATCH = ["w02 w03 w04", "w05 w06 w07"], ["w12 w03 w04", "w13 w06 w07"]
SITE = site_from_name("attn_0")


def _log_softmax(logits: Array) -> Array:
    found: Array = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return found


def _sets(last: Array) -> Array:
    return np.array([last[0, 8] + last[0, 9] - last[0, 1] - last[0, 2] - last[0, 3], last[1, 10] - last[1, 4]])


def _probability(last: Array) -> Array:
    p = np.exp(_log_softmax(last))
    return np.array([p[0, 8] + p[0, 9] - p[0, 1] - p[0, 2] - p[0, 3], p[1, 10] - p[1, 4]])


def _loss(logits: Array) -> Array:
    """Both examples are five tokens: a prompt of three, and all but the last of an answer of three."""
    p = _log_softmax(logits)
    return -np.array([p[0, 2, 1] + p[0, 3, 2] + p[0, 4, 3], p[1, 2, 4] + p[1, 3, 5] + p[1, 4, 6]])


SETS: dict[str, list[Any]] = {
    "clean_answer": [[" w01", " w02", " w03"], " w04"],
    "patch_answer": [[" w08", " w09"], " w10"],
}
WHOLE: dict[str, list[Any]] = {
    "clean_answer": [" w01 w02 w03", " w04 w05 w06"],
    "patch_answer": [" w07", " w08"],
}
LOGIT_METRICS: dict[str, tuple[dict[str, list[Any]], Callable[[Array], Array]]] = {
    "logit-difference": (SETS, lambda logits: _sets(logits[:, -1])),
    "probability": (SETS, lambda logits: _probability(logits[:, -1])),
    "log-probability": (WHOLE, _loss),
    "loss": (WHOLE, lambda logits: _loss(logits) / 3),
}


def _write(folder: Path, answers: dict[str, list[Any]]) -> Path:
    columns = {"clean_prefix": CLEAN, "patch_prefix": PATCH, **answers}
    lines = [json.dumps({key: values[i] for key, values in columns.items()}) for i in range(len(CLEAN))]
    file = folder / "examples.jsonl"
    file.write_text("\n".join(lines))
    return file


def _settings(folder: Path, answers: dict[str, list[Any]], metric: str, **more: Any) -> DiscoverSettings:
    if metric == "kl":
        more = {"outer_gradient": "ig", "jacobian": "path", **more}
    return DiscoverSettings(
        model=str(folder / "model"),
        dictionaries="made here",
        examples=str(_write(folder, answers)),
        metric=metric,
        held_out_share=0.0,
        measure_thresholds=0,
        **more,
    )


def _loaded(folder: Path) -> Loaded:
    subject = make_subject(folder / "model", "neox", "topk", "none")
    return Loaded(subject.model, Suite("made here", dict(sorted(subject.dictionaries.items()))))


def _ready(folder: Path, answers: dict[str, list[Any]], metric: str) -> tuple[Subject, Batch]:
    settings = _settings(folder, answers, metric)
    work = prepare(settings, read_texts(settings), _loaded(folder))
    (batch,) = work.batches(work.data.train)
    return work.subject, batch


@pytest.mark.parametrize("name", LOGIT_METRICS)
def test_the_value_is_the_formula(name: str, tmp_path: Path) -> None:
    answers, formula = LOGIT_METRICS[name]
    subject, batch = _ready(tmp_path, answers, name)
    with torch.no_grad():
        logits = subject.model.run(batch.clean)
    np.testing.assert_allclose(subject.metric(logits, batch).numpy(), formula(logits.double().numpy()), rtol=1e-5)


def test_a_whole_answer_is_its_tokens_one_after_the_other(tmp_path: Path) -> None:
    answers = {"clean_answer": [" w01 w02 w03", " w04 w05"], "patch_answer": [" w07", " w08"]}
    settings = _settings(tmp_path, answers, "log-probability", positions="sum")
    work = prepare(settings, read_texts(settings), _loaded(tmp_path))
    for batch in work.batches(work.data.train):
        found = work.subject.metric(work.subject.model.run(batch.clean), batch)
        for index, value in zip(batch.indices.tolist(), found.tolist(), strict=True):
            tokens = [int(word[1:]) for word in CLEAN[index].split()]
            expected = 0.0
            for word in answers["clean_answer"][index].split():
                logits = work.subject.model.run(torch.tensor([tokens]))[0, -1]
                expected -= float(logits.log_softmax(-1)[int(word[1:])])
                tokens.append(int(word[1:]))
            assert value == pytest.approx(expected, rel=1e-5)


def _exact(subject: Subject, batch: Batch, value: Callable[[Tensor], Tensor], unit: int, position: int) -> float:
    """Mean change of the metric when one unit takes its patch value, by running the model with it."""
    dictionary = subject.dictionaries[SITE]
    clean, patch = (literal.states(subject, batch, patch=end)[SITE] for end in (False, True))
    features = clean[0].clone()
    features[:, position, unit] = patch[0][:, position, unit]
    before, after = (value(literal.decode(dictionary, (f, clean[1]))) for f in (clean[0], features))
    return float((after - before).mean())


def _features(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    strongest = [row for row in rows if row["kind"] == "feature" and (row["component"], row["layer"]) == ("attn", 0)]
    assert len(strongest) >= 3
    return strongest[:3]


@pytest.mark.parametrize("name", LOGIT_METRICS)
def test_effects_are_those_of_an_intervention(name: str, tmp_path: Path) -> None:
    answers, formula = LOGIT_METRICS[name]
    subject, batch = _ready(tmp_path, answers, name)
    found = discover(_settings(tmp_path, answers, name, method="exact"), loaded=_loaded(tmp_path))

    def value(x: Tensor) -> Tensor:
        with torch.no_grad():
            logits = subject.model.run(batch.clean, {SITE: lambda _: x})
        return torch.from_numpy(formula(logits.double().numpy()))

    for row in _features([dict(row) for row in found.rows.nodes["CircuitNode"]]):
        exact = _exact(subject, batch, value, row["feature_index"], row["position"])
        assert row["effect"] == pytest.approx(exact, abs=2e-5)
    assert found.rows.nodes["Circuit"][0]["metric"] == subject.metric.name


def test_divergence_from_clean(tmp_path: Path) -> None:
    subject, batch = _ready(tmp_path, {}, "kl")
    found = discover(_settings(tmp_path, {}, "kl", method="exact"), loaded=_loaded(tmp_path))
    with torch.no_grad():
        clean = subject.model.run(batch.clean)[:, -1].double().log_softmax(-1)

    def value(x: Tensor) -> Tensor:
        with torch.no_grad():
            now = subject.model.run(batch.clean, {SITE: lambda _: x})[:, -1].double().log_softmax(-1)
        return (clean.exp() * (clean - now)).sum(-1)

    circuit = found.rows.nodes["Circuit"][0]
    assert circuit["metric_clean"] == pytest.approx(0.0, abs=1e-6)
    assert circuit["accuracy"] is None
    for row in _features([dict(row) for row in found.rows.nodes["CircuitNode"]]):
        exact = _exact(subject, batch, value, row["feature_index"], row["position"])
        assert row["effect"] == pytest.approx(exact, abs=2e-5)


def _classifier(folder: Path, site: str, width: int = D_MODEL) -> tuple[str, Tensor]:
    weight = torch.randn(1, width, generator=torch.Generator().manual_seed(2))
    save_file({"weight": weight, "bias": torch.tensor([0.5])}, folder / "probe.safetensors", {"site": site})
    return f"classifier:{folder / 'probe.safetensors'}", weight[0]


def test_a_classifier_on_pooled_activations(tmp_path: Path) -> None:
    name, weight = _classifier(tmp_path, "resid_0")
    subject, batch = _ready(tmp_path, {}, name)
    found = discover(_settings(tmp_path, {}, name, method="exact"), loaded=_loaded(tmp_path))
    read = site_from_name("resid_0")

    def value(x: Tensor) -> Tensor:
        seen: list[Tensor] = []

        def note(stream: Tensor) -> Tensor:
            seen.append(stream)
            return stream

        with torch.no_grad():
            subject.model.run(batch.clean, {SITE: lambda _: x, read: note})
        return (seen[0].mean(1) * weight).sum(-1) + 0.5

    rows = [dict(row) for row in found.rows.nodes["CircuitNode"]]
    assert {row["layer"] for row in rows if row["kind"] != "target"} <= {-1, 0}  # what comes after it has no effect
    for row in _features(rows):
        exact = _exact(subject, batch, value, row["feature_index"], row["position"])
        assert row["effect"] == pytest.approx(exact, abs=2e-5)


def test_edges_to_a_classifier_at_a_site_of_its_own(tmp_path: Path) -> None:
    """What sits where the classifier reads acts on it in closed form: change · (w · direction) / positions."""
    name, weight = _classifier(tmp_path, "resid_0")
    found = discover(_settings(tmp_path, {}, name, method="ig"), loaded=_loaded(tmp_path))
    subject, batch = _ready(tmp_path, {}, name)
    site = site_from_name("resid_0")
    clean, patch = (literal.states(subject, batch, patch=end)[site] for end in (False, True))
    change = (patch[0] - clean[0]).mean(0)
    rows = {row["id"]: row for row in found.rows.nodes["CircuitNode"]}
    target = next(id for id, row in rows.items() if row["kind"] == "target")
    checked = 0
    for edge in (edge for edge in found.rows.relationships[EDGE] if edge["to"] == target):
        row = rows[edge["from"]]
        if (row["kind"], row["component"]) == ("feature", "resid"):
            unit = row["feature_index"]
            direction = subject.dictionaries[site].decoder_rows(torch.tensor([unit]))[0]
            expected = change[row["position"], unit] * (weight @ direction) / 3
            assert edge["weight"] == pytest.approx(float(expected), abs=1e-5)
            checked += 1
    assert checked > 3


def test_a_function_of_the_users(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def confidence(logits, batch):\n    return -logits[:, -1].amax(-1)\n")
    found = discover(_settings(tmp_path, SETS, f"{file}:confidence", method="exact"), loaded=_loaded(tmp_path))
    assert found.rows.nodes["Circuit"][0]["metric"].startswith("mine.py:confidence ")
    subject, batch = _ready(tmp_path, SETS, f"{file}:confidence")

    def value(x: Tensor) -> Tensor:
        with torch.no_grad():
            return -subject.model.run(batch.clean, {SITE: lambda _: x})[:, -1].amax(-1)

    for row in _features([dict(row) for row in found.rows.nodes["CircuitNode"]]):
        exact = _exact(subject, batch, value, row["feature_index"], row["position"])
        assert row["effect"] == pytest.approx(exact, abs=2e-5)


BROKEN = {
    "a NaN": ("return logits[:, -1, 0] * float('nan')", "gives nan on"),
    "a wrong shape": ("return logits[:, -1]", "one number per example"),
    "a number": ("return 0.5", "one number per example"),
    "of nothing": ("return 0 * logits[:, -1, 0].detach()", "every effect is zero"),
    "an error": ("return logits[missing]", "NameError"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_function_that_is_no_metric(what: str, tmp_path: Path) -> None:
    body, told = BROKEN[what]
    file = tmp_path / "mine.py"
    file.write_text(f"def mine(logits, batch):\n    {body}\n")
    with pytest.raises((AttributionError, SettingsError), match=told) as refused:
        discover(_settings(tmp_path, SETS, f"{file}:mine"), loaded=_loaded(tmp_path))
    assert "\n" not in str(refused.value)


NAMES = {
    "logit-diference": "did you mean 'logit-difference'",
    "none.py:mine": "there is no file none.py",
    "no_such_module:mine": "No module named",
    "classifier:none.safetensors": "cannot be read",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_that_there_is_not(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=NAMES[name]):
        _ready(tmp_path, SETS, name)


def test_a_classifier_for_another_model(tmp_path: Path) -> None:
    name, _ = _classifier(tmp_path, "resid_0", width=7)
    with pytest.raises(SettingsError, match="reads 7 numbers at resid_0"):
        _ready(tmp_path, {}, name)


def test_the_divergence_needs_gradients_off_clean() -> None:
    with pytest.raises(SettingsError, match="flat at clean"):
        DiscoverSettings(model="m", dictionaries="d", examples="e", metric="kl")


def test_what_is_read_of_answers_is_demanded(tmp_path: Path) -> None:
    tokenizer = _loaded(tmp_path).model.tokenizer
    several = Example("w02", " w03", clean_answers=(" w03", " w04"), where="line 1")
    refused: type[AtlasError] = DataError
    with pytest.raises(refused, match="reads one whole answer"):
        tokenise([several], tokenizer, "whole")
    with pytest.raises(refused, match="or the metric log-probability"):
        tokenise([Example("w02", " w03 w04", where="line 1")], tokenizer)


def test_sites_after_the_classifier_are_left_out(tmp_path: Path) -> None:
    name, _ = _classifier(tmp_path, "embed")
    subject, _ = _ready(tmp_path, {}, name)
    assert list(subject.dictionaries) == [Site(-1, 0)]
