// name: overlap_all_edges
// topic: overlap
// summary: What every two circuits share of their edges between features, counted and weighted by absolute weight; pairs that share none have no row.
// key: circuit_a, circuit_b
// param level: one of feature, role, position = feature | where two ends count as the same: feature (positions pooled by signed sum), feature and role (what has no role is left out), or feature and position (one template only)
// param first_token: one of drop, keep, only = drop | leave out edges with an end at the first token of the input, keep them, or count them alone
// param node_threshold: float = 0.0 | both ends are circuit nodes of larger absolute effect (units of the metric)
// param edge_threshold: float = 0.0 | edges of larger absolute pooled weight (units of the metric)
// param derived: one of drop, keep = drop | leave out circuits made of other circuits (DERIVED_FROM), which would count what those share once more, or keep them
// column circuit_a: string | name of one circuit
// column circuit_b: string | name of the other, later in the alphabet
// column n_a: integer | edges of the one
// column n_b: integer | edges of the other
// column n_shared: integer | edges of both
// column n_same_sign: integer | edges of both whose weights have the same sign
// column jaccard: float [share] | n_shared over edges of either
// column containment_a: float [share] | n_shared over n_a
// column containment_b: float [share] | n_shared over n_b
// column weight_a: float | absolute pooled weights of the one, summed; over all layers, so only to weigh by: no share of the metric
// column weight_b: float | absolute pooled weights of the other, summed; over all layers, so only to weigh by: no share of the metric
// column shared_weight_a: float | the part of weight_a in shared edges
// column shared_weight_b: float | the part of weight_b in shared edges
// column weighted_jaccard: float [share] | the smaller absolute weight of each edge, summed, over the larger
// column weighted_containment_a: float [share] | shared_weight_a over weight_a
// column weighted_containment_b: float [share] | shared_weight_b over weight_b
MATCH (c:Circuit)
WHERE $derived = 'keep' OR NOT EXISTS { MATCH (c)-[:DERIVED_FROM]->(:Circuit) }
WITH c
MATCH (c)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)-[:INSTANCE_OF]->(g:Feature)
WITH c, s, e, d, g
WHERE s.kind = 'feature' AND abs(s.effect) > $node_threshold AND abs(d.effect) > $node_threshold
  AND ($first_token = 'keep' OR (s.is_first_token OR d.is_first_token) = ($first_token = 'only'))
  AND ($level <> 'role' OR (s.role IS NOT NULL AND d.role IS NOT NULL))
MATCH (s)-[:INSTANCE_OF]->(f:Feature)
WITH c, f, g, CASE WHEN $level = 'role' THEN coalesce(s.role, '') ELSE '' END AS source_role,
     CASE WHEN $level = 'role' THEN coalesce(d.role, '') ELSE '' END AS target_role,
     CASE WHEN $level = 'position' THEN coalesce(s.position, -1) ELSE -1 END AS source_position,
     CASE WHEN $level = 'position' THEN coalesce(d.position, -1) ELSE -1 END AS target_position,
     coalesce(sum(e.weight), 0.0) AS weight
WHERE abs(weight) > $edge_threshold
WITH f, g, source_role, target_role, source_position, target_position,
     collect({circuit: c.name, weight: weight}) AS uses
UNWIND uses AS a
UNWIND uses AS b
WITH a, b WHERE a.circuit <= b.circuit
WITH a.circuit AS circuit_a, b.circuit AS circuit_b, count(a) AS n_shared,
     count(CASE WHEN a.weight * b.weight > 0.0 THEN 1 END) AS n_same_sign,
     coalesce(sum(abs(a.weight)), 0.0) AS shared_a, coalesce(sum(abs(b.weight)), 0.0) AS shared_b,
     coalesce(sum(CASE WHEN abs(a.weight) < abs(b.weight) THEN abs(a.weight) ELSE abs(b.weight) END), 0.0) AS smaller
WITH collect({a: circuit_a, b: circuit_b, n: n_shared, same: n_same_sign, shared_a: shared_a, shared_b: shared_b,
     smaller: smaller}) AS pairs
UNWIND pairs AS own
WITH pairs, own WHERE own.a = own.b
WITH pairs, collect({circuit: own.a, n: own.n, weight: own.shared_a}) AS sizes
UNWIND pairs AS pair
UNWIND sizes AS x
WITH pair, x, sizes WHERE x.circuit = pair.a AND pair.a <> pair.b
UNWIND sizes AS y
WITH pair, x, y WHERE y.circuit = pair.b
RETURN pair.a AS circuit_a, pair.b AS circuit_b, x.n AS n_a, y.n AS n_b, pair.n AS n_shared,
       pair.same AS n_same_sign, 1.0 * pair.n / (x.n + y.n - pair.n) AS jaccard, 1.0 * pair.n / x.n AS containment_a,
       1.0 * pair.n / y.n AS containment_b, x.weight AS weight_a, y.weight AS weight_b,
       pair.shared_a AS shared_weight_a, pair.shared_b AS shared_weight_b,
       pair.smaller / (x.weight + y.weight - pair.smaller) AS weighted_jaccard,
       pair.shared_a / x.weight AS weighted_containment_a, pair.shared_b / y.weight AS weighted_containment_b
ORDER BY circuit_a, circuit_b
