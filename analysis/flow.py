"""Flow from the embedding to the target: strengths of paths summed, through every node and along every edge.

The strength of a path is the product of its weights over the effects of its inner nodes (see `paths`), so with the
transmission fraction t(d→e) = w(d→e) / effect(d) it is w(first edge) · Π t(later edges). Positive and negative paths
are summed apart, so that they do not cancel. With x⁺ and x⁻ the positive and the absolute negative part of x:

1. Forwards, reach(v) = what arrives at v: an edge of the embedding brings w, a later edge reach(d) · t(d→v).
2. Backwards, onward(v) = Σ t(v→e) · onward(e), 1 at the target.
   A product of two signed numbers keeps parts apart: (a·b)⁺ = a⁺b⁺ + a⁻b⁻, (a·b)⁻ = a⁺b⁻ + a⁻b⁺.
3. The flow along u → v is reach(u) · t(u→v) · onward(v) (from the embedding w(u→v) · onward(v)); the flow through a
   node is the sum along the edges that leave it. Removing the node cuts exactly that: every path through it, no other.

Every path crosses a cut between embedding and target once, so flows along the edges of one cut add up to the whole.
Effects too small to divide by carry no flow, as in `paths`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from circuit_atlas.analysis.graph import CircuitGraph, Floats, Ints


@dataclass(frozen=True)
class Flow:
    """Positive and absolute negative part (last axis) of the flow to the target, in units of the metric.

    Attributes:
        edges: along each edge of the graph, shape [edges, 2].
        nodes: through each node, shape [nodes, 2]; at the target all of it.
        total: of all paths, shape [2].

    """

    edges: Floats
    nodes: Floats
    total: Floats


def flow_of(graph: CircuitGraph) -> Flow:
    """Compute the flow along every edge and through every node; zero where no edge reaches the target."""
    n = len(graph.nodes)
    if graph.goal < 0:
        return Flow(np.zeros((len(graph.source), 2)), np.zeros((n, 2)), np.zeros(2))
    from_start = np.isin(graph.source, graph.starts)
    # What an edge carries on of one unit at its source; of the embedding, whose reach is set to 1, the whole weight.
    carried = parts(np.where(from_start, graph.weight, graph.fraction))
    reach = _reach(graph, carried)
    onward = _onward(graph, carried)
    edges = _times(_times(reach[graph.source], carried), onward[graph.target])
    nodes = summed(graph.source, edges, n)
    total = nodes[graph.starts].sum(axis=0)
    nodes[graph.goal] = total
    return Flow(edges, nodes, total)


def parts(value: Floats) -> Floats:
    """Split values of shape [n] into positive and absolute negative part, shape [n, 2]."""
    return np.stack([np.maximum(value, 0.0), np.maximum(-value, 0.0)], axis=-1)


def share(part: Floats, whole: Floats | float) -> Floats:
    """Return part over whole; NaN where the whole is not positive."""
    wholes = np.broadcast_to(np.asarray(whole, np.float64), part.shape)
    result: Floats = np.divide(part, wholes, out=np.full(part.shape, np.nan), where=wholes > 0.0)
    return result


def summed(place: Ints, values: Floats, n: int) -> Floats:
    """Sum rows of values, shape [rows, m], by their place of n; shape [n, m]."""
    total = np.zeros((n, values.shape[1]))
    np.add.at(total, place, values)
    return total


def _times(a: Floats, b: Floats) -> Floats:
    """Multiply signed quantities given in parts, shapes [..., 2]."""
    same = a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1]
    return np.stack([same, a[..., 0] * b[..., 1] + a[..., 1] * b[..., 0]], axis=-1)


def _reach(graph: CircuitGraph, carried: Floats) -> Floats:
    """What arrives at each node, forwards; the embedding starts with one unit, for its edges carry their weight."""
    n = len(graph.nodes)
    reach = np.zeros((n, 2))
    is_start = np.zeros(n, bool)
    is_start[graph.starts] = True
    ends = np.searchsorted(graph.source, np.arange(n + 1))
    for u in range(n):
        if is_start[u]:
            reach[u] = (1.0, 0.0)
        edges = slice(ends[u], ends[u + 1])
        reach[graph.target[edges]] += _times(reach[u], carried[edges])
    return reach


def _onward(graph: CircuitGraph, carried: Floats) -> Floats:
    """What one unit at each node brings to the target, backwards."""
    n = len(graph.nodes)
    onward = np.zeros((n, 2))
    onward[graph.goal, 0] = 1.0
    ends = np.searchsorted(graph.source, np.arange(n + 1))
    for u in range(n - 1, -1, -1):
        edges = slice(ends[u], ends[u + 1])
        if edges.start < edges.stop:
            onward[u] = _times(carried[edges], onward[graph.target[edges]]).sum(axis=0)
    return onward
