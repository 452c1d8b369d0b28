"""Ask a query of the library for plain rows: without pandas, whose import alone would take most of a cold start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from circuit_atlas.cypher.store import Store


class Answer(NamedTuple):
    """The rows of a query and the names of their columns, in order."""

    columns: tuple[str, ...]
    rows: Sequence[dict[str, Any]]


def ask(store: Store, name: str, **params: Any) -> Answer:
    """Run the query of that name.

    Raises:
        QueryError: no such query, or its parameters do not fit.
        UnknownCircuitError: a parameter names no circuit, or several.

    """
    from circuit_atlas.cypher.library import find_query, query_rows

    query = find_query(name)
    return Answer(tuple(column.name for column in query.columns), query_rows(store, query, params))
