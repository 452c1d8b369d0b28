"""What a panel shows and how it was asked: a table together with its named query and parameters."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from circuit_atlas.cypher.library import find_query
from circuit_atlas.cypher.store import Store


@dataclass(frozen=True)
class Answer:
    """The rows of one named query, and what was asked."""

    name: str
    params: Mapping[str, Any]
    frame: pd.DataFrame

    @property
    def summary(self) -> str:
        """What the query answers, in one sentence."""
        return find_query(self.name).summary

    @property
    def cypher(self) -> str:
        """The statement as it ran, with its parameters above it."""
        params = [f"// ${name} = {value!r}" for name, value in self.params.items()]
        return "\n".join([*params, find_query(self.name).cypher])

    @property
    def command(self) -> str:
        """The same question on the command line."""
        params = [f"--param {shlex.quote(f'{name}={value}')}" for name, value in self.params.items()]
        return " ".join(["circuit-atlas query", self.name, *params])


def ask(store: Store, name: str, **params: Any) -> Answer:
    """Run a named query."""
    return Answer(name, params, store.query(name, **params))
