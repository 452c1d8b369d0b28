// name: subgraph
// topic: circuits
// summary: The edges of one circuit above both thresholds with everything about both ends: strongest paths, bottlenecks and drawings start here.
// key: source_id, target_id
// param circuit: circuit | name of the circuit
// param node_threshold: float = 0.0 | both ends have a larger absolute effect (units of the metric); the target always counts
// param edge_threshold: float = 0.0 | edges of larger absolute weight (units of the metric)
// column source_id: string | upstream end: key of the circuit node
// column source_kind: string | upstream end: feature, group, error or target
// column source_component: string | upstream end: embed, attn, mlp, resid or target
// column source_layer: integer | upstream end: layer; the embedding -1, the target the number of layers
// column source_feature_index: integer or null | upstream end: row in the dictionary (features only)
// column source_position: integer or null | upstream end: token position; null where positions are summed
// column source_role: string or null | upstream end: the position's name in the template
// column source_effect: float [units of the metric] | upstream end: indirect effect, signed
// column source_label: string or null | upstream end: the short name of the feature or group
// column target_id: string | downstream end: key of the circuit node
// column target_kind: string | downstream end: feature, group, error or target
// column target_component: string | downstream end: embed, attn, mlp, resid or target
// column target_layer: integer | downstream end: layer; the embedding -1, the target the number of layers
// column target_feature_index: integer or null | downstream end: row in the dictionary (features only)
// column target_position: integer or null | downstream end: token position; null where positions are summed
// column target_role: string or null | downstream end: the position's name in the template
// column target_effect: float [units of the metric] | downstream end: indirect effect, signed
// column target_label: string or null | downstream end: the short name of the feature or group
// column weight: float [units of the metric] | indirect effect through this edge alone, signed
// column weight_se: float [units of the metric] | its standard error over distinct items
MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)
WHERE c.name = $circuit
WITH s, e, d
WHERE abs(e.weight) > $edge_threshold AND abs(s.effect) > $node_threshold
  AND (d.kind = 'target' OR abs(d.effect) > $node_threshold)
OPTIONAL MATCH (s)-[:INSTANCE_OF]->(f:Feature)
OPTIONAL MATCH (d)-[:INSTANCE_OF]->(g:Feature)
RETURN s.id AS source_id, s.kind AS source_kind, s.component AS source_component, s.layer AS source_layer,
       s.feature_index AS source_feature_index, s.position AS source_position, s.role AS source_role,
       s.effect AS source_effect, coalesce(s.label, f.label) AS source_label, d.id AS target_id, d.kind AS target_kind,
       d.component AS target_component, d.layer AS target_layer, d.feature_index AS target_feature_index,
       d.position AS target_position, d.role AS target_role, d.effect AS target_effect,
       coalesce(d.label, g.label) AS target_label, e.weight AS weight, e.weight_se AS weight_se
ORDER BY abs(weight) DESC, source_id, target_id
