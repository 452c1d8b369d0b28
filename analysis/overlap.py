"""How much every two circuits share, as a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from circuit_atlas.analysis.thresholds import require_threshold
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store

MEASURES = {
    "jaccard": "shared units over units of either",
    "weighted_jaccard": "the smaller absolute effect of each unit, summed, over the larger",
    "containment": "the share of the row's units that the column has too",
    "weighted_containment": "the share of the row's absolute effect that lies in units of the column too",
}
"""What a cell may hold."""


def overlap_matrix(
    store: Store,
    level: str = "feature",
    *,
    of: str = "nodes",
    measure: str = "jaccard",
    first_token: str = "drop",
    node_threshold: float = 0.0,
    edge_threshold: float = 0.0,
) -> pd.DataFrame:
    """Compare all circuits of a store pair by pair, on features or on edges between features.

    Args:
        store: where the circuits are.
        level: where two count as the same: feature (positions pooled by signed sum), role, or position.
        of: nodes or edges.
        measure: one of `MEASURES`.
        first_token: drop, keep or only what is at the first token of the input.
        node_threshold: features of larger absolute pooled effect (of edges: ends of larger absolute effect).
        edge_threshold: edges of larger absolute pooled weight (units of the metric).

    Returns:
        a square matrix of shares, circuits by name; 0 where a pair shares nothing, 1 on the diagonal.

    Raises:
        QueryError: an argument is none of those named, or a circuit's selection forbids the thresholds.

    """
    import pandas as pd

    for name, value, known in (("of", of, ("nodes", "edges")), ("measure", measure, tuple(MEASURES))):
        if value not in known:
            raise QueryError(f"{name} is {value!r}; choose one of {', '.join(known)}")
    names = store.query("circuits")["name"].tolist()
    params: dict[str, Any] = {"level": level, "first_token": first_token, "node_threshold": node_threshold}
    if of == "edges":
        params["edge_threshold"] = edge_threshold
        for name in names if node_threshold or edge_threshold else []:
            require_threshold(store, name, node_threshold=node_threshold, edge_threshold=edge_threshold)
    pairs = store.query(f"overlap_all_{of}", **params)
    place = {name: row for row, name in enumerate(names)}
    a = pairs["circuit_a"].map(place).to_numpy(np.int64)
    b = pairs["circuit_b"].map(place).to_numpy(np.int64)
    one_way = "containment" in measure
    cells = np.eye(len(names))
    cells[a, b] = pairs[f"{measure}_a" if one_way else measure]
    cells[b, a] = pairs[f"{measure}_b" if one_way else measure]
    matrix = pd.DataFrame(cells, index=pd.Index(names, name="circuit"), columns=names)
    matrix.attrs = {
        "query": pairs.attrs["query"],
        "params": pairs.attrs["params"],
        "units": dict.fromkeys(names, "share"),
        "descriptions": dict.fromkeys(names, MEASURES[measure]),
    }
    return matrix
