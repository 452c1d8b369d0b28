"""The few figures of a circuit's faithfulness that stand for it in a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SHARE = 0.25
"""A circuit that counts as small: at most this share of the units active on one example."""

COLUMNS = ("kept", "of_active", "faithfulness", "without_errors", "random")


def headline(measurements: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the figures of the largest measured node set that is small, or of the smallest where none is.

    `kept` units of the `of_active` that are active on one example; faithfulness of the circuit, of it without its
    errors, and the mean of random circuits with the same errors. All None where nothing was measured.
    """
    circuits = [m for m in measurements if m["kind"] == "circuit" and m["errors"] == "default"]
    if not circuits:
        return dict.fromkeys(COLUMNS)
    small = [m for m in circuits if m["n_nodes"] <= SHARE * m["n_active"]]
    chosen = max(small, key=_size) if small else min(circuits, key=_size)
    beside = [m for m in measurements if m["node_threshold"] == chosen["node_threshold"]]
    return {
        "kept": chosen["n_nodes"],
        "of_active": round(chosen["n_active"]),
        "faithfulness": chosen["faithfulness"],
        "without_errors": mean([m["faithfulness"] for m in beside if m["errors"] == "remove"]),
        "random": mean([m["faithfulness"] for m in beside if m["kind"] == "random"]),
    }


def _size(measurement: Mapping[str, Any]) -> int:
    return int(measurement["n_nodes"])


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are there, None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
