"""Which settings a table must show, so that no two of its rows look alike and are of different measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

CHOICES = ("level", "ablation", "means_over", "start_layer", "split", "data_digest")
"""What measurements of one circuit on one task may differ in, beside errors and thresholds."""


DIGITS = 12
"""How many digits of a digest tell data apart."""


def telling(table: pd.DataFrame, key: Sequence[str] = ("circuit", "task", "errors")) -> list[str]:
    """Return the columns of `CHOICES` in which rows differ that are alike in `key` and in those returned before.

    Data that another split, or another task, brings with it are not named again.
    """
    found: list[str] = []
    named = [name for name in key if name in table]
    for name in (one for one in CHOICES if one in table):
        if (table.groupby([*named, *found], dropna=False)[name].nunique(dropna=False) > 1).any():
            found.append(name)
    return found


def in_words(row: pd.Series[Any], names: Sequence[str]) -> str:
    """Name some settings of a row for a legend, digests by their first digits: `, level sum, split train`."""
    short = {"data_digest": "data", "means_over": "means over", "start_layer": "from layer", "ablation": "ablated to"}
    return "".join(f", {short.get(name, name)} {str(row[name])[:DIGITS]}" for name in names)


def told_apart(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return columns to show, less the `CHOICES` that tell no rows apart; those that do and are missing come third."""
    needed = telling(table)
    kept = [name for name in columns if name in needed or name not in CHOICES]
    return [*kept[:2], *(name for name in needed if name not in kept), *kept[2:]]
