"""What circuits that are made of circuits have in common: their own node, and the shared nodes that they hang on."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from circuit_atlas._version import __version__
from circuit_atlas.cypher import keys
from circuit_atlas.cypher.rows import CircuitRows, Pair, Row

_POINTED_AT = (("EXPLAINS", "Circuit", "Task"), ("USES", "Circuit", "Sae"), ("DREW_FROM", "Circuit", "Candidates"))
_SHARED = ("Model", "Sae", "Feature", "Error", "Task", "Candidates")


@dataclass(frozen=True)
class Shared:
    """Shared nodes that a derived circuit hangs on, and what connects them."""

    nodes: dict[str, Sequence[Row]]
    relationships: dict[Pair, Sequence[Row]]


def derived_circuit(origin: Row, recipe: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the properties of a derived circuit's own node: those of its first operand, but for the changes."""
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
    return {
        **origin,
        **changes,
        "id": keys.circuit_id(origin["model_id"], digest),
        "settings": json.dumps(json.loads(origin["settings"]) | {"recipe": recipe}, sort_keys=True),
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "code_version": __version__,
    }


def shared_rows(operands: Sequence[CircuitRows], homes: AbstractSet[str]) -> Shared:
    """Gather what operands hang on: of features and errors those among `homes` (keys), of all else everything."""
    nodes: dict[str, Sequence[Row]] = {}
    for label in _SHARED:
        rows = {row["id"]: row for operand in reversed(operands) for row in operand.nodes.get(label, ())}
        wanted: Iterable[Row] = rows.values()
        if label in ("Feature", "Error"):
            wanted = [row for key, row in rows.items() if key in homes]
        nodes[label] = list(wanted)
    known = {row["id"] for rows in nodes.values() for row in rows}
    relationships: dict[Pair, Sequence[Row]] = {}
    for operand in operands:
        for pair, links in operand.relationships.items():
            if pair.source in _SHARED:
                inside = [row for row in links if row["from"] in known and row["to"] in known]
                relationships[pair] = [*relationships.get(pair, ()), *inside]
    return Shared(nodes, relationships)


def own_links(circuit: Row, nodes: Sequence[Row], operands: Sequence[CircuitRows]) -> dict[Pair, Sequence[Row]]:
    """Return what a derived circuit points at: its model and nodes, the first operand's task, and all dictionaries."""
    key = circuit["id"]
    links: dict[Pair, Sequence[Row]] = {
        Pair("OF_MODEL", "Circuit", "Model"): [{"from": key, "to": circuit["model_id"]}],
        Pair("HAS_NODE", "Circuit", "CircuitNode"): [{"from": key, "to": row["id"]} for row in nodes],
    }
    for pair in (Pair(*names) for names in _POINTED_AT):
        some = operands[:1] if pair.type == "EXPLAINS" else operands
        ends = dict.fromkeys(row["to"] for operand in some for row in operand.relationships.get(pair, ()))
        links[pair] = [{"from": key, "to": end} for end in ends]
    return links


def derived_from(circuit: Row, recipe: Mapping[str, Any]) -> dict[Pair, Sequence[Row]]:
    """Return the links to the circuits that it was made from, in the order of the recipe's operands."""
    return {
        Pair("DERIVED_FROM", "Circuit", "Circuit"): [
            {"from": circuit["id"], "to": operand, "operation": recipe["operation"], "ordinal": ordinal}
            for ordinal, operand in enumerate(recipe["operands"])
        ]
    }
