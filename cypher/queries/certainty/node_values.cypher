// name: node_values
// topic: certainty
// summary: The units of one circuit with their effect on every example, strongest first: what bootstraps draw from.
// key: id
// param circuit: circuit | name of the circuit
// column id: string | key of the circuit node
// column unit_id: string | key of the feature or error it is an instance of
// column kind: string | feature or error
// column component: string | embed, attn, mlp or resid
// column layer: integer | layer; the embedding -1
// column feature_index: integer or null | its row in the dictionary (features only)
// column position: integer or null | token position; null where positions are summed
// column role: string or null | the position's name in the template, or its token where all examples agree
// column effect: float [units of the metric] | indirect effect, signed, mean over examples
// column effects: list of floats or null [units of the metric] | effect on each example, in the order of the data
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)-[:INSTANCE_OF]->(u:Feature|Error)
WHERE c.name = $circuit
RETURN n.id AS id, u.id AS unit_id, n.kind AS kind, n.component AS component, n.layer AS layer,
       n.feature_index AS feature_index, n.position AS position, n.role AS role, n.effect AS effect,
       n.effects AS effects
ORDER BY abs(effect) DESC, id
