"""How people write units: `embed/12`, `resid_3/417`, `mlp_0/error`, `target`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def unit_name(row: Mapping[str, Any], prefix: str = "") -> str:
    """Name the unit whose component, layer, feature_index (and role or position) a row has, with that prefix.

    A group, told by its kind, is named by its label: `resid_3/417+2`.
    """
    component, index = row[f"{prefix}component"], row[f"{prefix}feature_index"]
    if component == "target":
        return "target"
    site = "embed" if component == "embed" else f"{component}_{row[f'{prefix}layer']}"
    role, position = row.get(f"{prefix}role") or "", row.get(f"{prefix}position")
    place = f"@{role}" if role else (f"@{position}" if position is not None and position >= 0 else "")
    unit = row[f"{prefix}label"] if row.get(f"{prefix}kind") == "group" else "error" if index is None else index
    return f"{site}/{unit}{place}"
