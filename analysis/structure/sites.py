"""Sites in the order of the forward pass, and the place of a node: its role, else its position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.graph import CircuitGraph, Ints
from circuit_atlas.analysis.result import rows_of
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

_WITHIN_LAYER = {"embed": 0, "attn": 0, "mlp": 1, "resid": 2, "target": 0}


def site_name(component: str, layer: int) -> str:
    """Name a site: `embed`, `attn_0`, `resid_3`, `target`."""
    return component if component in ("embed", "target") else f"{component}_{layer}"


def site_order(component: str, layer: int) -> tuple[int, int]:
    """Return where a site stands in the forward pass, for sorting: embed, then attn, mlp and resid of each layer."""
    return layer, _WITHIN_LAYER[component]


def places(nodes: pd.DataFrame) -> list[str]:
    """Return of each node the role of its position, else the position's number; empty where positions are summed."""
    return [_place(node) for node in rows_of(nodes)]


def positions(graph: CircuitGraph) -> Ints:
    """Return a number for where each node stands: its position, else its role (below -1), else -1."""
    found = np.array(graph.nodes["position"].astype("Int64").fillna(-1), np.int64)
    roles = graph.nodes["role"].where(graph.nodes["role"].notna() & (found < 0), "")
    number = {role: -1 - place for place, role in enumerate(sorted({"", *roles}))}
    return np.where(found < 0, np.array([number[role] for role in roles], np.int64), found)


def require_positions(store: Store, circuit: str) -> None:
    """Refuse a circuit that sums over positions.

    Raises:
        QueryError: it does.
        UnknownCircuitError: there is no such circuit.

    """
    row = store.query("circuit", circuit=circuit).iloc[0]
    if row["positions"] == "sum":
        raise QueryError(
            f"circuit {row['name']!r} sums over positions, so nothing crosses between them: "
            "discover it again with positions 'keep'"
        )


def _place(node: Any) -> str:
    import pandas as pd

    if isinstance(node.role, str):
        return node.role
    return "" if pd.isna(node.position) else str(node.position)
