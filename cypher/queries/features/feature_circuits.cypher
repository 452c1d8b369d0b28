// name: feature_circuits
// topic: features
// summary: The circuits that use one feature, with its effect in each, positions pooled by signed sum.
// key: circuit
// param feature: string | key of the feature, such as stories260K/topk16/resid_3/feature/417
// param node_threshold: float = 0.0 | circuits in which its absolute pooled effect is larger (units of the metric)
// column circuit: string | name of the circuit
// column task: string | the behaviour it explains
// column effect: float [units of the metric] | signed sum of the feature's effects over positions
// column first_token_effect: float [units of the metric] | the part of it at the first token of the input
// column n_positions: integer | circuit nodes pooled
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)-[:INSTANCE_OF]->(f:Feature)
WHERE f.id = $feature
WITH c.name AS circuit, c.task_id AS task, coalesce(sum(n.effect), 0.0) AS effect,
     coalesce(sum(CASE WHEN n.is_first_token THEN n.effect ELSE 0.0 END), 0.0) AS first_token_effect,
     count(n) AS n_positions
WHERE abs(effect) > $node_threshold
RETURN circuit AS circuit, task AS task, effect AS effect, first_token_effect AS first_token_effect,
       n_positions AS n_positions
ORDER BY abs(effect) DESC, circuit
