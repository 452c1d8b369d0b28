// name: compare_nodes
// topic: overlap
// summary: Every unit that one of two circuits uses, with its effect in each, strongest first, positions pooled by signed sum; features, first-token features and errors apart.
// key: unit, kind, role, position
// param circuit_a: circuit | name of one circuit
// param circuit_b: circuit | name of the other
// param level: one of feature, role, position = feature | where two units count as the same: feature (positions pooled by signed sum), feature and role (what has no role is left out), or feature and position (one template only)
// param node_threshold: float = 0.0 | units of larger absolute pooled effect in one circuit at least (units of the metric)
// param limit: integer = 1000 | at most so many rows
// column unit: string | key of the feature or error
// column kind: string | feature, first_token (a feature at the first token of the input) or error
// column component: string | embed, attn, mlp or resid
// column layer: integer | layer; the embedding -1
// column feature_index: integer or null | its row in the dictionary (features only)
// column label: string or null | the feature's short name
// column role: string | the role at level role; else empty
// column position: integer | the position at level position; else -1
// column effect_a: float [units of the metric] | signed sum of its effects in the one
// column effect_b: float [units of the metric] | the same in the other
// column in_a: boolean | whether effect_a is above the threshold
// column in_b: boolean | whether effect_b is above the threshold
// column top_tokens: list of strings or null | tokens the feature fires on most strongly
// column promotes: list of strings or null | tokens whose logit the feature raises most
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)-[:INSTANCE_OF]->(u:Feature|Error)
WHERE (c.name = $circuit_a OR c.name = $circuit_b) AND ($level <> 'role' OR n.role IS NOT NULL)
WITH u, CASE WHEN n.kind = 'error' THEN 'error' WHEN n.is_first_token THEN 'first_token' ELSE 'feature' END AS kind,
     CASE WHEN $level = 'role' THEN coalesce(n.role, '') ELSE '' END AS role,
     CASE WHEN $level = 'position' THEN coalesce(n.position, -1) ELSE -1 END AS position,
     coalesce(sum(CASE WHEN c.name = $circuit_a THEN n.effect ELSE 0.0 END), 0.0) AS effect_a,
     coalesce(sum(CASE WHEN c.name = $circuit_b THEN n.effect ELSE 0.0 END), 0.0) AS effect_b
WHERE abs(effect_a) > $node_threshold OR abs(effect_b) > $node_threshold
RETURN u.id AS unit, kind AS kind, u.component AS component, u.layer AS layer, u.feature_index AS feature_index,
       u.label AS label, role AS role, position AS position, effect_a AS effect_a, effect_b AS effect_b,
       abs(effect_a) > $node_threshold AS in_a, abs(effect_b) > $node_threshold AS in_b,
       u.top_tokens AS top_tokens, u.promotes AS promotes
ORDER BY abs(effect_a) + abs(effect_b) DESC, unit, kind, role, position
LIMIT $limit
