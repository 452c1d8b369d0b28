"""Tables and facts of the page: rows of queries under headings that people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from circuit_atlas.dashboard.records import records
from circuit_atlas.dashboard.wording import tokens, unit_name

_CIRCUITS = {
    "name": "circuit",
    "task": "task",
    "model": "model",
    "method": "method",
    "positions": "positions",
    "n_nodes": "nodes",
    "n_edges": "edges",
    "n_examples": "examples",
    "accuracy": "accuracy",
    "faithfulness": "faithfulness",
    "measured_nodes": "at nodes",
}

_MEASUREMENTS = {
    "task": "task",
    "kind": "kind",
    "errors": "errors",
    "ablation": "ablation",
    "node_threshold": "node threshold",
    "n_nodes": "nodes",
    "start_layer": "start layer",
    "split": "split",
    "faithfulness": "faithfulness",
    "completeness": "completeness",
}

_SETTINGS = ("method", "steps", "ablation", "selection", "positions", "outer_gradient", "jacobian", "first_token")


def circuit_table(circuits: pd.DataFrame) -> pd.DataFrame:
    """One line a circuit, of the query `circuits`."""
    return _renamed(circuits, _CIRCUITS)


def measurement_table(measurements: pd.DataFrame) -> pd.DataFrame:
    """One line a measurement, of the query `measurements`."""
    return _renamed(measurements, _MEASUREMENTS)


def strongest_table(nodes: pd.DataFrame, limit: int) -> pd.DataFrame:
    """The strongest features and errors of the query `nodes`, with what they fire on and promote."""
    rows = records(nodes[nodes["kind"] != "target"].head(limit))
    return pd.DataFrame(
        {
            "unit": [unit_name(row) for row in rows],
            "label": ["" if row["kind"] == "group" else row["label"] or "" for row in rows],
            "position": pd.array([row["position"] for row in rows], dtype="Int64"),
            "role": [row["role"] or "" for row in rows],
            "effect": [row["effect"] for row in rows],
            "± s.e.": [row["effect_se"] for row in rows],
            "fires on": [tokens(row["top_tokens"]) for row in rows],
            "promotes": [tokens(row["promotes"]) for row in rows],
        }
    )


def group_table(groups: pd.DataFrame) -> pd.DataFrame:
    """The groups of the query `group_members`, with the features that each holds."""
    rows = records(groups)
    return pd.DataFrame(
        {
            "group": [unit_name(row | {"kind": "group"}) for row in rows],
            "role": [row["role"] or "" for row in rows],
            "effect": [row["effect"] for row in rows],
            "features": [row["n_members"] for row in rows],
            "held": [" ".join(sorted((key.rpartition("/")[2] for key in row["members"]), key=int)) for row in rows],
        }
    )


def facts(circuit: Mapping[str, Any], faithfulness: float | None) -> dict[str, str]:
    """The figures that stand above a circuit's drawing, in words."""
    return {
        "metric, clean": figure(circuit["metric_clean"]),
        "metric, patch": figure(circuit["metric_patch"]),
        "accuracy": percentage(circuit["accuracy"]),
        "right sign": percentage(circuit["right_sign"]),
        "faithfulness": figure(faithfulness),
        "nodes": f"{int(circuit['n_nodes']):,}",
        "edges": f"{int(circuit['n_edges']):,}",
    }


def setting_line(circuit: Mapping[str, Any]) -> str:
    """How the circuit was found, in one line."""
    given = [f"{name.replace('_', ' ')} {circuit[name]}" for name in _SETTINGS if circuit[name] is not None]
    return " · ".join([*given, f"{int(circuit['n_examples'])} examples ({circuit['split']})"])


def figure(value: float | None) -> str:
    """A number to three significant digits, or a dash where there is none."""
    return f"{value:.3g}" if value is not None else "–"


def percentage(value: float | None) -> str:
    """A share in per cent, or a dash where there is none."""
    return f"{100 * value:.1f} %" if value is not None else "–"


def _renamed(frame: pd.DataFrame, headings: Mapping[str, str]) -> pd.DataFrame:
    present = {name: heading for name, heading in headings.items() if name in frame}
    return frame[list(present)].rename(columns=present)
