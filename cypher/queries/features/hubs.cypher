// name: hubs
// topic: features
// summary: The features that the most circuits use, first-token features (which fire on everything) told apart.
// key: feature
// param node_threshold: float = 0.0 | features of larger absolute pooled effect in a circuit count there (units of the metric)
// param first_token: one of drop, keep, only = drop | leave out effects at the first token of the input, keep them, or count them alone
// param limit: integer = 20 | at most so many rows
// param derived: one of drop, keep = drop | leave out circuits made of other circuits (DERIVED_FROM), which would count what those share once more, or keep them
// column feature: string | key of the feature
// column component: string | embed, attn, mlp or resid
// column layer: integer | layer; the embedding -1
// column feature_index: integer | its row in the dictionary
// column label: string or null | its short name
// column n_circuits: integer | circuits that use it
// column n_tasks: integer | distinct tasks of those circuits
// column n_positive: integer | circuits in which its pooled effect is positive
// column mean_absolute_effect: float [units of the metric] | absolute pooled effect, mean over those circuits
// column largest_absolute_effect: float [units of the metric] | the largest of them
MATCH (c:Circuit)
WHERE $derived = 'keep' OR NOT EXISTS { MATCH (c)-[:DERIVED_FROM]->(:Circuit) }
WITH c
MATCH (c)-[:HAS_NODE]->(n:CircuitNode)-[:INSTANCE_OF]->(f:Feature)
WITH c, n, f
WHERE $first_token = 'keep' OR n.is_first_token = ($first_token = 'only')
WITH f, c.id AS circuit, c.task_id AS task, coalesce(sum(n.effect), 0.0) AS effect
WHERE abs(effect) > $node_threshold
RETURN f.id AS feature, f.component AS component, f.layer AS layer, f.feature_index AS feature_index,
       f.label AS label, count(circuit) AS n_circuits, count(DISTINCT task) AS n_tasks,
       count(CASE WHEN effect > 0.0 THEN 1 END) AS n_positive, avg(abs(effect)) AS mean_absolute_effect,
       max(abs(effect)) AS largest_absolute_effect
ORDER BY n_circuits DESC, mean_absolute_effect DESC, feature
LIMIT $limit
