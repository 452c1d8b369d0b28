"""Results as tables whose columns have declared types, units and meanings, and which name what was asked for them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

_DTYPES = {"integer": "int64", "integer or null": "Int64", "float": "float64", "boolean": "bool"}
"""Everything else (strings, lists) is kept as objects."""

METRIC = "units of the metric"


class Column(NamedTuple):
    """Type, unit (empty where it has none) and meaning of one column."""

    type: str
    unit: str
    meaning: str


class Asked(NamedTuple):
    """One query of the library with the parameters that it was asked with."""

    query: str
    params: Mapping[str, Any]


def asked_for(*tables: pd.DataFrame) -> tuple[Asked, ...]:
    """Return what was asked for tables that came from a store."""
    return tuple(Asked(table.attrs["query"], table.attrs["params"]) for table in tables)


def rows_of(table: pd.DataFrame) -> Iterator[Any]:
    """Go through a table's rows as named tuples, whose values the type checker cannot know."""
    return iter(table.itertuples(index=False))


def tabulate(
    columns: Mapping[str, Column], rows: Iterable[Sequence[Any]], asked: Sequence[Asked], **more: Any
) -> pd.DataFrame:
    """Make a table of rows, with the declared types even where there are none.

    Its `attrs` hold `query` and `params` of what was asked first, `queries` (all that was asked), `units`,
    `descriptions`, and what is given as `more`.
    """
    import pandas as pd

    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    table = pd.DataFrame(
        {
            name: pd.Series(list(some), dtype=_DTYPES.get(column.type, "object"))
            for (name, column), some in zip(columns.items(), values, strict=True)
        }
    )
    about: dict[Hashable, Any] = {
        "query": asked[0].query,
        "params": dict(asked[0].params),
        "queries": [{"query": one.query, "params": dict(one.params)} for one in asked],
        "units": {name: column.unit for name, column in columns.items() if column.unit},
        "descriptions": {name: column.meaning for name, column in columns.items()},
    }
    about.update(more)
    table.attrs = about
    return table
