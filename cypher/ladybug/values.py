"""Values of the embedded engine as plain ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from circuit_atlas.cypher.schema import LABEL_BY_NAME


def plain(value: Any) -> Any:
    """A node as a dict with `_label`, Decimal (sums of integers) as int or float, the rest as it is."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        if "_ID" in value and value.get("_LABEL") in LABEL_BY_NAME:
            label = value["_LABEL"]
            return {"_label": label} | {p.name: plain(value.get(p.name)) for p in LABEL_BY_NAME[label].properties}
        return {name: plain(item) for name, item in value.items()}
    return value
