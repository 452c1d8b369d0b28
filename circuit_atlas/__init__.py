"""Circuit Atlas: every sparse feature circuit in one graph, asked in Cypher.

Importing this package loads neither torch nor a database engine; each public name is loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import Any

from circuit_atlas._version import __version__

_HOMES = {
    "connect": "circuit_atlas.cypher",
    "discover": "circuit_atlas.ingest",
    "DiscoverSettings": "circuit_atlas.ingest",
    "AtlasError": "circuit_atlas.errors",
}

__all__ = ["AtlasError", "DiscoverSettings", "__version__", "connect", "discover"]  # pyright: ignore


def __getattr__(name: str) -> Any:
    """Load a public name from its home on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'circuit_atlas' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
