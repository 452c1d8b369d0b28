// name: measured_edges
// topic: certainty
// summary: The edges of one circuit that were also measured by intervention, with both values, strongest first.
// key: source_id, target_id
// param circuit: circuit | name of the circuit
// column source_id: string | upstream end: key of the circuit node
// column source_kind: string | upstream end: feature, error or target
// column source_component: string | upstream end: embed, attn, mlp, resid or target
// column source_layer: integer | upstream end: layer; the embedding -1, the target the number of layers
// column source_feature_index: integer or null | upstream end: row in the dictionary (features only)
// column source_position: integer or null | upstream end: token position; null where positions are summed
// column source_role: string or null | upstream end: the position's name in the template
// column target_id: string | downstream end: key of the circuit node
// column target_kind: string | downstream end: feature, error or target
// column target_component: string | downstream end: embed, attn, mlp, resid or target
// column target_layer: integer | downstream end: layer; the embedding -1, the target the number of layers
// column target_feature_index: integer or null | downstream end: row in the dictionary (features only)
// column target_position: integer or null | downstream end: token position; null where positions are summed
// column target_role: string or null | downstream end: the position's name in the template
// column weight: float [units of the metric] | indirect effect through this edge alone, signed, mean over examples
// column exact_weight: float [units of the metric] | the same measured by intervention
// column weights: list of floats or null [units of the metric] | weight on each example, where it was kept
MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)
WHERE c.name = $circuit
WITH s, e, d
WHERE e.exact_weight IS NOT NULL
RETURN s.id AS source_id, s.kind AS source_kind, s.component AS source_component, s.layer AS source_layer,
       s.feature_index AS source_feature_index, s.position AS source_position, s.role AS source_role,
       d.id AS target_id, d.kind AS target_kind, d.component AS target_component, d.layer AS target_layer,
       d.feature_index AS target_feature_index, d.position AS target_position, d.role AS target_role,
       e.weight AS weight, e.exact_weight AS exact_weight, e.weights AS weights
ORDER BY abs(weight) DESC, source_id, target_id
