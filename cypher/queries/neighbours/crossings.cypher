// name: crossings
// topic: neighbours
// summary: Which positions an effect crosses: the edges of one circuit between two token positions, summed by pair; none where positions are summed.
// key: source_position, target_position
// param circuit: circuit | name of the circuit
// param node_threshold: float = 0.0 | both ends have a larger absolute effect (units of the metric)
// param edge_threshold: float = 0.0 | edges of larger absolute weight (units of the metric)
// column source_position: integer | token position that the effect leaves
// column source_role: string or null | its name in the template
// column target_position: integer | token position that it reaches
// column target_role: string or null | its name in the template
// column n_edges: integer | edges between them
// column weight: float [units of the metric] | their weights, summed with sign
// column absolute_weight: float [units of the metric] | their absolute weights, summed
// column first_layer: integer | the first layer whose units receive it
// column last_layer: integer | the last layer whose units receive it
MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)
WHERE c.name = $circuit
WITH s, e, d
WHERE s.position <> d.position AND d.kind <> 'target' AND abs(e.weight) > $edge_threshold
  AND abs(s.effect) > $node_threshold AND abs(d.effect) > $node_threshold
RETURN s.position AS source_position, min(s.role) AS source_role, d.position AS target_position,
       min(d.role) AS target_role, count(e) AS n_edges, coalesce(sum(e.weight), 0.0) AS weight,
       coalesce(sum(abs(e.weight)), 0.0) AS absolute_weight, min(d.layer) AS first_layer, max(d.layer) AS last_layer
ORDER BY source_position, target_position
