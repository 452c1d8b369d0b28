// name: node_uses
// topic: overlap
// summary: Every circuit node of some circuits or all, in a form to count from: overlaps of many circuits start here.
// key: circuit, ordinal
// param from_name: string = | circuits of this name or later in the alphabet; empty: from the first on
// param to_name: string = | circuits of this name or earlier in the alphabet; empty: to the last
// column circuit: string | name of the circuit
// column ordinal: integer | number of the circuit node among those of its circuit
// column kind: string | feature, error or target
// column component: string | embed, attn, mlp, resid or target
// column layer: integer | layer; the embedding -1, the target the number of layers
// column feature_index: integer | its row in the dictionary; -1 where it is no feature
// column position: integer | token position; -1 where positions are summed
// column role: string | the position's name in the template; empty where it has none
// column is_first_token: boolean | whether the position is the first of the input
// column effect: float [units of the metric] | indirect effect, signed
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)
WHERE c.name >= $from_name AND ($to_name = '' OR c.name <= $to_name)
RETURN c.name AS circuit, n.ordinal AS ordinal, n.kind AS kind, n.component AS component, n.layer AS layer,
       coalesce(n.feature_index, -1) AS feature_index, coalesce(n.position, -1) AS position,
       coalesce(n.role, '') AS role, n.is_first_token AS is_first_token, n.effect AS effect
ORDER BY circuit, ordinal
