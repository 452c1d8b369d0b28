"""Find the circuit a person means: by name, key, unique start of its name, or its task.

Circuits made of others start with the name and have the task of the one they were made from first; so they are meant
only where no other is.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from circuit_atlas.errors import UnknownCircuitError

if TYPE_CHECKING:
    from circuit_atlas.cypher.store import Store

_EXACT = "MATCH (c:Circuit) WHERE c.name = $name RETURN c.name AS name ORDER BY name LIMIT 1"
_ALL = (
    "MATCH (c:Circuit) RETURN c.name AS name, c.id AS id, c.task_id AS task, "
    "EXISTS { MATCH (c)-[:DERIVED_FROM]->(:Circuit) } AS derived ORDER BY name"
)


def resolve_circuit(store: Store, name: str) -> str:
    """Return the name of the circuit that `name` means: its name or key, else its task or the start of its name.

    A discovered circuit is meant before one made of others.

    Raises:
        UnknownCircuitError: none is meant, or several; the message suggests the nearest or lists them.

    """
    if store.rows(_EXACT, {"name": name}):
        return name
    known = store.rows(_ALL)
    ways = [[c["name"] for c in known if c["id"] == name]]
    for derived in (False, True):
        some = [c for c in known if c["derived"] is derived]
        ways.append([c["name"] for c in some if c["task"] == name])
        ways.append([c["name"] for c in some if name and c["name"].startswith(name)])
    for wanted in ways:
        if len(wanted) == 1:
            return str(wanted[0])
        if wanted:
            listed = ", ".join(wanted[:5]) + (", …" if len(wanted) > 5 else "")
            raise UnknownCircuitError(f"{name!r} means {len(wanted)} circuits: {listed}; give one's whole name")
    raise UnknownCircuitError(f"there is no circuit {name!r}; {_hint(name, [c['name'] for c in known])}")


def _hint(name: str, known: list[str]) -> str:
    if not known:
        return "the store holds none yet: make one with circuit-atlas discover"
    alike = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), alike, n=1, cutoff=0.6)
    return f"did you mean {alike[near[0]]!r}?" if near else "list them with: circuit-atlas circuits"
