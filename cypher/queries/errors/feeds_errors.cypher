// name: feeds_errors
// topic: errors
// summary: The edges of one circuit that end in an error unit, strongest first: what the dictionaries leave out and where it comes from.
// key: source, target
// param circuit: circuit | name of the circuit
// param node_threshold: float = 0.0 | both ends have a larger absolute effect (units of the metric)
// param edge_threshold: float = 0.0 | edges of larger absolute weight (units of the metric)
// param limit: integer = 20 | at most so many rows
// column source: string | key of the upstream circuit node
// column target: string | key of the error's circuit node
// column source_kind: string | feature, group or error
// column source_component: string | component of the upstream end
// column source_layer: integer | its layer
// column source_feature_index: integer or null | its row in the dictionary (features only)
// column source_position: integer or null | its token position; null where summed
// column source_label: string or null | the feature's short name
// column error_component: string | component of the error
// column error_layer: integer | its layer
// column error_position: integer or null | its token position; null where summed
// column weight: float [units of the metric] | indirect effect through this edge alone, signed
// column error_effect: float [units of the metric] | indirect effect of the error, signed
MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)
WHERE c.name = $circuit
WITH s, e, d
WHERE d.kind = 'error' AND abs(e.weight) > $edge_threshold AND abs(s.effect) > $node_threshold
  AND abs(d.effect) > $node_threshold
OPTIONAL MATCH (s)-[:INSTANCE_OF]->(f:Feature)
RETURN s.id AS source, d.id AS target, s.kind AS source_kind, s.component AS source_component,
       s.layer AS source_layer, s.feature_index AS source_feature_index, s.position AS source_position,
       coalesce(s.label, f.label) AS source_label, d.component AS error_component, d.layer AS error_layer,
       d.position AS error_position, e.weight AS weight, d.effect AS error_effect
ORDER BY abs(weight) DESC, source, target
LIMIT $limit
