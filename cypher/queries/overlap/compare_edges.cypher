// name: compare_edges
// topic: overlap
// summary: Every edge that one of two circuits has, with its weight in each, strongest first, positions pooled by signed sum; edges at an error, at the first token and into the target apart.
// key: model, suite, source_layer, source_component, source_kind, source_feature_index, source_role, source_position, target_layer, target_component, target_kind, target_feature_index, target_role, target_position, kind
// param circuit_a: circuit | name of one circuit
// param circuit_b: circuit | name of the other
// param level: one of feature, role, position = feature | where two ends count as the same: feature (positions pooled by signed sum), feature and role (what has no role is left out), or feature and position (one template only)
// param node_threshold: float = 0.0 | both ends are circuit nodes of larger absolute effect (units of the metric); the target always counts
// param edge_threshold: float = 0.0 | edges of larger absolute pooled weight in one circuit at least (units of the metric)
// param limit: integer = 1000 | at most so many rows
// column model: string | model of the circuit
// column suite: string | its set of dictionaries
// column kind: string | feature (both ends are), first_token (features, one at the first token), error (an end is), target (a feature's edge into it)
// column source_kind: string | upstream end: feature, error or target
// column source_component: string | its component
// column source_layer: integer | its layer
// column source_feature_index: integer or null | its row in the dictionary (features only)
// column source_role: string | its role at level role; else empty
// column source_position: integer | its position at level position; else -1
// column target_kind: string | downstream end: feature, error or target
// column target_component: string | its component
// column target_layer: integer | its layer
// column target_feature_index: integer or null | its row in the dictionary (features only)
// column target_role: string | its role at level role; else empty
// column target_position: integer | its position at level position; else -1
// column weight_a: float [units of the metric] | signed sum of its weights in the one
// column weight_b: float [units of the metric] | the same in the other
// column in_a: boolean | whether weight_a is above the threshold
// column in_b: boolean | whether weight_b is above the threshold
MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)
WHERE (c.name = $circuit_a OR c.name = $circuit_b) AND c.units <> 'groups'
WITH c, s, e, d
WHERE abs(s.effect) > $node_threshold AND (d.kind = 'target' OR abs(d.effect) > $node_threshold)
  AND ($level <> 'role' OR (s.role IS NOT NULL AND (d.kind = 'target' OR d.role IS NOT NULL)))
WITH c.model_id AS model, c.suite AS suite,
     CASE WHEN s.kind = 'error' OR d.kind = 'error' THEN 'error'
          WHEN s.is_first_token OR (d.is_first_token AND d.kind = 'feature') THEN 'first_token'
          WHEN d.kind = 'target' THEN 'target' ELSE 'feature' END AS kind,
     s.kind AS source_kind, s.component AS source_component, s.layer AS source_layer,
     s.feature_index AS source_feature_index,
     CASE WHEN $level = 'role' THEN coalesce(s.role, '') ELSE '' END AS source_role,
     CASE WHEN $level = 'position' THEN coalesce(s.position, -1) ELSE -1 END AS source_position,
     d.kind AS target_kind, d.component AS target_component, d.layer AS target_layer,
     d.feature_index AS target_feature_index,
     CASE WHEN $level = 'role' THEN coalesce(d.role, '') ELSE '' END AS target_role,
     CASE WHEN $level = 'position' THEN coalesce(d.position, -1) ELSE -1 END AS target_position,
     coalesce(sum(CASE WHEN c.name = $circuit_a THEN e.weight ELSE 0.0 END), 0.0) AS weight_a,
     coalesce(sum(CASE WHEN c.name = $circuit_b THEN e.weight ELSE 0.0 END), 0.0) AS weight_b
WHERE abs(weight_a) > $edge_threshold OR abs(weight_b) > $edge_threshold
RETURN model AS model, suite AS suite, kind AS kind, source_kind AS source_kind,
       source_component AS source_component, source_layer AS source_layer,
       source_feature_index AS source_feature_index, source_role AS source_role, source_position AS source_position,
       target_kind AS target_kind, target_component AS target_component, target_layer AS target_layer,
       target_feature_index AS target_feature_index, target_role AS target_role, target_position AS target_position,
       weight_a AS weight_a, weight_b AS weight_b, abs(weight_a) > $edge_threshold AS in_a,
       abs(weight_b) > $edge_threshold AS in_b
ORDER BY abs(weight_a) + abs(weight_b) DESC, model, suite, source_layer, source_component, source_kind,
       source_feature_index, source_role, source_position, target_layer, target_component, target_kind,
       target_feature_index, target_role, target_position, kind
LIMIT $limit
