// name: overlap_all_nodes
// topic: overlap
// summary: What every two circuits share of their features, counted and weighted by absolute effect; pairs that share none have no row.
// key: circuit_a, circuit_b
// param level: one of feature, role, position = feature | where two features count as the same: feature (positions pooled by signed sum), feature and role (what has no role is left out), or feature and position (one template only)
// param first_token: one of drop, keep, only = drop | leave out effects at the first token of the input, keep them, or count them alone
// param node_threshold: float = 0.0 | features of larger absolute pooled effect (units of the metric)
// param derived: one of drop, keep = drop | leave out circuits made of other circuits (DERIVED_FROM), which would count what those share once more, or keep them
// column circuit_a: string | name of one circuit
// column circuit_b: string | name of the other, later in the alphabet
// column n_a: integer | features of the one
// column n_b: integer | features of the other
// column n_shared: integer | features of both
// column n_same_sign: integer | features of both whose effects have the same sign
// column jaccard: float [share] | n_shared over features of either
// column containment_a: float [share] | n_shared over n_a
// column containment_b: float [share] | n_shared over n_b
// column effect_a: float | absolute pooled effects of the one, summed; over all layers, so only to weigh by: no share of the metric
// column effect_b: float | absolute pooled effects of the other, summed; over all layers, so only to weigh by: no share of the metric
// column shared_effect_a: float | the part of effect_a in shared features
// column shared_effect_b: float | the part of effect_b in shared features
// column weighted_jaccard: float [share] | the smaller absolute effect of each feature, summed, over the larger
// column weighted_containment_a: float [share] | shared_effect_a over effect_a
// column weighted_containment_b: float [share] | shared_effect_b over effect_b
MATCH (c:Circuit)
WHERE $derived = 'keep' OR NOT EXISTS { MATCH (c)-[:DERIVED_FROM]->(:Circuit) }
WITH c
MATCH (c)-[:HAS_NODE]->(n:CircuitNode)-[:INSTANCE_OF]->(f:Feature)
WITH c, n, f
WHERE ($first_token = 'keep' OR n.is_first_token = ($first_token = 'only')) AND ($level <> 'role' OR n.role IS NOT NULL)
WITH c.name AS circuit, f.id AS unit, CASE WHEN $level = 'role' THEN coalesce(n.role, '') ELSE '' END AS role,
     CASE WHEN $level = 'position' THEN coalesce(n.position, -1) ELSE -1 END AS position,
     coalesce(sum(n.effect), 0.0) AS effect
WHERE abs(effect) > $node_threshold
WITH circuit, collect({unit: unit, role: role, position: position, effect: effect}) AS units, count(unit) AS n,
     coalesce(sum(abs(effect)), 0.0) AS total
UNWIND units AS x
WITH x.unit AS unit, x.role AS role, x.position AS position,
     collect({circuit: circuit, effect: x.effect, n: n, total: total}) AS uses
UNWIND uses AS a
UNWIND uses AS b
WITH a, b WHERE a.circuit < b.circuit
WITH a.circuit AS circuit_a, b.circuit AS circuit_b, a.n AS n_a, b.n AS n_b, a.total AS effect_a, b.total AS effect_b,
     count(a) AS n_shared, count(CASE WHEN a.effect * b.effect > 0.0 THEN 1 END) AS n_same_sign,
     coalesce(sum(abs(a.effect)), 0.0) AS shared_effect_a, coalesce(sum(abs(b.effect)), 0.0) AS shared_effect_b,
     coalesce(sum(CASE WHEN abs(a.effect) < abs(b.effect) THEN abs(a.effect) ELSE abs(b.effect) END), 0.0) AS smaller
RETURN circuit_a AS circuit_a, circuit_b AS circuit_b, n_a AS n_a, n_b AS n_b, n_shared AS n_shared,
       n_same_sign AS n_same_sign, 1.0 * n_shared / (n_a + n_b - n_shared) AS jaccard,
       1.0 * n_shared / n_a AS containment_a, 1.0 * n_shared / n_b AS containment_b,
       effect_a AS effect_a, effect_b AS effect_b, shared_effect_a AS shared_effect_a, shared_effect_b AS shared_effect_b,
       smaller / (effect_a + effect_b - smaller) AS weighted_jaccard,
       shared_effect_a / effect_a AS weighted_containment_a, shared_effect_b / effect_b AS weighted_containment_b
ORDER BY circuit_a, circuit_b
