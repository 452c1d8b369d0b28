"""What the error units of a circuit are fed by and what they feed, by pair of sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuit_atlas.analysis.thresholds import refuse_nothing_left, require_threshold

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store


def error_exchange(
    store: Store, circuit: str, node_threshold: float = 0.0, edge_threshold: float = 0.0
) -> pd.DataFrame:
    """Sum the weights into and out of the errors of each site, by the site at the other end (units of the metric).

    The single edges are in the queries `feeds_errors` and `fed_by_errors`.

    Args:
        store: where the circuit is.
        circuit: its name.
        node_threshold: nodes of larger absolute effect only (units of the metric).
        edge_threshold: edges of larger absolute weight only (units of the metric).

    Returns:
        the rows of the query `error_exchange`: one an error's site, direction and site and kind of the other end.

    Raises:
        UnknownCircuitError: there is no such circuit.
        QueryError: the thresholds do not fit the circuit's selection, or leave nothing.

    """
    require_threshold(store, circuit, node_threshold=node_threshold, edge_threshold=edge_threshold)
    thresholds = {"node_threshold": node_threshold, "edge_threshold": edge_threshold}
    found = store.query("error_exchange", circuit=circuit, **thresholds)
    if found.empty:
        refuse_nothing_left(store, circuit, **thresholds)
    return found
