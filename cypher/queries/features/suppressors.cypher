// name: suppressors
// topic: features
// summary: The features of one circuit with a negative effect, each at its position, strongest first: patching them moves the model away from the patch answer, so on clean input they work against the right one.
// key: node
// param circuit: circuit | name of the circuit
// param node_threshold: float = 0.0 | features of larger absolute effect (units of the metric)
// param first_token: one of drop, keep, only = keep | leave out effects at the first token of the input, keep them, or count them alone
// param limit: integer = 20 | at most so many rows
// column node: string | key of the circuit node
// column feature: string | key of the feature
// column component: string | embed, attn, mlp or resid
// column layer: integer | layer; the embedding -1
// column feature_index: integer | its row in the dictionary
// column position: integer or null | its token position; null where positions are summed
// column role: string or null | the position's name in the template
// column label: string or null | its short name
// column effect: float [units of the metric] | indirect effect, negative
// column effect_se: float [units of the metric] | its standard error over distinct items
// column effects: list of floats or null [units of the metric] | effect on each example
// column top_tokens: list of strings or null | tokens it fires on most strongly
// column promotes: list of strings or null | tokens whose logit it raises most
// column suppresses: list of strings or null | tokens whose logit it lowers most
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)-[:INSTANCE_OF]->(f:Feature)
WHERE c.name = $circuit
WITH n, f
WHERE n.effect < 0.0 AND abs(n.effect) > $node_threshold
  AND ($first_token = 'keep' OR n.is_first_token = ($first_token = 'only'))
RETURN n.id AS node, f.id AS feature, n.component AS component, n.layer AS layer,
       n.feature_index AS feature_index, n.position AS position, n.role AS role, f.label AS label,
       n.effect AS effect, n.effect_se AS effect_se, n.effects AS effects, f.top_tokens AS top_tokens,
       f.promotes AS promotes, f.suppresses AS suppresses
ORDER BY effect, node
LIMIT $limit
