"""What a store refuses because it knows another under the same key or name; asked before long work and at writing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from circuit_atlas.cypher import statements
from circuit_atlas.cypher.schema import LABEL_BY_NAME
from circuit_atlas.errors import StoreError

Run = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]
"""Runs one statement with parameters and returns its rows."""

_WAYS_OUT = {
    "Model": "give this one another name with --model-id",
    "Sae": "give this suite another name with --suite",
}


def refuse_changed_guards(run: Run, label: str, given: Mapping[str, Any]) -> None:
    """Refuse nodes, by key, whose guarded property the store knows otherwise.

    Raises:
        StoreError: the store knows another model or dictionary under a key.

    """
    declared = LABEL_BY_NAME[label]
    for row in run(statements.read_guards(declared), {"ids": list(given)}):
        if row["value"] != given[row["id"]]:
            raise StoreError(
                f"the store knows another {label} as {row['id']!r} (its {declared.guard} differs): {_WAYS_OUT[label]}"
            )


def refuse_taken_names(run: Run, given: Sequence[tuple[str, str]]) -> None:
    """Refuse circuits, as (name, key), whose name another circuit has, in the store or among themselves.

    Raises:
        StoreError: a name is taken.

    """
    holders = {row["name"]: row["id"] for row in run(statements.NAMES, {"names": [name for name, _ in given]})}
    for name, key in given:
        if holders.setdefault(name, key) != key:
            raise StoreError(
                f"another circuit is already named {name!r}: give this one another with --name, "
                "or delete that one first"
            )
