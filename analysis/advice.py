"""The command that makes measurements which a question finds missing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

_OPTIONS = {
    "task": "--on", "errors": "--errors", "ablation": "--ablation", "means_over": "--means-over",
    "start_layer": "--start-layer", "split": "--split", "level": "--level",
}  # fmt: skip
"""Option of `measure` by the column whose value it chooses."""

_USUAL = {"ablation": "mean", "start_layer": 0, "split": "held-out"}
"""What `measure` does without being told."""


def said_of(only: Mapping[str, Any]) -> str:
    """Say which values the columns of `only` must have: ` with ablation zero`; nothing of none."""
    return " with " + ", ".join(f"{name} {value}" for name, value in only.items()) if only else ""


def measure_command(circuit: str, own_task: str, only: Mapping[str, Any], *more: str) -> str:
    """Give the command after which a circuit has measurements whose columns have the values of `only`."""
    usual = _USUAL | {"task": own_task}
    words = [
        word
        for name, option in _OPTIONS.items()
        if name in only and only[name] != usual.get(name)
        for word in (option, str(only[name]))
    ]
    return shlex.join(["circuit-atlas", "measure", circuit, *words, *more])
