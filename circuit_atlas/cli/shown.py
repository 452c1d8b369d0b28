"""Which queries a result was made of: a store that takes note of what it is asked, and how that is shown."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from circuit_atlas.cypher.base import GraphStore, Result

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.transaction import Transaction

T = TypeVar("T")

ShowCypherOption = Annotated[
    bool,
    typer.Option(
        "--show-cypher",
        help="Print on standard error each query that the result was made of: as a command, and its Cypher.",
    ),
]


class NotedStore(GraphStore):
    """Another store, with a note of each named query that it is asked.

    Attributes:
        asked: name and parameters of each query, in order, each once.

    """

    def __init__(self, store: GraphStore) -> None:
        self._store, self.url = store, store.url
        self.asked: list[tuple[str, dict[str, Any]]] = []

    @property
    def place(self) -> str:
        """What tells the store from every other."""
        return self._store.place

    def query(self, name: str, **params: Any) -> pd.DataFrame:
        """Run a query of the library and note it, with the parameters that it was run with."""
        table = self._store.query(name, **params)
        asked = (str(table.attrs["query"]), dict(table.attrs["params"]))
        if asked not in self.asked:
            self.asked.append(asked)
        return table

    def _read(
        self,
        cypher: str,
        params: Mapping[str, Any],
        *,
        row_limit: int | None = None,
        time_limit: float | None = None,
    ) -> Result:
        return self._store._read(cypher, params, row_limit=row_limit, time_limit=time_limit)

    def _write(self, work: Callable[[Transaction], T]) -> T:
        return self._store._write(work)

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()


def say_cypher(store: NotedStore) -> None:
    """Print what the store was asked on standard error: each query as a command to type, with its Cypher."""
    for line in _lines(store):
        typer.echo(line, err=True)


def _lines(store: NotedStore) -> Iterator[str]:
    from circuit_atlas.cypher.library import find_query

    for name, params in store.asked:
        given = [word for key, value in params.items() for word in ("-p", f"{key}={value}")]
        yield f"// {shlex.join(['circuit-atlas', 'query', name, *given])}"
        yield f"{find_query(name).cypher.strip()}\n"
