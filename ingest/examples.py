"""Examples from JSON lines: contrastive pairs, or single prompts for zero ablation."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuit_atlas.errors import DataError

_PAIR = ("clean_prefix", "patch_prefix", "clean_answer", "patch_answer")


@dataclass(frozen=True)
class Example:
    """One line of data.

    Attributes:
        clean_prefix: the prompt.
        clean_answer: its right continuation, as text; of several that are right, the first; empty where none is read.
        patch_prefix: the counterfactual prompt; None: a single prompt, whose other end is zero.
        patch_answer: the right continuation of the counterfactual.
        clean_answers: all that are right.
        patch_answers: likewise.
        case: group of the example, such as `singular_plural`.
        item: what is repeated where examples are not independent; the texts themselves unless given.
        roles: name of each token's position, first token included; empty where not given.
        where: file and line, for messages.

    """

    clean_prefix: str
    clean_answer: str
    patch_prefix: str | None = None
    patch_answer: str | None = None
    clean_answers: tuple[str, ...] = ()
    patch_answers: tuple[str, ...] = ()
    case: str = ""
    item: str = ""
    roles: tuple[str, ...] = ()
    where: str = ""

    def identity(self) -> list[str | list[str] | None]:
        """What makes it the example it is, for digests; roles matter only where positions are aligned by them."""
        told = [self.clean_prefix, self.patch_prefix, self.clean_answer, self.patch_answer, self.item]
        return [*told, list(self.clean_answers[1:]), list(self.patch_answers[1:])]


def read_examples(path: Path, *, answers: bool = True) -> list[Example]:
    """Read a JSON lines file; `answers` says whether every line must have one.

    Raises:
        DataError: the file is missing, empty, has a broken line (its number is named), or mixes pairs and singles.

    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise DataError(f"there is no examples file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the examples file {path} cannot be read: {error}") from None
    examples = [_parse(line, f"{path}, line {number}", answers) for number, line in enumerate(lines, 1) if line.strip()]
    if not examples:
        raise DataError(f"the examples file {path} is empty: one JSON object a line is expected")
    odd = next((e for e in examples if (e.patch_prefix is None) != (examples[0].patch_prefix is None)), None)
    if odd is not None:
        raise DataError(f"{odd.where}: pairs and single prompts are mixed in one file; split it in two")
    return examples


def _parse(line: str, where: str, answers: bool) -> Example:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON ({error.msg} at column {error.colno})") from None
    if not isinstance(value, dict):
        raise DataError(f"{where}: a JSON object is expected, not {type(value).__name__}")
    is_pair = "patch_prefix" in value or "patch_answer" in value
    wanted = _PAIR if is_pair else ("clean_prefix", "clean_answer")
    texts: dict[str, Any] = {}
    for key in wanted:
        if answers or key.endswith("prefix") or key in value:
            texts |= _text(value, key, where)
    if is_pair and value["clean_prefix"] == value["patch_prefix"]:
        raise DataError(f"{where}: clean_prefix and patch_prefix are the same, so no unit can have an effect")
    roles = value.get("roles", [])
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise DataError(f"{where}: 'roles' must be a list of texts, one a token")
    item = str(value.get("item", "")) or "\x1f".join(text for text in texts.values() if isinstance(text, str))
    texts.setdefault("clean_answer", "")
    return Example(**texts, case=str(value.get("case", "")), item=item, roles=tuple(roles), where=where)


def _text(value: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    """Return the text under a key; of answers, all of them where there are several."""
    found = value.get(key)
    several = found if isinstance(found, list) and key.endswith("answer") else [found]
    if not several or not all(isinstance(text, str) and text for text in several):
        raise DataError(f"{where}: {key!r} is missing or not a text")
    return {key: several[0]} | ({f"{key}s": tuple(several)} if key.endswith("answer") else {})


def sample(examples: Sequence[Example], most: int, seed: int) -> list[Example]:
    """Return at most `most` of the examples (0: all), drawn without replacement, in the file's order."""
    if most == 0 or len(examples) <= most:
        return list(examples)
    chosen = sorted(random.Random(seed).sample(range(len(examples)), most))
    return [examples[i] for i in chosen]


def split_by_item(examples: Sequence[Example], share: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Split into (rest, held out) so that no item is on both sides; about `share` of the items are held out."""
    items = sorted({example.item for example in examples})
    random.Random(seed).shuffle(items)
    held = set(items[: round(share * len(items))])
    return [e for e in examples if e.item not in held], [e for e in examples if e.item in held]
