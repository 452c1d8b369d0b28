// name: roles
// topic: overlap
// summary: How many nodes of some circuits or all have a role: those without take no part where features share by role.
// key: circuit
// param from_name: string = | circuits of this name or later in the alphabet; empty: from the first on
// param to_name: string = | circuits of this name or earlier in the alphabet; empty: to the last
// column circuit: string | name of the circuit
// column n_nodes: integer | its nodes, the target not counted
// column n_without: integer | of them, those without a role
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)
WHERE c.name >= $from_name AND ($to_name = '' OR c.name <= $to_name) AND n.kind <> 'target'
RETURN c.name AS circuit, count(n) AS n_nodes, count(CASE WHEN n.role IS NULL THEN 1 END) AS n_without
ORDER BY circuit
