// name: feature_uses
// topic: features
// summary: Every use of a feature by a circuit with its effect there, positions pooled by signed sum: families of features and communities of circuits start here.
// key: feature, circuit
// param node_threshold: float = 0.0 | features of larger absolute pooled effect in a circuit count there (units of the metric)
// param first_token: one of drop, keep, only = drop | leave out effects at the first token of the input, keep them, or count them alone
// param derived: one of drop, keep = drop | leave out circuits made of other circuits (DERIVED_FROM), which would count what those share once more, or keep them
// column feature: string | key of the feature
// column component: string | embed, attn, mlp or resid
// column layer: integer | layer; the embedding -1
// column feature_index: integer | its row in the dictionary
// column label: string or null | its short name
// column circuit: string | name of a circuit that uses it
// column effect: float [units of the metric] | signed sum of its effects over positions
MATCH (c:Circuit)
WHERE $derived = 'keep' OR NOT EXISTS { MATCH (c)-[:DERIVED_FROM]->(:Circuit) }
WITH c
MATCH (c)-[:HAS_NODE]->(n:CircuitNode)-[:INSTANCE_OF]->(f:Feature)
WITH c, n, f
WHERE $first_token = 'keep' OR n.is_first_token = ($first_token = 'only')
WITH f, c.name AS circuit, coalesce(sum(n.effect), 0.0) AS effect
WHERE abs(effect) > $node_threshold
RETURN f.id AS feature, f.component AS component, f.layer AS layer, f.feature_index AS feature_index,
       f.label AS label, circuit AS circuit, effect AS effect
ORDER BY feature, circuit
