// name: only_in
// topic: features
// summary: The features of one circuit that another lacks, strongest first, positions pooled by signed sum.
// key: feature, role, position
// param circuit: circuit | name of the circuit
// param other: circuit | name of the circuit that lacks them
// param level: one of feature, role, position = feature | where two units count as the same: feature (positions pooled by signed sum), feature and role (what has no role is left out), or feature and position (one template only)
// param node_threshold: float = 0.0 | features of larger absolute pooled effect, in both circuits (units of the metric)
// param first_token: one of drop, keep, only = keep | leave out effects at the first token of the input, keep them, or count them alone
// param limit: integer = 20 | at most so many rows
// column feature: string | key of the feature
// column component: string | embed, attn, mlp or resid
// column layer: integer | layer; the embedding -1
// column feature_index: integer | its row in the dictionary
// column label: string or null | its short name
// column role: string | the role at level role; else empty
// column position: integer | the position at level position; else -1
// column effect: float [units of the metric] | signed sum of its effects in the circuit
// column effect_in_other: float [units of the metric] | the same in the other: not above the threshold
// column top_tokens: list of strings or null | tokens it fires on most strongly
// column promotes: list of strings or null | tokens whose logit it raises most
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)-[:INSTANCE_OF]->(f:Feature)
WHERE c.name = $circuit OR c.name = $other
WITH c, n, f
WHERE ($first_token = 'keep' OR n.is_first_token = ($first_token = 'only')) AND ($level <> 'role' OR n.role IS NOT NULL)
WITH f, CASE WHEN $level = 'role' THEN coalesce(n.role, '') ELSE '' END AS role,
     CASE WHEN $level = 'position' THEN coalesce(n.position, -1) ELSE -1 END AS position,
     coalesce(sum(CASE WHEN c.name = $circuit THEN n.effect ELSE 0.0 END), 0.0) AS effect,
     coalesce(sum(CASE WHEN c.name = $other THEN n.effect ELSE 0.0 END), 0.0) AS effect_in_other
WHERE abs(effect) > $node_threshold AND abs(effect_in_other) <= $node_threshold
RETURN f.id AS feature, f.component AS component, f.layer AS layer, f.feature_index AS feature_index,
       f.label AS label, role AS role, position AS position, effect AS effect, effect_in_other AS effect_in_other,
       f.top_tokens AS top_tokens, f.promotes AS promotes
ORDER BY abs(effect) DESC, feature, role, position
LIMIT $limit
