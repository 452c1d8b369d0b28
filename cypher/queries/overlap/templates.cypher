// name: templates
// topic: overlap
// summary: What each token position of some circuits or all is called: circuits that name one differently have different templates, and share no positions.
// key: circuit, position
// param from_name: string = | circuits of this name or later in the alphabet; empty: from the first on
// param to_name: string = | circuits of this name or earlier in the alphabet; empty: to the last
// column circuit: string | name of the circuit
// column position: integer | a token position at which it has nodes with a name
// column role: string | the position's name in the template
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)
WHERE c.name >= $from_name AND ($to_name = '' OR c.name <= $to_name) AND n.position IS NOT NULL
  AND n.role IS NOT NULL
RETURN c.name AS circuit, n.position AS position, min(n.role) AS role
ORDER BY circuit, position
