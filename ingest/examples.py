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
        clean_answer: its right next token, as text.
        patch_prefix: the counterfactual prompt; None: a single prompt, whose other end is zero.
        patch_answer: the right next token of the counterfactual.
        case: group of the example, such as `singular_plural`.
        item: what is repeated where examples are not independent; the texts themselves unless given.
        roles: name of each token's position, first token included; empty where not given.
        where: file and line, for messages.

    """

    clean_prefix: str
    clean_answer: str
    patch_prefix: str | None = None
    patch_answer: str | None = None
    case: str = ""
    item: str = ""
    roles: tuple[str, ...] = ()
    where: str = ""

    def identity(self) -> list[str | None]:
        """What makes it the example it is, for digests."""
        return [self.clean_prefix, self.patch_prefix, self.clean_answer, self.patch_answer]


def read_examples(path: Path) -> list[Example]:
    """Read a JSON lines file.

    Raises:
        DataError: the file is missing, empty, has a broken line (its number is named), or mixes pairs and singles.

    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise DataError(f"there is no examples file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the examples file {path} cannot be read: {error}") from None
    examples = [_parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not examples:
        raise DataError(f"the examples file {path} is empty: one JSON object a line is expected")
    odd = next((e for e in examples if (e.patch_prefix is None) != (examples[0].patch_prefix is None)), None)
    if odd is not None:
        raise DataError(f"{odd.where}: pairs and single prompts are mixed in one file; split it in two")
    return examples


def _parse(line: str, where: str) -> Example:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON ({error.msg} at column {error.colno})") from None
    if not isinstance(value, dict):
        raise DataError(f"{where}: a JSON object is expected, not {type(value).__name__}")
    wanted = _PAIR if "patch_prefix" in value or "patch_answer" in value else ("clean_prefix", "clean_answer")
    for key in wanted:
        if not isinstance(value.get(key), str) or not value[key]:
            raise DataError(f"{where}: {key!r} is missing or not a text")
    texts: dict[str, Any] = {key: value[key] for key in wanted}
    if len(wanted) == 4 and value["clean_prefix"] == value["patch_prefix"]:
        raise DataError(f"{where}: clean_prefix and patch_prefix are the same, so no unit can have an effect")
    roles = value.get("roles", [])
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise DataError(f"{where}: 'roles' must be a list of texts, one a token")
    item = str(value.get("item", "")) or "\x1f".join(texts.values())
    return Example(**texts, case=str(value.get("case", "")), item=item, roles=tuple(roles), where=where)


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
