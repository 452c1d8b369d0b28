"""Measure the shipped files: accuracy on held-out items, the n-gram beside it, and what the dictionaries lose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from circuit_atlas.ingest.batches import Batch, TokenExample, batches
from circuit_atlas.ingest.demo_model import corpus
from circuit_atlas.ingest.demo_model.ngram import Ngram
from circuit_atlas.ingest.demo_model.tasks.files import neutral_words, right_words
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.dictionary_files import load_suite
from circuit_atlas.ingest.examples import read_examples
from circuit_atlas.ingest.language_model import LanguageModel, Replace
from circuit_atlas.ingest.metrics import LogitDifference
from circuit_atlas.ingest.model_files import load_model
from circuit_atlas.ingest.tokens import tokenise

_TEXT_SEED = 1_000_003
"""Seed of the text that dictionaries are measured on; no training text has it."""


def measure_all(folder: Path) -> dict[str, Any]:
    """All figures of the model, dictionaries and tasks below `folder`, rounded to four places."""
    model = load_model(str(folder / "model"))
    dictionaries = load_suite(str(folder / "dictionaries"), model).dictionaries
    ngram = Ngram(model.tokenizer, _TEXT_SEED + 1, 20_000)
    tasks = {}
    for path in sorted((folder / "tasks").glob("*/*/test.jsonl")):
        examples = tokenise(read_examples(path), model.tokenizer)
        name = path.parent.relative_to(folder / "tasks").as_posix()
        figures = task_figures(model, examples, neutral_words(name))
        figures["ngram"] = round(ngram.accuracy(examples), 4)
        figures["survives"] = survival(model, dictionaries.values(), examples)
        tasks[name] = figures
    return {"tasks": tasks, "dictionaries": dictionary_figures(model, list(dictionaries.values()))}


def task_figures(model: LanguageModel, examples: Sequence[TokenExample], neutral: Iterable[str] = ()) -> dict[str, Any]:
    """Two-way and full-vocabulary accuracy, each case apart; `neutral` words are left out of the vocabulary."""
    left_out = model.tokenizer.convert_tokens_to_ids([f" {word}" for word in sorted(neutral)])
    two_way: defaultdict[str, list[bool]] = defaultdict(list)
    full: defaultdict[str, list[bool]] = defaultdict(list)
    with torch.no_grad():
        for batch in batches(examples, 256):
            logits = model.run(batch.clean)
            wins = LogitDifference()(logits, batch) < 0
            logits[:, -1, left_out] = -torch.inf
            tops = model.tokenizer.convert_ids_to_tokens(logits[:, -1].argmax(-1).tolist())
            for index, win, top in zip(batch.indices.tolist(), wins.tolist(), tops, strict=True):
                example = examples[index].example
                two_way[example.case].append(win)
                full[example.case].append(top.strip() in right_words(example.clean_answer.strip()))
    return {
        "n": len(examples),
        "two_way": {case: _share(found) for case, found in sorted(two_way.items())},
        "full_vocabulary": {case: _share(found) for case, found in sorted(full.items())},
    }


def _share(found: Sequence[bool]) -> float:
    return round(sum(found) / len(found), 4)


def survival(model: LanguageModel, dictionaries: Any, examples: Sequence[TokenExample]) -> dict[str, float]:
    """For each site, (m without its error - m patch) / (m clean - m patch), of means over the first 64 examples."""
    found = {}
    groups = batches(examples[:64], 256)
    clean, patch = _mean_metric(model, groups, {}), _mean_metric(model, [_patched(b) for b in groups], {})
    for dictionary in dictionaries:
        without = _mean_metric(model, groups, {dictionary.site: _reconstruct(dictionary)})
        found[dictionary.site.name] = round((without - patch) / (clean - patch), 4)
    return found


def _patched(batch: Batch) -> Batch:
    assert batch.patch is not None
    return Batch(batch.patch, batch.clean_answer, batch.patch, batch.patch_answer, batch.indices, batch.items)


def _mean_metric(model: LanguageModel, groups: Sequence[Batch], replace: Mapping[Any, Replace]) -> float:
    metric = LogitDifference()
    with torch.no_grad():
        return float(torch.cat([metric(model.run(batch.clean, replace), batch) for batch in groups]).mean())


def _reconstruct(dictionary: SparseDictionary) -> Replace:
    return lambda x: dictionary.reconstruct(dictionary.encode(x)) + dictionary.bias


def dictionary_figures(model: LanguageModel, dictionaries: Sequence[SparseDictionary]) -> dict[str, dict[str, float]]:
    """For each site L0, the share of dead features and of cross-entropy recovered, on fresh text of the grammar."""
    texts = list(corpus.batches(model.tokenizer, _TEXT_SEED, 250, 16))
    plain = _cross_entropy(model, texts, {})
    found = {}
    for dictionary in dictionaries:
        site = dictionary.site
        with_features = _cross_entropy(model, texts, {site: _reconstruct(dictionary)})
        zeroed = _cross_entropy(model, texts, {site: torch.zeros_like})
        active, fired = _activity(model, dictionary, texts)
        found[site.name] = {
            "d_sae": dictionary.d_sae,
            "l0": round(active, 4),
            "dead": round(1 - fired / dictionary.d_sae, 4),
            "cross_entropy_recovered": round((zeroed - with_features) / (zeroed - plain), 4),
        }
    return found


def _cross_entropy(model: LanguageModel, texts: Sequence[Tensor], replace: Mapping[Any, Replace]) -> float:
    pad = model.tokenizer.pad_token_id
    total, count = 0.0, 0
    with torch.no_grad():
        for tokens in texts:
            logits = model.run(tokens, replace)[:, :-1].flatten(0, 1)
            right = tokens[:, 1:].flatten()
            total += float(torch.nn.functional.cross_entropy(logits, right, ignore_index=pad, reduction="sum"))
            count += int((right != pad).sum())
    return total / count


def _activity(model: LanguageModel, dictionary: SparseDictionary, texts: Sequence[Tensor]) -> tuple[float, int]:
    """Mean number of features active on a token, and the number that ever are."""
    total, count = 0, 0
    fired = torch.zeros(dictionary.d_sae, dtype=torch.bool)
    for tokens in texts:
        x = model.activations(tokens, [dictionary.site])[dictionary.site][tokens != model.tokenizer.pad_token_id]
        active = dictionary.encode(x) != 0
        total, count = total + int(active.sum()), count + len(x)
        fired |= active.any(0)
    return total / count, int(fired.sum())
