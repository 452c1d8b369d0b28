// name: standing
// topic: certainty
// summary: The units of one circuit whose stability was written, with their standing, strongest first.
// key: id
// param circuit: circuit | name of the circuit
// param standing: one of any, core, contingent, noise, absent = any | units of this standing; any: of every one
// param node_threshold: float = 0.0 | units of larger absolute effect (units of the metric)
// column id: string | key of the circuit node
// column kind: string | feature or error
// column component: string | embed, attn, mlp or resid
// column layer: integer | layer; the embedding -1
// column feature_index: integer or null | its row in the dictionary (features only)
// column position: integer or null | token position; null where positions are summed
// column role: string or null | the position's name in the template, or its token where all examples agree
// column effect: float [units of the metric] | indirect effect, signed
// column stability: float [share] | resamples in which it stays above the threshold; null where not known
// column standing: string or null | core, contingent, noise or absent among the settings compared
// column label: string or null | the feature's short name
// column top_tokens: list of strings or null | tokens the feature fires on most strongly
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)-[:INSTANCE_OF]->(u:Feature|Error)
WHERE c.name = $circuit AND abs(n.effect) > $node_threshold AND n.stability IS NOT NULL
  AND ($standing = 'any' OR n.standing = $standing)
RETURN n.id AS id, n.kind AS kind, n.component AS component, n.layer AS layer, n.feature_index AS feature_index,
       n.position AS position, n.role AS role, n.effect AS effect, n.stability AS stability, n.standing AS standing,
       u.label AS label, u.top_tokens AS top_tokens
ORDER BY abs(effect) DESC, id
