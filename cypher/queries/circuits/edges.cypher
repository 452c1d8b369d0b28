// name: edges
// topic: circuits
// summary: The edges of one circuit above both thresholds, strongest first.
// key: source, target
// param circuit: circuit | name of the circuit
// param node_threshold: float = 0.0 | both ends have a larger absolute effect (units of the metric); the target always counts
// param edge_threshold: float = 0.0 | edges of larger absolute weight (units of the metric)
// column source: string | key of the upstream circuit node
// column target: string | key of the downstream circuit node
// column weight: float [units of the metric] | indirect effect through this edge alone, signed
// column weight_se: float [units of the metric] | its standard error over distinct items
// column exact_weight: float [units of the metric] | the same measured by intervention, where it was
MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)
WHERE c.name = $circuit
WITH s, e, d
WHERE abs(e.weight) > $edge_threshold AND abs(s.effect) > $node_threshold
  AND (d.kind = 'target' OR abs(d.effect) > $node_threshold)
RETURN s.id AS source, d.id AS target, e.weight AS weight, e.weight_se AS weight_se, e.exact_weight AS exact_weight
ORDER BY abs(weight) DESC, source, target
