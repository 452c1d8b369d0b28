"""The model card, from measured figures alone."""

from __future__ import annotations

from typing import Any

_HEAD = """# Model card: the demo model of Circuit Atlas

A Llama of 3 layers, width 128 and 4 heads with a word-level vocabulary, trained on text of a seeded grammar
(`ingest/demo_model/grammar`), and a SAELens TopK dictionary (k = 16) at embed, attn, mlp and resid of every layer,
trained with the trainer of SAELens on the model's activations on that text; features that fire on fewer than one in
ten thousand tokens were then dropped. It is for trying circuits on, not for
language.

Made with `make demo-model`; the figures below are `figures.json`, which
`python -m pytest tests/test_shipped_model.py` recomputes from these files.

The words of agreement follow the pairs of Marks et al. (ICLR 2025) and Finlayson et al. (ACL 2021). Test items are made
of pairs of words that never meet in the training text: noun and verb, name and context, name and name.
"""

_TASKS = """
## Tasks, held-out items

Two-way: the right answer is above the wrong one. Full vocabulary: the top token of the whole vocabulary is right; for
agreement any verb of the right number counts, and for `sva/simple` the top is sought among the tokens that commit to a
number: after `The teacher` a preposition or `that` is as good English as a verb. Worst case of those named in the task.
Survives: the task metric that is left when one site's error is removed, least over the sites (target 0.7). The n-gram
sees the last two tokens.

| task | n | two-way | full vocabulary | n-gram | survives, least | at |
|---|---|---|---|---|---|---|
"""

_DICTIONARIES = """
## Dictionaries, fresh text

| site | features | L0 | dead | cross-entropy recovered |
|---|---|---|---|---|
"""

_LIMITS = """
## Limits

It knows single passages of up to two sentences, the templates of its grammar, no more. Each name has one gender.
"""


def model_card(figures: dict[str, Any]) -> str:
    """Markdown of the card, with what falls short of its target named."""
    tasks = "".join(_task_row(name, found) for name, found in figures["tasks"].items())
    sites = "".join(
        f"| {site} | {f['d_sae']} | {f['l0']:.2f} | {f['dead']:.1%} | {f['cross_entropy_recovered']:.2%} |\n"
        for site, f in figures["dictionaries"].items()
    )
    missed = misses(figures)
    short = "\n## Falls short of its target\n\n" + ("".join(f"- {line}\n" for line in missed) or "Nothing.\n")
    return _HEAD + _TASKS + tasks + _DICTIONARIES + sites + short + _LIMITS


def _task_row(name: str, found: dict[str, Any]) -> str:
    site, least = min(found["survives"].items(), key=lambda pair: float(pair[1]))
    worst = f"{min(found['two_way'].values()):.1%} | {min(found['full_vocabulary'].values()):.1%}"
    return f"| {name} | {found['n']} | {worst} | {found['ngram']:.1%} | {least:.2f} | {site} |\n"


def misses(figures: dict[str, Any]) -> list[str]:
    """Every figure that falls short, in one line each."""
    found = []
    for task, told in figures["tasks"].items():
        for kind, least in (("two_way", 0.99), ("full_vocabulary", 0.95), ("survives", 0.7)):
            low = {key: value for key, value in told[kind].items() if value < least}
            found += [f"{task}, {kind}, {key}: {value} (at least {least})" for key, value in low.items()]
    for site, told in figures["dictionaries"].items():
        if told["dead"] > 0.1:
            found.append(f"{site}, dead: {told['dead']} (at most 0.1)")
        if told["cross_entropy_recovered"] < 0.95:
            found.append(f"{site}, cross-entropy recovered: {told['cross_entropy_recovered']} (at least 0.95)")
    return found
