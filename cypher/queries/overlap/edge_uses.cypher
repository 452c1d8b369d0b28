// name: edge_uses
// topic: overlap
// summary: Every edge of some circuits or all, a row a circuit node that edges start at: overlaps of many circuits start here.
// key: source
// unordered: targets, weights
// param from_name: string = | circuits of this name or later in the alphabet; empty: from the first on
// param to_name: string = | circuits of this name or earlier in the alphabet; empty: to the last
// column source: string | key of the upstream circuit node
// column targets: list of strings | keys of the downstream circuit nodes, in the engine's own order
// column weights: list of floats [units of the metric] | indirect effect through the edge to each of them, signed
MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)
WHERE c.name >= $from_name AND ($to_name = '' OR c.name <= $to_name)
RETURN s.id AS source, collect(d.id) AS targets, collect(e.weight) AS weights
ORDER BY source
