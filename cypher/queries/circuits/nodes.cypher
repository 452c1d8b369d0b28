// name: nodes
// topic: circuits
// summary: The units of one circuit above a threshold, strongest first, with the target; what a drawing needs of its nodes.
// key: id
// param circuit: circuit | name of the circuit
// param node_threshold: float = 0.0 | features and errors of larger absolute effect (units of the metric); the target always
// column id: string | key of the circuit node
// column kind: string | feature, group (of features), error or target
// column component: string | embed, attn, mlp, resid or target
// column layer: integer | layer; the embedding -1, the target the number of layers
// column feature_index: integer or null | its row in the dictionary (features only)
// column position: integer or null | token position; null where positions are summed
// column role: string or null | the position's name in the template, or its token where all examples agree
// column is_first_token: boolean | whether the position is the first of the input
// column effect: float [units of the metric] | indirect effect, signed
// column effect_se: float [units of the metric] | its standard error over distinct items
// column exact_effect: float [units of the metric] | effect of patching this unit alone, where measured
// column activation: float | mean activation on clean inputs (features only)
// column unit_id: string or null | key of the feature or error it is an instance of
// column label: string or null | the short name of the feature or group
// column top_tokens: list of strings or null | tokens the feature fires on most strongly
// column promotes: list of strings or null | tokens whose logit the feature raises most
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)
WHERE c.name = $circuit AND (n.kind = 'target' OR abs(n.effect) > $node_threshold)
OPTIONAL MATCH (n)-[:INSTANCE_OF]->(u:Feature|Error)
RETURN n.id AS id, n.kind AS kind, n.component AS component, n.layer AS layer, n.feature_index AS feature_index,
       n.position AS position, n.role AS role, n.is_first_token AS is_first_token, n.effect AS effect,
       n.effect_se AS effect_se, n.exact_effect AS exact_effect, n.activation AS activation, u.id AS unit_id,
       coalesce(n.label, u.label) AS label, u.top_tokens AS top_tokens, u.promotes AS promotes
ORDER BY abs(effect) DESC, id
