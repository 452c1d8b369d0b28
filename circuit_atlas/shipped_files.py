"""Where the shipped model, its dictionaries and its tasks are; imports no torch."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

_HOME = Path(__file__).parent / "shipped"


@dataclass(frozen=True)
class ShippedTask:
    """One task that ships with the model.

    Attributes:
        id: group and name, such as `sva/nounpp`.
        title: a few words.
        description: what the model must carry, and from where.
        train: JSON lines to find the circuit on.
        test: JSON lines, held out by lexical item, to measure it on.

    """

    id: str
    title: str
    description: str
    train: Path
    test: Path


def model_path() -> Path:
    """Folder of the model, a Hugging Face checkpoint with its tokenizer."""
    return _HOME / "model"


def dictionaries_path() -> Path:
    """Folder of its SAELens dictionaries, a subfolder a site."""
    return _HOME / "dictionaries"


def tasks() -> list[ShippedTask]:
    """All tasks, sorted by id."""
    found = []
    for path in sorted((_HOME / "tasks").glob("*/*/task.toml")):
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        files = (path.with_name("train.jsonl"), path.with_name("test.jsonl"))
        found.append(ShippedTask(told["id"], told["title"], told["description"], *files))
    return found
