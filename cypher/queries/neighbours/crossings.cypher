// name: crossings
// topic: neighbours
// summary: Which places an effect crosses: the edges of one circuit between two token positions (of a circuit of roles: two roles), summed by pair; none where positions are summed.
// key: source_position, source_role, target_position, target_role
// param circuit: circuit | name of the circuit
// param node_threshold: float = 0.0 | both ends have a larger absolute effect (units of the metric)
// param edge_threshold: float = 0.0 | edges of larger absolute weight (units of the metric)
// column source_position: integer or null | token position that the effect leaves; null where a circuit has roles alone
// column source_role: string or null | its name in the template
// column target_position: integer or null | token position that it reaches; null where a circuit has roles alone
// column target_role: string or null | its name in the template
// column n_edges: integer | edges between them
// column weight: float [units of the metric] | their weights, summed with sign
// column absolute_weight: float [units of the metric] | their absolute weights, summed
// column first_layer: integer | the first layer whose units receive it
// column last_layer: integer | the last layer whose units receive it
MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)
WHERE c.name = $circuit
WITH s, e, d
WHERE (s.position <> d.position OR s.position IS NULL AND d.position IS NULL AND s.role <> d.role)
  AND d.kind <> 'target' AND abs(e.weight) > $edge_threshold AND abs(s.effect) > $node_threshold
  AND abs(d.effect) > $node_threshold
RETURN s.position AS source_position, s.role AS source_role, d.position AS target_position,
       d.role AS target_role, count(e) AS n_edges, coalesce(sum(e.weight), 0.0) AS weight,
       coalesce(sum(abs(e.weight)), 0.0) AS absolute_weight, min(d.layer) AS first_layer, max(d.layer) AS last_layer
ORDER BY source_position, source_role, target_position, target_role
