"""What every store does whichever engine is behind it; an engine adds how it reads and how it opens a transaction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from circuit_atlas.cypher.rows import CircuitRows, Pair, Row

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.checks import Check
    from circuit_atlas.cypher.transaction import Transaction

T = TypeVar("T")

SCALARS = frozenset({str, int, float, bool, type(None)})
"""Types of values that come back as they are; most values are, so engines look at them no further."""


@dataclass(frozen=True)
class Result:
    """What a statement returned, in plain values.

    Attributes:
        columns: names, in order.
        rows: values, in the same order.
        truncated: whether rows were left out because of a limit.

    """

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool = False


class GraphStore(ABC):
    """A store of circuits; see `circuit_atlas.cypher.store.Store` for what each method promises."""

    url: str
    """Where the store is, without a password."""

    @property
    @abstractmethod
    def place(self) -> str:
        """What tells this store from every other, such as its absolute path."""

    @abstractmethod
    def _read(
        self,
        cypher: str,
        params: Mapping[str, Any],
        *,
        row_limit: int | None = None,
        time_limit: float | None = None,
    ) -> Result:
        """Run one reading statement in the engine's read mode."""

    @abstractmethod
    def _write(self, work: Callable[[Transaction], T]) -> T:
        """Run work in one transaction, durable on return; what it raises undoes everything."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the engine."""

    def rows(self, cypher: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run trusted, reading Cypher of ours and return its rows."""
        result = self._read(cypher, params or {})
        return [dict(zip(result.columns, row, strict=True)) for row in result.rows]

    def columns(self, cypher: str, params: Mapping[str, Any] | None = None) -> dict[str, Sequence[Any]]:
        """Run trusted, reading Cypher of ours and return its columns."""
        result = self._read(cypher, params or {})
        columns: list[Sequence[Any]] = list(zip(*result.rows, strict=True)) or [()] * len(result.columns)
        return dict(zip(result.columns, columns, strict=True))

    def query(self, name: str, **params: Any) -> pd.DataFrame:
        """Run a query of the library; columns as it declares them, in its order.

        Raises:
            QueryError: there is no such query, or a parameter does not fit.

        """
        from circuit_atlas.cypher.library import run_named

        return run_named(self, name, params)

    def cypher(
        self,
        statement: str,
        params: Mapping[str, Any] | None = None,
        *,
        row_limit: int = 10_000,
        time_limit: float = 30.0,
    ) -> pd.DataFrame:
        """Run a stranger's reading Cypher: checked, in the engine's read mode, with limits of rows and seconds.

        Returns:
            its rows; `attrs["truncated"]` says whether more than `row_limit` were there.

        Raises:
            QueryError: it does more than read, is no Cypher of the engine, or took longer than `time_limit`.

        """
        import pandas as pd

        from circuit_atlas.cypher.guard import check_statement

        given = params or {}
        checked = check_statement(statement, given)
        result = self._read(checked, given, row_limit=row_limit, time_limit=time_limit)
        frame = pd.DataFrame(result.rows, columns=result.columns)
        frame.attrs["truncated"] = result.truncated
        return frame

    def read_circuit(self, circuit_id: str) -> CircuitRows:
        """Return one circuit with everything it hangs on; rows in order of their keys.

        Raises:
            UnknownCircuitError: there is no such circuit.

        """
        from circuit_atlas.cypher.reading import read_circuit

        return read_circuit(self, circuit_id)

    def check(self) -> list[str]:
        """Verify the graph against the schema; one line a problem, none where it is sound."""
        from circuit_atlas.cypher.checks import checks, problems

        return problems(self, [*self._own_checks(), *checks()])

    def _own_checks(self) -> Iterable[Check]:
        """Checks that only this engine needs."""
        return ()

    def write(self, circuits: Sequence[CircuitRows], *, one_transaction: bool = False) -> None:
        """Write each circuit whole in one transaction (or all in one), replacing old ones; durable on return.

        Raises:
            StoreError: rows do not fit the schema, a name or key is taken by another, or the store cannot be written.

        """
        from circuit_atlas.cypher import transaction
        from circuit_atlas.cypher.prepare import prepare

        batches = [list(circuits)] if one_transaction and circuits else [[circuit] for circuit in circuits]
        for batch in batches:
            self._write(partial(transaction.write, circuits=prepare(batch)))

    def replace(self, old: Sequence[str], circuits: Sequence[CircuitRows]) -> None:
        """Remove circuits by key and write others, all in one transaction; durable on return.

        Raises:
            UnknownCircuitError: there is no such circuit.
            StoreError: another circuit was derived from one to be removed, or as of `write`.

        """
        from circuit_atlas.cypher import transaction
        from circuit_atlas.cypher.prepare import prepare

        prepared = prepare(list(circuits))

        def work(tx: Transaction) -> None:
            for key in old:
                transaction.delete(tx, key)
            transaction.write(tx, prepared)

        self._write(work)

    def write_shared(self, nodes: Mapping[str, Sequence[Row]], relationships: Mapping[Pair, Sequence[Row]]) -> None:
        """Merge shared nodes and the relationships between them, without any circuit, in one transaction.

        Raises:
            StoreError: rows do not fit the schema, or the store knows another model or dictionary under a key.

        """
        from circuit_atlas.cypher import transaction
        from circuit_atlas.cypher.prepare import prepare_rows

        prepared = prepare_rows((), [nodes], [relationships])
        self._write(lambda tx: transaction.write_shared(tx, prepared))

    def set_properties(
        self,
        nodes: Mapping[str, Sequence[Row]],
        relationships: Mapping[Pair, Sequence[Row]] | None = None,
        *,
        found_at: Mapping[str, str] | None = None,
    ) -> None:
        """Set properties of what circuits own and the store has already, all in one transaction; nulls change nothing.

        Args:
            nodes: by label, rows of `id` and the properties to set.
            relationships: by type and labels, rows of `from`, `to` and the properties to set.
            found_at: `created_at` of circuits, by key, as it was when what is set was worked out.

        Raises:
            StoreError: rows do not fit the schema, the store has not all of them, a circuit was found anew meanwhile,
                or the store cannot be written.

        """
        from circuit_atlas.cypher.amend import amend, prepare_changes

        changes = prepare_changes(nodes, relationships or {})
        self._write(lambda tx: amend(tx, changes, found_at or {}))

    def add_measurements(self, circuit_id: str, task: Row, measurements: Sequence[Row]) -> None:
        """Write measurements of a circuit on a task, in one transaction, in place of those under the same keys.

        Raises:
            UnknownCircuitError: there is no such circuit.
            StoreError: rows do not fit the schema, or the store cannot be written.

        """
        from circuit_atlas.cypher import transaction
        from circuit_atlas.cypher.prepare import prepare_rows

        ends = {"MEASURES": ("Circuit", circuit_id), "ON_TASK": ("Task", task["id"])}
        links: dict[Pair, list[Row]] = {
            Pair(name, "Measurement", label): [{"from": row["id"], "to": key} for row in measurements]
            for name, (label, key) in ends.items()
        }
        nodes = {"Task": [task], "Measurement": measurements}
        prepared = prepare_rows((circuit_id,), [nodes], [links], {"Circuit": {circuit_id}})
        self._write(partial(transaction.add_measurements, rows=prepared))

    def delete_circuit(self, circuit_id: str) -> None:
        """Remove one circuit with all it owns, in one transaction.

        Raises:
            UnknownCircuitError: there is no such circuit.
            StoreError: another circuit was derived from it, or the store cannot be written.

        """
        from circuit_atlas.cypher import transaction

        self._write(lambda tx: transaction.delete(tx, circuit_id))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
