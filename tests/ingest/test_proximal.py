"""The last layer's features, ablated one at a time in the whole model, against an ablation written out by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from circuit_atlas.analysis import proximal_causes
from circuit_atlas.cypher import connect
from circuit_atlas.errors import QueryError
from circuit_atlas.ingest import MeasureSettings, measure_proximal
from circuit_atlas.ingest.batches import Batch, batches
from circuit_atlas.ingest.dictionary_files import Suite
from circuit_atlas.ingest.examples import read_examples
from circuit_atlas.ingest.measuring.proximal import answer_ranks
from circuit_atlas.ingest.preparation import Loaded
from circuit_atlas.ingest.sites import site_from_name
from circuit_atlas.ingest.tokens import tokenise
from tests.ingest.tiny_runs import run_tiny, write_examples


@pytest.mark.slow
def test_each_feature_alone_and_all_at_once(tmp_path: Path) -> None:
    held = write_examples(tmp_path / "held.jsonl", pairs=True, lengths=(5, 5, 5, 5))
    run = run_tiny(tmp_path, method="atp", held_out=str(held), name="tiny")
    subject = run.subject
    loaded = Loaded(subject.model, Suite("random", subject.dictionaries))
    with connect(f"ladybug:{tmp_path / 'atlas.lbug'}", create=True) as store:
        store.write([run.circuit.rows])
        with pytest.raises(QueryError, match="--last-features 10"):
            proximal_causes(store, "tiny")
        asked = MeasureSettings("tiny", ablations=("patch",))
        measured = measure_proximal(store, asked, features=4, load_subject=lambda _: loaded)
        table = proximal_causes(store, "tiny", resamples=200)
    last = [(key, row) for key, row in run.nodes().items() if key[0].layer == 1 and row["kind"] == "feature"]
    last.sort(key=lambda pair: (-abs(pair[1]["effect"]), pair[1]["id"]))
    named = [f"{site.name}/feature/{unit}/{position}" for (site, unit, position), _ in last[:4]]

    by_site = Counter(site.name for (site, _, _), _ in last[:4])
    several = [name for name, count in by_site.items() if count > 1]
    together = [*(f"{name}/*" for name in several), *(["*"] if len(by_site) > 1 else [])]
    assert several
    assert [row["removed"] for row in measured.rows] == [*named, *together]
    assert table["removed"].tolist()[:4] == named
    assert sorted(table["removed"].tolist()[4:]) == sorted(together)
    assert [row["n_nodes"] for row in measured.rows[4:]] == [*(by_site[name] for name in several), 4][: len(together)]
    for name in several:
        credited = sum(row["effect"] for (site, _, _), row in last[:4] if site.name == name)
        assert table.set_index("removed")["effect"][f"{name}/*"] == pytest.approx(credited)
    assert table["effect"].tolist()[:4] == pytest.approx([row["effect"] for _, row in last[:4]])
    examples = tokenise(read_examples(held), subject.model.tokenizer)
    for row, ((site, unit, position), _) in zip(measured.rows, last[:4], strict=False):
        assert position is not None
        for number, batch in enumerate(batches(examples, 1)):
            values, rank = by_hand(subject.model, subject.dictionaries[site].sae, batch, site.name, unit, position)
            assert row["circuit"][number] == pytest.approx(values, abs=1e-4)
            assert row["ranks"][number] == rank
    assert table["rank"].nunique() == 1
    changes = {
        row["removed"]: torch.tensor(row["circuit"]).mean() - torch.tensor(row["full"]).mean() for row in measured.rows
    }
    assert table["change"].tolist() == pytest.approx([float(changes[name]) for name in table["removed"]], abs=1e-5)
    empties = [nothing_left(subject, batch) for batch in batches(examples, 1)]
    assert all(row["empty"] == pytest.approx(empties, abs=1e-4) for row in measured.rows)
    assert measured.rows[0]["m_empty"] == pytest.approx(sum(empties) / len(empties), abs=1e-4)


def by_hand(model: Any, sae: Any, batch: Batch, site: str, unit: int, position: int) -> tuple[float, int]:
    """Metric and rank with one feature at its value on the patch input, everything else left to compute."""
    at = site_from_name(site)
    assert batch.patch is not None
    other = model.activations(batch.patch, [at])[at]

    def replace(x: Tensor) -> Tensor:
        f, g = sae.encode(x), sae.encode(other)
        moved = x.clone()
        moved[:, position] += (g - f)[:, position, unit, None] * sae.W_dec[unit]
        return moved

    with torch.no_grad():
        logits = model.run(batch.clean, {at: replace})[0, -1]
    assert batch.patch_answer is not None
    clean, patch = int(batch.clean_answer), int(batch.patch_answer)
    return float(logits[patch] - logits[clean]), 1 + int((logits > logits[clean]).sum())


def nothing_left(subject: Any, batch: Batch) -> float:
    """Metric with every feature at its value on the patch input, what the dictionaries leave out still computing."""
    assert batch.patch is not None
    assert batch.patch_answer is not None
    sites = list(subject.dictionaries)
    other = subject.model.activations(batch.patch, sites)

    def replaced(at: Any) -> Any:
        sae = subject.dictionaries[at].sae
        return lambda x: x + sae.decode(sae.encode(other[at])) - sae.decode(sae.encode(x))

    with torch.no_grad():
        logits = subject.model.run(batch.clean, {at: replaced(at) for at in sites if at.component != "embed"})[0, -1]
    return float(logits[int(batch.patch_answer)] - logits[int(batch.clean_answer)])


def test_the_rank_of_the_best_of_several_answers() -> None:
    logits = torch.tensor([[0.1, 0.9, 0.5, 0.7], [0.4, 0.1, 0.2, 0.3]])
    one = torch.tensor([2, 1])
    order = torch.arange(2)
    batch = Batch(torch.zeros(2, 1, dtype=torch.long), one, None, None, order, order)
    assert answer_ranks(logits, batch).tolist() == [3, 4]
    several = Batch(batch.clean, one, None, None, order, order, clean_set=torch.tensor([[2, 3], [1, -1]]))
    assert answer_ranks(logits, several).tolist() == [2, 4]
