"""Load the library: every `.cypher` file under `cypher/queries`, checked, names unique."""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path

from circuit_atlas.cypher.library.parse import parse_query_text
from circuit_atlas.cypher.library.query import Query
from circuit_atlas.errors import QueryError

QUERIES = Path(__file__).parent.parent / "queries"
"""Where the shipped queries are: one folder a topic."""


@cache
def load_library(folder: Path = QUERIES) -> dict[str, Query]:
    """Read and check every query under a folder; by name, in order of topic and name.

    Raises:
        QueryError: a file is broken or a name is there twice; the message starts with file and line.

    """
    queries: dict[str, Query] = {}
    for path in sorted(folder.rglob("*.cypher")):
        query = _read(path)
        if query.name in queries:
            raise QueryError(f"{path}:1: the name {query.name!r} is already that of {queries[query.name].path}")
        if query.topic != path.parent.name:
            raise QueryError(f"{path}:1: the topic {query.topic!r} is not the name of its folder")
        if query.name != path.stem:
            raise QueryError(f"{path}:1: the name {query.name!r} is not the name of its file")
        queries[query.name] = query
    if not queries:
        raise QueryError(f"there are no queries under {folder}: the installation is not whole; install it again")
    return queries


def find_query(name: str) -> Query:
    """Return the query of that name.

    Raises:
        QueryError: there is none; the message suggests the nearest.

    """
    library = load_library()
    if name in library:
        return library[name]
    near = difflib.get_close_matches(name, library, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else "list them with: circuit-atlas query"
    raise QueryError(f"there is no query {name!r}; {hint}")


def _read(path: Path) -> Query:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise QueryError(f"the query file {path} cannot be read: {error}") from None
    return parse_query_text(text, path)
