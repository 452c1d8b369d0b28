// name: strongest_features
// topic: circuits
// summary: The features of one circuit with the largest absolute effect, positions pooled by signed sum, with what they fire on and promote.
// key: feature
// param circuit: circuit | name of the circuit
// param node_threshold: float = 0.0 | features of larger absolute pooled effect (units of the metric)
// param limit: integer = 20 | at most so many rows
// column feature: string | key of the feature
// column component: string | embed, attn, mlp or resid
// column layer: integer | layer; the embedding -1
// column feature_index: integer | its row in the dictionary
// column label: string or null | its short name
// column effect: float [units of the metric] | signed sum of its effects over positions
// column first_token_effect: float [units of the metric] | the part of it at the first token of the input
// column n_positions: integer | circuit nodes pooled
// column top_tokens: list of strings or null | tokens it fires on most strongly
// column promotes: list of strings or null | tokens whose logit it raises most
// column suppresses: list of strings or null | tokens whose logit it lowers most
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)-[:INSTANCE_OF]->(f:Feature)
WHERE c.name = $circuit
WITH f, coalesce(sum(n.effect), 0.0) AS effect,
     coalesce(sum(CASE WHEN n.is_first_token THEN n.effect ELSE 0.0 END), 0.0) AS first_token_effect,
     count(n) AS n_positions
WHERE abs(effect) > $node_threshold
RETURN f.id AS feature, f.component AS component, f.layer AS layer, f.feature_index AS feature_index,
       f.label AS label, effect AS effect, first_token_effect AS first_token_effect, n_positions AS n_positions,
       f.top_tokens AS top_tokens, f.promotes AS promotes, f.suppresses AS suppresses
ORDER BY abs(effect) DESC, feature
LIMIT $limit
