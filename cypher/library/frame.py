"""Rows as a table with the declared types, so that a column never depends on the engine or on what is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from circuit_atlas.cypher.declared import PropertyType
from circuit_atlas.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.library.query import Column, Query


def frame(query: Query, params: Mapping[str, Any], columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Make the table of a query's columns.

    Types: strings and lists are objects; integers int64 (Int64 where null is allowed); floats float64 (NaN for null);
    booleans bool (boolean where null is allowed).

    Raises:
        StoreError: a value that the schema requires is missing from the graph.

    """
    import pandas as pd

    table = pd.DataFrame(
        {column.name: pd.Series(_values(query, column, columns), dtype=_dtype(column)) for column in query.columns}
    )
    table.attrs = {
        "query": query.name,
        "params": dict(params),
        "units": {column.name: column.unit for column in query.columns if column.unit},
        "descriptions": {column.name: column.description for column in query.columns},
    }
    return table


def _values(query: Query, column: Column, columns: Mapping[str, Sequence[Any]]) -> Sequence[Any]:
    values = columns[column.name]
    # Arrays of an engine hold no nulls.
    may_lack = not hasattr(values, "dtype") and not column.nullable and column.type is not PropertyType.FLOAT
    if may_lack and None in values:
        raise StoreError(
            f"query {query.name!r} met a null in column {column.name!r}, which the schema requires: "
            "look for what is missing with: circuit-atlas check"
        )
    return values


def _dtype(column: Column) -> str:
    match column.type:
        case PropertyType.INTEGER:
            return "Int64" if column.nullable else "int64"
        case PropertyType.FLOAT:
            return "float64"
        case PropertyType.BOOLEAN:
            return "boolean" if column.nullable else "bool"
        case _:
            return "object"
