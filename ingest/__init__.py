"""Run the model: attribution and ablation, and the rows that they become in the graph."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from circuit_atlas.ingest.discovery import DiscoveredCircuit, Plan, discover, plan
    from circuit_atlas.ingest.measuring.measure import Measured, measure
    from circuit_atlas.ingest.measuring.proximal import measure_proximal
    from circuit_atlas.ingest.measuring.removals import measure_removals
    from circuit_atlas.ingest.measuring.settings import MeasureSettings
    from circuit_atlas.ingest.preparation import load
    from circuit_atlas.ingest.settings import DiscoverSettings, load_settings

# Settings load without torch, so that a command line can describe them quickly.
_HOMES = {
    "DiscoverSettings": "settings",
    "load_settings": "settings",
    "DiscoveredCircuit": "discovery",
    "Plan": "discovery",
    "discover": "discovery",
    "MeasureSettings": "measuring.settings",
    "Measured": "measuring.measure",
    "measure": "measuring.measure",
    "measure_proximal": "measuring.proximal",
    "measure_removals": "measuring.removals",
    "load": "preparation",
    "plan": "discovery",
}

__all__ = [
    "DiscoverSettings",
    "DiscoveredCircuit",
    "MeasureSettings",
    "Measured",
    "Plan",
    "discover",
    "load",
    "load_settings",
    "measure",
    "measure_proximal",
    "measure_removals",
    "plan",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
