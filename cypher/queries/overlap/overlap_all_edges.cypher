// name: overlap_all_edges
// topic: overlap
// summary: What every two circuits share of their edges between features, counted and weighted by absolute weight; pairs that share none have no row.
// key: circuit_a, circuit_b
// param level: one of feature, role, position = feature | where two ends count as the same: feature (positions pooled by signed sum), feature and role, or feature and position (one template only)
// param first_token: one of drop, keep, only = drop | leave out edges with an end at the first token of the input, keep them, or count them alone
// param node_threshold: float = 0.0 | both ends are circuit nodes of larger absolute effect (units of the metric)
// param edge_threshold: float = 0.0 | edges of larger absolute pooled weight (units of the metric)
// column circuit_a: string | name of one circuit
// column circuit_b: string | name of the other, later in the alphabet
// column n_a: integer | edges of the one
// column n_b: integer | edges of the other
// column n_shared: integer | edges of both
// column n_same_sign: integer | edges of both whose weights have the same sign
// column jaccard: float [share] | n_shared over edges of either
// column containment_a: float [share] | n_shared over n_a
// column containment_b: float [share] | n_shared over n_b
// column weight_a: float [units of the metric] | absolute pooled weights of the one, summed
// column weight_b: float [units of the metric] | absolute pooled weights of the other, summed
// column shared_weight_a: float [units of the metric] | the part of weight_a in shared edges
// column shared_weight_b: float [units of the metric] | the part of weight_b in shared edges
// column weighted_jaccard: float [share] | the smaller absolute weight of each edge, summed, over the larger
// column weighted_containment_a: float [share] | shared_weight_a over weight_a
// column weighted_containment_b: float [share] | shared_weight_b over weight_b
MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)
WHERE s.kind = 'feature' AND d.kind = 'feature' AND abs(s.effect) > $node_threshold AND abs(d.effect) > $node_threshold
  AND ($first_token = 'keep' OR (s.is_first_token OR d.is_first_token) = ($first_token = 'only'))
WITH c.name AS circuit, c.model_id AS model, c.suite AS suite, s.component AS sc, s.layer AS sl, s.feature_index AS sf,
     d.component AS dc, d.layer AS dl, d.feature_index AS df,
     CASE WHEN $level = 'role' THEN coalesce(s.role, '') ELSE '' END AS sr,
     CASE WHEN $level = 'role' THEN coalesce(d.role, '') ELSE '' END AS dr,
     CASE WHEN $level = 'position' THEN coalesce(s.position, -1) ELSE -1 END AS sp,
     CASE WHEN $level = 'position' THEN coalesce(d.position, -1) ELSE -1 END AS dp,
     coalesce(sum(e.weight), 0.0) AS weight
WHERE abs(weight) > $edge_threshold
WITH circuit, model, suite, collect({sc: sc, sl: sl, sf: sf, dc: dc, dl: dl, df: df, sr: sr, dr: dr, sp: sp, dp: dp,
     weight: weight}) AS edges, count(weight) AS n, coalesce(sum(abs(weight)), 0.0) AS total
UNWIND edges AS x
WITH model, suite, x.sc AS sc, x.sl AS sl, x.sf AS sf, x.dc AS dc, x.dl AS dl, x.df AS df, x.sr AS sr, x.dr AS dr,
     x.sp AS sp, x.dp AS dp, collect({circuit: circuit, weight: x.weight, n: n, total: total}) AS uses
UNWIND uses AS a
UNWIND uses AS b
WITH a, b WHERE a.circuit < b.circuit
WITH a.circuit AS circuit_a, b.circuit AS circuit_b, a.n AS n_a, b.n AS n_b, a.total AS weight_a, b.total AS weight_b,
     count(a) AS n_shared, count(CASE WHEN a.weight * b.weight > 0.0 THEN 1 END) AS n_same_sign,
     coalesce(sum(abs(a.weight)), 0.0) AS shared_weight_a, coalesce(sum(abs(b.weight)), 0.0) AS shared_weight_b,
     coalesce(sum(CASE WHEN abs(a.weight) < abs(b.weight) THEN abs(a.weight) ELSE abs(b.weight) END), 0.0) AS smaller
RETURN circuit_a AS circuit_a, circuit_b AS circuit_b, n_a AS n_a, n_b AS n_b, n_shared AS n_shared,
       n_same_sign AS n_same_sign, 1.0 * n_shared / (n_a + n_b - n_shared) AS jaccard,
       1.0 * n_shared / n_a AS containment_a, 1.0 * n_shared / n_b AS containment_b,
       weight_a AS weight_a, weight_b AS weight_b, shared_weight_a AS shared_weight_a, shared_weight_b AS shared_weight_b,
       smaller / (weight_a + weight_b - smaller) AS weighted_jaccard,
       shared_weight_a / weight_a AS weighted_containment_a, shared_weight_b / weight_b AS weighted_containment_b
ORDER BY circuit_a, circuit_b
