"""Which settings a table must show, so that no two of its rows look alike and are of different measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

CHOICES = ("level", "ablation", "means_over", "start_layer", "split", "data_digest")
"""What measurements of one circuit on one task may differ in, beside errors and thresholds."""


EVERY_CHOICE = (*CHOICES, "active_set")
"""The same with what measurements of edges alone may differ in."""


DIGITS = 12
"""How many digits of a digest tell data apart."""


def telling(table: pd.DataFrame, key: Sequence[str] = ("circuit", "task", "errors")) -> list[str]:
    """Return the columns of `EVERY_CHOICE` in which rows differ that are alike in `key` and in those returned before.

    Data that another split, or another task, brings with it are not named again.
    """
    found: list[str] = []
    named = [name for name in key if name in table]
    for name in (one for one in EVERY_CHOICE if one in table):
        if (table.groupby([*named, *found], dropna=False)[name].nunique(dropna=False) > 1).any():
            found.append(name)
    return found


def same_data(one: pd.Series[Any], other: pd.Series[Any]) -> bool:
    """Whether two measurements are of the same examples, whatever seed inputs were resampled by."""
    return str(one["data_digest"]).partition("+")[0] == str(other["data_digest"]).partition("+")[0]


def short_digest(digest: Any) -> str:
    """First digits of a digest, and the seed of resampling where one follows."""
    whole, plus, seed = str(digest).partition("+")
    return whole[:DIGITS] + plus + seed


def in_words(row: pd.Series[Any], names: Sequence[str]) -> str:
    """Name some settings of a row for a legend, digests by their first digits: `, level sum, split train`."""
    short = {"data_digest": "data", "start_layer": "from layer", "ablation": "ablated to"}
    return "".join(f", {short.get(name, name.replace('_', ' '))} {short_digest(row[name])}" for name in names)


def told_apart(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return columns to show, less the choices that tell no rows apart; those that do and are missing come third."""
    needed = telling(table)
    kept = [name for name in columns if name in needed or name not in EVERY_CHOICE]
    return [*kept[:2], *(name for name in needed if name not in kept), *kept[2:]]
