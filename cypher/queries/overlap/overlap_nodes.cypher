// name: overlap_nodes
// topic: overlap
// summary: What two circuits share of their units, counted and weighted by absolute effect; features, first-token features and errors apart.
// key: kind
// param circuit_a: circuit | name of one circuit
// param circuit_b: circuit | name of the other
// param level: one of feature, role, position = feature | where two units count as the same: feature (positions pooled by signed sum), feature and role (what has no role is left out), or feature and position (one template only)
// param node_threshold: float = 0.0 | units of larger absolute pooled effect (units of the metric)
// column kind: string | feature, first_token (features at the first token of the input) or error
// column n_a: integer | units of the one
// column n_b: integer | units of the other
// column n_shared: integer | units of both
// column n_same_sign: integer | units of both whose effects have the same sign
// column jaccard: float [share] | n_shared over units of either; null where there are none
// column containment_a: float [share] | n_shared over n_a; null where that is zero
// column containment_b: float [share] | n_shared over n_b; null where that is zero
// column effect_a: float | absolute pooled effects of the one, summed; over all layers, so only to weigh by: no share of the metric
// column effect_b: float | absolute pooled effects of the other, summed; over all layers, so only to weigh by: no share of the metric
// column shared_effect_a: float | the part of effect_a in shared units
// column shared_effect_b: float | the part of effect_b in shared units
// column weighted_jaccard: float [share] | the smaller absolute effect of each unit, summed, over the larger; null where that is zero
// column weighted_containment_a: float [share] | shared_effect_a over effect_a; null where that is zero
// column weighted_containment_b: float [share] | shared_effect_b over effect_b; null where that is zero
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)-[:INSTANCE_OF]->(u:Feature|Error)
WHERE (c.name = $circuit_a OR c.name = $circuit_b) AND ($level <> 'role' OR n.role IS NOT NULL)
WITH u.id AS unit,
     CASE WHEN n.kind = 'error' THEN 'error' WHEN n.is_first_token THEN 'first_token' ELSE 'feature' END AS kind,
     CASE WHEN $level = 'role' THEN coalesce(n.role, '') ELSE '' END AS role,
     CASE WHEN $level = 'position' THEN coalesce(n.position, -1) ELSE -1 END AS position,
     coalesce(sum(CASE WHEN c.name = $circuit_a THEN n.effect ELSE 0.0 END), 0.0) AS a,
     coalesce(sum(CASE WHEN c.name = $circuit_b THEN n.effect ELSE 0.0 END), 0.0) AS b
WITH kind, CASE WHEN abs(a) > $node_threshold THEN a ELSE 0.0 END AS a,
     CASE WHEN abs(b) > $node_threshold THEN b ELSE 0.0 END AS b
WITH kind, count(CASE WHEN a <> 0.0 THEN 1 END) AS n_a, count(CASE WHEN b <> 0.0 THEN 1 END) AS n_b,
     count(CASE WHEN a <> 0.0 AND b <> 0.0 THEN 1 END) AS n_shared, count(CASE WHEN a * b > 0.0 THEN 1 END) AS n_same_sign,
     coalesce(sum(abs(a)), 0.0) AS effect_a, coalesce(sum(abs(b)), 0.0) AS effect_b,
     coalesce(sum(CASE WHEN b <> 0.0 THEN abs(a) ELSE 0.0 END), 0.0) AS shared_effect_a,
     coalesce(sum(CASE WHEN a <> 0.0 THEN abs(b) ELSE 0.0 END), 0.0) AS shared_effect_b,
     coalesce(sum(CASE WHEN abs(a) < abs(b) THEN abs(a) ELSE abs(b) END), 0.0) AS smaller,
     coalesce(sum(CASE WHEN abs(a) < abs(b) THEN abs(b) ELSE abs(a) END), 0.0) AS larger
WHERE n_a + n_b > 0
RETURN kind AS kind, n_a AS n_a, n_b AS n_b, n_shared AS n_shared, n_same_sign AS n_same_sign,
       1.0 * n_shared / (n_a + n_b - n_shared) AS jaccard,
       CASE WHEN n_a > 0 THEN 1.0 * n_shared / n_a END AS containment_a,
       CASE WHEN n_b > 0 THEN 1.0 * n_shared / n_b END AS containment_b,
       effect_a AS effect_a, effect_b AS effect_b, shared_effect_a AS shared_effect_a,
       shared_effect_b AS shared_effect_b, smaller / larger AS weighted_jaccard,
       CASE WHEN n_a > 0 THEN shared_effect_a / effect_a END AS weighted_containment_a,
       CASE WHEN n_b > 0 THEN shared_effect_b / effect_b END AS weighted_containment_b
ORDER BY kind
