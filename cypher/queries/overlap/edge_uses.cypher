// name: edge_uses
// topic: overlap
// summary: Every edge of some circuits or all, a row a circuit, ends by their numbers in the query node_uses: overlaps of many circuits start here.
// key: circuit
// unordered: sources, targets, weights
// param from_name: string = | circuits of this name or later in the alphabet; empty: from the first on
// param to_name: string = | circuits of this name or earlier in the alphabet; empty: to the last
// column circuit: string | name of the circuit
// column created_at: string | when it was found or made: numbers of its nodes are those of that time
// column sources: list of integers | ordinals of the upstream circuit nodes, in the engine's own order
// column targets: list of integers | ordinals of the downstream circuit nodes, each beside its source
// column weights: list of floats [units of the metric] | indirect effect through the edge between them, signed
MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)
WHERE c.name >= $from_name AND ($to_name = '' OR c.name <= $to_name)
WITH c, s, s.ordinal AS source
MATCH (s)-[e:EDGE]->(d:CircuitNode)
WITH c, collect(source) AS sources, collect(d.ordinal) AS targets, collect(e.weight) AS weights
RETURN c.name AS circuit, c.created_at AS created_at, sources AS sources, targets AS targets, weights AS weights
ORDER BY circuit
