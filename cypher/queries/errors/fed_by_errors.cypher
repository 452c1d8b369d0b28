// name: fed_by_errors
// topic: errors
// summary: The edges of one circuit that leave an error unit, strongest first: where what the dictionaries leave out goes.
// key: source, target
// param circuit: circuit | name of the circuit
// param node_threshold: float = 0.0 | both ends have a larger absolute effect (units of the metric); the target always counts
// param edge_threshold: float = 0.0 | edges of larger absolute weight (units of the metric)
// param limit: integer = 20 | at most so many rows
// column source: string | key of the error's circuit node
// column target: string | key of the downstream circuit node
// column error_component: string | component of the error
// column error_layer: integer | its layer
// column error_position: integer or null | its token position; null where summed
// column target_kind: string | feature, group, error or target
// column target_component: string | component of the downstream end
// column target_layer: integer | its layer; the target the number of layers
// column target_feature_index: integer or null | its row in the dictionary (features only)
// column target_position: integer or null | its token position; null where summed
// column target_label: string or null | the feature's short name
// column weight: float [units of the metric] | indirect effect through this edge alone, signed
// column error_effect: float [units of the metric] | indirect effect of the error, signed
MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)
WHERE c.name = $circuit
WITH s, e, d
WHERE s.kind = 'error' AND abs(e.weight) > $edge_threshold AND abs(s.effect) > $node_threshold
  AND (d.kind = 'target' OR abs(d.effect) > $node_threshold)
OPTIONAL MATCH (d)-[:INSTANCE_OF]->(f:Feature)
RETURN s.id AS source, d.id AS target, s.component AS error_component, s.layer AS error_layer,
       s.position AS error_position, d.kind AS target_kind, d.component AS target_component,
       d.layer AS target_layer, d.feature_index AS target_feature_index, d.position AS target_position,
       coalesce(d.label, f.label) AS target_label, e.weight AS weight, s.effect AS error_effect
ORDER BY abs(weight) DESC, source, target
LIMIT $limit
