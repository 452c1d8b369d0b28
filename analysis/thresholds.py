"""Which thresholds a circuit may be asked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

    from circuit_atlas.cypher.store import Store


def require_threshold(store: Store, circuit: str, *, node_threshold: float = 0.0, edge_threshold: float = 0.0) -> None:
    """Refuse thresholds at which the stored edges would not be those of a run at these thresholds.

    Where nodes were selected by their mean effect, any threshold selects among what is stored. Where they were selected
    example by example (as the published code does), each edge weight is a mean over the examples on which its end was
    selected, so it depends on the run's own thresholds: only those (or 0: as stored) may be asked.

    Raises:
        QueryError: the circuit was selected per example, and a threshold is another than its own.
        UnknownCircuitError: there is no such circuit.

    """
    row = store.query("circuit", circuit=circuit).iloc[0]
    refuse_threshold(row["name"], row, node_threshold=node_threshold, edge_threshold=edge_threshold)


def refuse_nothing_left(store: Store, circuit: str, *, node_threshold: float, edge_threshold: float) -> None:
    """Refuse thresholds above every node, or above every edge among the nodes left; what holds none by itself passes.

    Raises:
        QueryError: a threshold leaves nothing.
        UnknownCircuitError: there is no such circuit.

    """
    nodes = store.query("nodes", circuit=circuit)
    effects = nodes["effect"][nodes["kind"] != "target"].abs()
    if not (effects > node_threshold).any():
        raise no_node_left(circuit, node_threshold, float(effects.max()))
    weights = store.query("edges", circuit=circuit, node_threshold=node_threshold)["weight"].abs()
    if len(weights) and not (weights > edge_threshold).any():
        raise no_edge_left(circuit, edge_threshold, float(weights.max()))


def no_node_left(circuit: str, threshold: float, strongest: float) -> QueryError:
    """Say that a threshold is above the strongest node of a circuit (units of the metric)."""
    return QueryError(
        f"node_threshold {threshold:g} leaves no node of circuit {circuit!r}, whose strongest has an effect of "
        f"{strongest:.3g}: give a lower one"
    )


def no_edge_left(circuit: str, threshold: float, strongest: float) -> QueryError:
    """Say that a threshold is above the strongest edge of a circuit among its chosen nodes (units of the metric)."""
    return QueryError(
        f"edge_threshold {threshold:g} leaves no edge of circuit {circuit!r}, whose strongest among these nodes has a "
        f"weight of {strongest:.3g}: give a lower one"
    )


def refuse_threshold(circuit: str, row: pd.Series[Any], *, node_threshold: float, edge_threshold: float) -> None:
    """Refuse what `require_threshold` refuses, given a row with the circuit's selection, node_floor and edge_floor."""
    if row["selection"] != "per-example":
        return
    for what, asked, own in (
        ("node_threshold", node_threshold, float(row["node_floor"])),
        ("edge_threshold", edge_threshold, float(row["edge_floor"])),
    ):
        if asked not in (0.0, own):
            raise QueryError(
                f"circuit {circuit!r} was selected per example, so its edge weights hold at {what} {own:g} alone, "
                f"not {asked:g}: ask at {own:g}, or discover it again with selection 'mean'"
            )
