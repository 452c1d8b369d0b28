"""Circuit Atlas: every sparse feature circuit in one graph, asked in Cypher.

Importing this package loads neither torch nor a database engine; each public name is loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from circuit_atlas._version import __version__

_HOMES = {
    "connect": "circuit_atlas.cypher",
    "discover": "circuit_atlas.ingest",
    "DiscoverSettings": "circuit_atlas.ingest",
    "strongest_paths": "circuit_atlas.analysis",
    "bottlenecks": "circuit_atlas.analysis",
    "compare": "circuit_atlas.analysis",
    "overlap": "circuit_atlas.analysis",
    "overlap_curve": "circuit_atlas.analysis",
    "overlap_matrix": "circuit_atlas.analysis",
    "sharing_null": "circuit_atlas.analysis",
    "AtlasError": "circuit_atlas.errors",
}

if TYPE_CHECKING:
    from circuit_atlas.analysis import (
        bottlenecks,
        compare,
        overlap,
        overlap_curve,
        overlap_matrix,
        sharing_null,
        strongest_paths,
    )
    from circuit_atlas.cypher import connect
    from circuit_atlas.errors import AtlasError
    from circuit_atlas.ingest import DiscoverSettings, discover

__all__ = [
    "AtlasError",
    "DiscoverSettings",
    "__version__",
    "bottlenecks",
    "compare",
    "connect",
    "discover",
    "overlap",
    "overlap_curve",
    "overlap_matrix",
    "sharing_null",
    "strongest_paths",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'circuit_atlas' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
