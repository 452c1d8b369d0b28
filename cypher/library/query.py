"""A query of the library: what it asks, what it takes, what it gives."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuit_atlas.cypher.declared import PropertyType
from circuit_atlas.cypher.library.values import CIRCUIT, ParamValue, cast
from circuit_atlas.errors import QueryError

METRIC = "units of the metric"
"""The unit of effects and weights."""


@dataclass(frozen=True)
class Param:
    """One parameter of a query.

    Attributes:
        name: its name, without the `$`.
        type: string, integer, float, boolean, or `circuit` (the name, key, unique prefix or task of a circuit).
        default: its value where none is given; None: it must be given.
        description: what it means, with its unit.
        choices: the values it may take, where they are few.

    """

    name: str
    type: str
    default: ParamValue | None
    description: str
    choices: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is None

    @property
    def type_in_words(self) -> str:
        """Its type, or the values it may take, for messages and help."""
        return f"one of {', '.join(self.choices)}" if self.choices else self.type


@dataclass(frozen=True)
class Column:
    """One column of a query's result.

    Attributes:
        name: its name.
        type: its type, the same from both engines.
        unit: its unit; empty where it has none.
        description: what it means.
        nullable: whether a row may lack a value.

    """

    name: str
    type: PropertyType
    unit: str
    description: str
    nullable: bool = False


@dataclass(frozen=True)
class Query:
    """One question, in Cypher that both engines understand.

    Attributes:
        name: its name, unique in the library.
        topic: the group it is listed under.
        summary: one sentence on what it answers.
        params: its parameters, in order.
        columns: its result columns, in order.
        key: the columns that tell rows apart; its ORDER BY ends with them.
        cypher: the statement, without its header.
        path: the file it came from.
        unordered: columns of lists whose entries belong together by their place, in an order that is the engine's own.

    """

    name: str
    topic: str
    summary: str
    params: tuple[Param, ...]
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    cypher: str
    path: Path | None
    unordered: tuple[str, ...] = ()

    def bind(self, params: Mapping[str, Any]) -> dict[str, ParamValue]:
        """Check and cast parameters (the command line gives strings) and fill in defaults.

        Raises:
            QueryError: one is unknown, missing, of another type or not among its choices; the message says which.

        """
        known = {param.name for param in self.params}
        for name in params:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else self._takes()
                raise QueryError(f"query {self.name!r} has no parameter {name!r}; {hint}")
        return {param.name: self._value(param, params.get(param.name)) for param in self.params}

    def _value(self, param: Param, given: Any) -> ParamValue:
        if given is None:
            if param.default is None:
                raise QueryError(
                    f"query {self.name!r} needs the parameter {param.name!r} "
                    f"({param.type_in_words}): {param.description}"
                )
            return param.default
        try:
            value = cast(given, param.type)
        except ValueError:
            raise QueryError(
                f"parameter {param.name!r} of query {self.name!r} is {given!r}; "
                f"it must be of type {param.type_in_words}"
            ) from None
        if param.choices and value not in param.choices:
            raise QueryError(
                f"parameter {param.name!r} of query {self.name!r} is {given!r}; it must be {param.type_in_words}"
            )
        return value

    def _takes(self) -> str:
        names = ", ".join(param.name for param in self.params)
        return f"it takes {names}" if names else "it takes none"

    @property
    def circuit_params(self) -> tuple[str, ...]:
        """Names of the parameters that name a circuit."""
        return tuple(param.name for param in self.params if param.type == CIRCUIT)

    def explain(self) -> str:
        """Say what it answers, takes and gives, and show its Cypher."""
        lines = [f"{self.name} ({self.topic})", f"  {self.summary}", ""]
        lines += (
            ["Parameters"] + [f"  {_param_line(param)}" for param in self.params] if self.params else ["No parameters"]
        )
        lines += ["", "Columns"] + [f"  {_column_line(column)}" for column in self.columns]
        return "\n".join([*lines, "", "Cypher", *(f"  {line}".rstrip() for line in self.cypher.splitlines())])


def _param_line(param: Param) -> str:
    default = "required" if param.required else f"default {param.default!r}"
    return f"{param.name}: {param.type_in_words}, {default}. {param.description}"


def _column_line(column: Column) -> str:
    unit = f" [{column.unit}]" if column.unit else ""
    return f"{column.name}: {column.type.value}{' or null' if column.nullable else ''}{unit}. {column.description}"
