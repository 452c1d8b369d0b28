// name: edge_values
// topic: certainty
// summary: The edges of one circuit with their weight on every example where it was kept, strongest first.
// key: source_id, target_id
// param circuit: circuit | name of the circuit
// column source_id: string | key of the upstream circuit node
// column target_id: string | key of the downstream circuit node
// column weight: float [units of the metric] | indirect effect through this edge alone, signed, mean over examples
// column weights: list of floats or null [units of the metric] | weight on each example, in the order of the data
MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)
WHERE c.name = $circuit
RETURN s.id AS source_id, d.id AS target_id, e.weight AS weight, e.weights AS weights
ORDER BY abs(weight) DESC, source_id, target_id
