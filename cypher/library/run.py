"""Run a query of the library on a store and give a table: the same types from both engines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from circuit_atlas.cypher.library.frame import frame
from circuit_atlas.cypher.library.load import find_query
from circuit_atlas.cypher.library.query import Query
from circuit_atlas.cypher.library.values import ParamValue
from circuit_atlas.cypher.resolve import resolve_circuit

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store


def run_named(store: Store, name: str, params: Mapping[str, Any]) -> pd.DataFrame:
    """Run the query of that name; `Store.query` is this.

    Raises:
        QueryError: no such query, or its parameters do not fit.
        UnknownCircuitError: a parameter names no circuit, or several.

    """
    return run_query(store, find_query(name), params)


def run_query(store: Store, query: Query, params: Mapping[str, Any]) -> pd.DataFrame:
    """Run a query, of the library or of one's own file, with the same checks.

    Returns:
        a table with the declared columns in their order; `attrs` holds `query`, `params`, `units` and `descriptions`.

    """
    bound = bind_on(store, query, params)
    return frame(query, bound, store.columns(query.cypher, bound))


def query_rows(store: Store, query: Query, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Run a query and give its bare rows: the command line lists circuits without waiting for pandas to load."""
    return store.rows(query.cypher, bind_on(store, query, params))


def bind_on(store: Store, query: Query, params: Mapping[str, Any]) -> dict[str, ParamValue]:
    """Bind parameters and find the circuits they name in the store.

    Raises:
        QueryError: they do not fit.
        UnknownCircuitError: one names no circuit, or several.

    """
    bound = query.bind(params)
    for name in query.circuit_params:
        bound[name] = resolve_circuit(store, str(bound[name]))
    return bound
