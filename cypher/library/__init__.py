"""The library of queries: `.cypher` files, checked when loaded, the same on both engines."""

from circuit_atlas.cypher.library.load import find_query, load_library
from circuit_atlas.cypher.library.parse import parse_query_text
from circuit_atlas.cypher.library.query import Column, Param, Query
from circuit_atlas.cypher.library.run import run_named, run_query

__all__ = [
    "Column",
    "Param",
    "Query",
    "find_query",
    "load_library",
    "parse_query_text",
    "run_named",
    "run_query",
]
