"""Rows of a table as plain mappings."""

from __future__ import annotations

from typing import Any

import pandas as pd


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as mappings from column to value, with None where the frame has any kind of missing value."""
    return [
        {str(name): None if missing(value) else value for name, value in row.items()}
        for row in frame.to_dict(orient="records")
    ]


def missing(value: object) -> bool:
    """Whether a value of a table stands for none: None, NA or NaN."""
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)
