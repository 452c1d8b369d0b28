// name: feeds_node
// topic: neighbours
// summary: What feeds one unit of a circuit: the edges that end in it, at any position, strongest first.
// key: source, target
// param circuit: circuit | name of the circuit
// param unit: string | the unit inside the circuit, such as resid_3/feature/417, attn_0/error or target
// param node_threshold: float = 0.0 | upstream ends of larger absolute effect (units of the metric)
// param edge_threshold: float = 0.0 | edges of larger absolute weight (units of the metric)
// param limit: integer = 20 | at most so many rows
// column source: string | key of the upstream circuit node
// column target: string | key of the unit's circuit node
// column source_kind: string | feature, group or error
// column source_component: string | its component
// column source_layer: integer | its layer
// column source_feature_index: integer or null | its row in the dictionary (features only)
// column source_position: integer or null | its token position; null where summed
// column source_role: string or null | the position's name in the template
// column source_label: string or null | the feature's short name
// column target_position: integer or null | position of the unit; null where summed
// column weight: float [units of the metric] | indirect effect through this edge alone, signed
// column source_effect: float [units of the metric] | indirect effect of the upstream end, signed
MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)
WHERE c.name = $circuit
WITH s, e, d, c.id + '/' + $unit + '/' AS start
WHERE d.id STARTS WITH start AND abs(e.weight) > $edge_threshold AND abs(s.effect) > $node_threshold
OPTIONAL MATCH (s)-[:INSTANCE_OF]->(f:Feature)
RETURN s.id AS source, d.id AS target, s.kind AS source_kind, s.component AS source_component,
       s.layer AS source_layer, s.feature_index AS source_feature_index, s.position AS source_position,
       s.role AS source_role, coalesce(s.label, f.label) AS source_label, d.position AS target_position, e.weight AS weight,
       s.effect AS source_effect
ORDER BY abs(weight) DESC, source, target
LIMIT $limit
