"""The few figures of a circuit's faithfulness that stand for it in a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SHARE = 0.25
"""A circuit that counts as small: at most this share of the units active on one example."""

COLUMNS = ("kept", "of_active", "faithfulness", "low", "high", "n_random", "random_95", "without_errors")


def headline(measured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the figures of the largest node set that is small, or of the smallest where none is.

    Args:
        measured: rows of `analysis.faithfulness_table`.

    Returns:
        `kept` units of the `of_active` that are active on one example; faithfulness, its interval, the 95th percentile
        of `n_random` random circuits, and faithfulness without errors; all None where nothing was measured.

    """
    circuits = [m for m in measured if m["errors"] == "default"]
    if not circuits:
        return dict.fromkeys(COLUMNS)
    small = [m for m in circuits if m["n_nodes"] <= SHARE * m["n_active"]]
    chosen = max(small, key=_size) if small else min(circuits, key=_size)
    same = [m for m in measured if m["node_threshold"] == chosen["node_threshold"]]
    without = [m["faithfulness"] for m in same if m["errors"] == "remove"]
    return {
        "kept": chosen["n_nodes"],
        "of_active": round(chosen["n_active"]),
        **{name: chosen[name] for name in ("faithfulness", "low", "high", "n_random", "random_95")},
        "without_errors": without[0] if without else None,
    }


def _size(measured: Mapping[str, Any]) -> int:
    return int(measured["n_nodes"])
