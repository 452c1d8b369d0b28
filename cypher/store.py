"""What every store can do, whichever engine is behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from circuit_atlas.cypher.rows import CircuitRows, Pair, Row

if TYPE_CHECKING:
    import pandas as pd


class Store(Protocol):
    """One graph of circuits, in an embedded engine or a server.

    Values come back the same from every engine: a node is a dict of its properties with `_label`, a relationship a
    dict of its properties with `_type`, `_from` and `_to` (keys); integers are int, floats float, lists lists.
    """

    url: str

    def rows(self, cypher: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run trusted, reading Cypher of ours and return its rows."""
        ...

    def columns(self, cypher: str, params: Mapping[str, Any] | None = None) -> dict[str, Sequence[Any]]:
        """Run trusted, reading Cypher of ours and return its columns: of many rows faster than the rows."""
        ...

    def query(self, name: str, **params: Any) -> pd.DataFrame:
        """Run a query of the library; columns as it declares them, in its order."""
        ...

    def cypher(
        self,
        statement: str,
        params: Mapping[str, Any] | None = None,
        *,
        row_limit: int = 10_000,
        time_limit: float = 30.0,
    ) -> pd.DataFrame:
        """Run a stranger's reading Cypher: checked, in the engine's read mode, with limits of rows and seconds."""
        ...

    def write(self, circuits: Sequence[CircuitRows], *, one_transaction: bool = False) -> None:
        """Write each circuit whole in one transaction (or all in one), replacing old ones; durable on return."""
        ...

    def replace(self, old: Sequence[str], circuits: Sequence[CircuitRows]) -> None:
        """Remove circuits by key and write others, all in one transaction; durable on return."""
        ...

    def set_properties(
        self,
        nodes: Mapping[str, Sequence[Row]],
        relationships: Mapping[Pair, Sequence[Row]] | None = None,
        *,
        found_at: Mapping[str, str] | None = None,
    ) -> None:
        """Set properties of what circuits own and the store has already, in one transaction; nulls change nothing."""
        ...

    def read_circuit(self, circuit_id: str) -> CircuitRows:
        """Return one circuit with everything it hangs on, as it was written."""
        ...

    def add_measurements(self, circuit_id: str, task: Row, measurements: Sequence[Row]) -> None:
        """Write measurements of a circuit on a task, in one transaction, in place of those under the same keys."""
        ...

    def delete_circuit(self, circuit_id: str) -> None:
        """Remove one circuit with all it owns, in one transaction."""
        ...

    def check(self) -> list[str]:
        """Verify the graph against the schema; one line a problem, none where it is sound."""
        ...

    def close(self) -> None:
        """Let go of the engine."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
