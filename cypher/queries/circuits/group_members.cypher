// name: group_members
// topic: circuits
// summary: The groups of a circuit of groups, strongest first, with the features that each holds; none of any other circuit.
// key: node
// unordered: members
// param circuit: circuit | name of the circuit
// param node_threshold: float = 0.0 | groups of larger absolute effect (units of the metric)
// param limit: integer = 20 | at most so many rows
// column node: string | key of the circuit node
// column component: string | embed, attn, mlp or resid
// column layer: integer | layer; the embedding -1
// column label: string | its strongest feature and how many others it holds
// column position: integer or null | token position; null where positions are summed
// column role: string or null | the position's name in the template, or its token where all examples agree
// column effect: float [units of the metric] | effects of its features, summed with sign
// column n_members: integer | features that it holds
// column members: list of strings | their keys
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)-[:HOLDS]->(f:Feature)
WHERE c.name = $circuit
WITH n, count(f) AS n_members, collect(f.id) AS members
WHERE abs(n.effect) > $node_threshold
RETURN n.id AS node, n.component AS component, n.layer AS layer, n.label AS label, n.position AS position,
       n.role AS role, n.effect AS effect, n_members AS n_members, members AS members
ORDER BY abs(effect) DESC, node
LIMIT $limit
