// name: overlap_edges
// topic: overlap
// summary: What two circuits share of their edges, counted and weighted by absolute weight; edges at an error, at the first token and into the target apart.
// key: kind
// param circuit_a: circuit | name of one circuit
// param circuit_b: circuit | name of the other
// param level: one of feature, role, position = feature | where two ends count as the same: feature (positions pooled by signed sum), feature and role (what has no role is left out), or feature and position (one template only)
// param node_threshold: float = 0.0 | both ends are circuit nodes of larger absolute effect (units of the metric); the target always counts
// param edge_threshold: float = 0.0 | edges of larger absolute pooled weight (units of the metric)
// column kind: string | feature (both ends are), first_token (features, one at the first token), error (an end is), target (a feature's edge into it)
// column n_a: integer | edges of the one
// column n_b: integer | edges of the other
// column n_shared: integer | edges of both
// column n_same_sign: integer | edges of both whose weights have the same sign
// column jaccard: float [share] | n_shared over edges of either; null where there are none
// column containment_a: float [share] | n_shared over n_a; null where that is zero
// column containment_b: float [share] | n_shared over n_b; null where that is zero
// column weight_a: float | absolute pooled weights of the one, summed; over all layers, so only to weigh by: no share of the metric
// column weight_b: float | absolute pooled weights of the other, summed; over all layers, so only to weigh by: no share of the metric
// column shared_weight_a: float | the part of weight_a in shared edges
// column shared_weight_b: float | the part of weight_b in shared edges
// column weighted_jaccard: float [share] | the smaller absolute weight of each edge, summed, over the larger; null where that is zero
// column weighted_containment_a: float [share] | shared_weight_a over weight_a; null where that is zero
// column weighted_containment_b: float [share] | shared_weight_b over weight_b; null where that is zero
MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)
WHERE (c.name = $circuit_a OR c.name = $circuit_b) AND c.units <> 'groups'
WITH c, s, e, d
WHERE abs(s.effect) > $node_threshold AND (d.kind = 'target' OR abs(d.effect) > $node_threshold)
  AND ($level <> 'role' OR (s.role IS NOT NULL AND (d.kind = 'target' OR d.role IS NOT NULL)))
WITH c.model_id AS model, c.suite AS suite, s.component AS source_component, s.layer AS source_layer,
     coalesce(s.feature_index, -1) AS source_feature, d.component AS target_component, d.layer AS target_layer,
     coalesce(d.feature_index, -1) AS target_feature,
     CASE WHEN s.kind = 'error' OR d.kind = 'error' THEN 'error'
          WHEN s.is_first_token OR (d.is_first_token AND d.kind = 'feature') THEN 'first_token'
          WHEN d.kind = 'target' THEN 'target' ELSE 'feature' END AS kind,
     CASE WHEN $level = 'role' THEN coalesce(s.role, '') ELSE '' END AS source_role,
     CASE WHEN $level = 'role' THEN coalesce(d.role, '') ELSE '' END AS target_role,
     CASE WHEN $level = 'position' THEN coalesce(s.position, -1) ELSE -1 END AS source_position,
     CASE WHEN $level = 'position' THEN coalesce(d.position, -1) ELSE -1 END AS target_position,
     coalesce(sum(CASE WHEN c.name = $circuit_a THEN e.weight ELSE 0.0 END), 0.0) AS a,
     coalesce(sum(CASE WHEN c.name = $circuit_b THEN e.weight ELSE 0.0 END), 0.0) AS b
WITH kind, CASE WHEN abs(a) > $edge_threshold THEN a ELSE 0.0 END AS a,
     CASE WHEN abs(b) > $edge_threshold THEN b ELSE 0.0 END AS b
WITH kind, count(CASE WHEN a <> 0.0 THEN 1 END) AS n_a, count(CASE WHEN b <> 0.0 THEN 1 END) AS n_b,
     count(CASE WHEN a <> 0.0 AND b <> 0.0 THEN 1 END) AS n_shared, count(CASE WHEN a * b > 0.0 THEN 1 END) AS n_same_sign,
     coalesce(sum(abs(a)), 0.0) AS weight_a, coalesce(sum(abs(b)), 0.0) AS weight_b,
     coalesce(sum(CASE WHEN b <> 0.0 THEN abs(a) ELSE 0.0 END), 0.0) AS shared_weight_a,
     coalesce(sum(CASE WHEN a <> 0.0 THEN abs(b) ELSE 0.0 END), 0.0) AS shared_weight_b,
     coalesce(sum(CASE WHEN abs(a) < abs(b) THEN abs(a) ELSE abs(b) END), 0.0) AS smaller,
     coalesce(sum(CASE WHEN abs(a) < abs(b) THEN abs(b) ELSE abs(a) END), 0.0) AS larger
WHERE n_a + n_b > 0
RETURN kind AS kind, n_a AS n_a, n_b AS n_b, n_shared AS n_shared, n_same_sign AS n_same_sign,
       1.0 * n_shared / (n_a + n_b - n_shared) AS jaccard,
       CASE WHEN n_a > 0 THEN 1.0 * n_shared / n_a END AS containment_a,
       CASE WHEN n_b > 0 THEN 1.0 * n_shared / n_b END AS containment_b,
       weight_a AS weight_a, weight_b AS weight_b, shared_weight_a AS shared_weight_a,
       shared_weight_b AS shared_weight_b, smaller / larger AS weighted_jaccard,
       CASE WHEN n_a > 0 THEN shared_weight_a / weight_a END AS weighted_containment_a,
       CASE WHEN n_b > 0 THEN shared_weight_b / weight_b END AS weighted_containment_b
ORDER BY kind
