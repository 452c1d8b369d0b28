// name: neighbourhood
// topic: neighbours
// summary: The direct neighbours of one node of a circuit, upstream and downstream, strongest edges first.
// key: node, neighbour
// param circuit: circuit | name of the circuit
// param node: string | the node inside the circuit: a unit and its position, such as resid_3/feature/417/5, or the unit for all positions
// param node_threshold: float = 0.0 | neighbours of larger absolute effect (units of the metric); the target always counts
// param edge_threshold: float = 0.0 | edges of larger absolute weight (units of the metric)
// param limit: integer = 20 | at most so many rows
// column node: string | key of the node's circuit node
// column neighbour: string | key of the neighbour's circuit node
// column direction: string | upstream (it feeds the node) or downstream (the node feeds it)
// column kind: string | feature, error or target
// column component: string | component of the neighbour
// column layer: integer | its layer
// column feature_index: integer or null | its row in the dictionary (features only)
// column position: integer or null | its token position; null where summed
// column role: string or null | the position's name in the template
// column label: string or null | the feature's short name
// column weight: float [units of the metric] | indirect effect through the edge between them alone, signed
// column effect: float [units of the metric] | indirect effect of the neighbour, signed
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)
WHERE c.name = $circuit AND (n.id = (c.id + '/' + $node) OR n.id STARTS WITH (c.id + '/' + $node + '/'))
MATCH (n)-[e:EDGE]-(m:CircuitNode)
WHERE abs(e.weight) > $edge_threshold AND (m.kind = 'target' OR abs(m.effect) > $node_threshold)
OPTIONAL MATCH (m)-[:INSTANCE_OF]->(f:Feature)
OPTIONAL MATCH (n)-[out:EDGE]->(m)
RETURN n.id AS node, m.id AS neighbour, CASE WHEN out.weight IS NULL THEN 'upstream' ELSE 'downstream' END AS direction,
       m.kind AS kind, m.component AS component, m.layer AS layer, m.feature_index AS feature_index,
       m.position AS position, m.role AS role, f.label AS label, e.weight AS weight, m.effect AS effect
ORDER BY abs(weight) DESC, node, neighbour
LIMIT $limit
