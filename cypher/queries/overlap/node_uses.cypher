// name: node_uses
// topic: overlap
// summary: Every circuit node of some circuits or all, a row a circuit, in a form to count from: overlaps of many circuits start here.
// key: circuit
// unordered: ordinals, kinds, components, layers, feature_indices, node_positions, roles, first_token, effects
// param from_name: string = | circuits of this name or later in the alphabet; empty: from the first on
// param to_name: string = | circuits of this name or earlier in the alphabet; empty: to the last
// column circuit: string | name of the circuit
// column ordinals: list of integers | numbers of its nodes, in the engine's own order; the other lists follow it
// column kinds: list of strings | feature, error or target
// column components: list of strings | embed, attn, mlp, resid or target
// column layers: list of integers | layer; the embedding -1, the target the number of layers
// column feature_indices: list of integers | row in the dictionary; -1 where it is no feature
// column node_positions: list of integers | token position; -1 where positions are summed
// column roles: list of strings | the position's name in the template; empty where it has none
// column first_token: list of integers | 1 where the position is the first of the input, else 0
// column effects: list of floats [units of the metric] | indirect effect, signed
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)
WHERE c.name >= $from_name AND ($to_name = '' OR c.name <= $to_name)
WITH c.name AS circuit, collect(n.ordinal) AS ordinals, collect(n.kind) AS kinds,
     collect(n.component) AS components, collect(n.layer) AS layers,
     collect(coalesce(n.feature_index, -1)) AS feature_indices,
     collect(coalesce(n.position, -1)) AS node_positions, collect(coalesce(n.role, '')) AS roles,
     collect(CASE WHEN n.is_first_token THEN 1 ELSE 0 END) AS first_token, collect(n.effect) AS effects
RETURN circuit AS circuit, ordinals AS ordinals, kinds AS kinds, components AS components, layers AS layers,
       feature_indices AS feature_indices, node_positions AS node_positions, roles AS roles,
       first_token AS first_token, effects AS effects
ORDER BY circuit
