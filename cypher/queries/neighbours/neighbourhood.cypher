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
// column kind: string | feature, group, error or target
// column component: string | component of the neighbour
// column layer: integer | its layer
// column feature_index: integer or null | its row in the dictionary (features only)
// column position: integer or null | its token position; null where summed
// column role: string or null | the position's name in the template
// column label: string or null | the feature's short name
// column weight: float [units of the metric] | indirect effect through the edge between them alone, signed
// column effect: float [units of the metric] | indirect effect of the neighbour, signed
MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)
WHERE c.name = $circuit
WITH s, e, d, c.id + '/' + $node AS whole, c.id + '/' + $node + '/' AS start
WHERE abs(e.weight) > $edge_threshold
WITH s, d, e.weight AS weight, (s.id = whole OR s.id STARTS WITH start) AS leaves,
     (d.id = whole OR d.id STARTS WITH start) AS enters
WHERE (leaves AND (d.kind = 'target' OR abs(d.effect) > $node_threshold))
   OR (enters AND abs(s.effect) > $node_threshold)
OPTIONAL MATCH (s)-[:INSTANCE_OF]->(f:Feature)
OPTIONAL MATCH (d)-[:INSTANCE_OF]->(g:Feature)
RETURN CASE WHEN leaves THEN s.id ELSE d.id END AS node, CASE WHEN leaves THEN d.id ELSE s.id END AS neighbour,
       CASE WHEN leaves THEN 'downstream' ELSE 'upstream' END AS direction,
       CASE WHEN leaves THEN d.kind ELSE s.kind END AS kind,
       CASE WHEN leaves THEN d.component ELSE s.component END AS component,
       CASE WHEN leaves THEN d.layer ELSE s.layer END AS layer,
       CASE WHEN leaves THEN d.feature_index ELSE s.feature_index END AS feature_index,
       CASE WHEN leaves THEN d.position ELSE s.position END AS position,
       CASE WHEN leaves THEN d.role ELSE s.role END AS role,
       CASE WHEN leaves THEN coalesce(d.label, g.label) ELSE coalesce(s.label, f.label) END AS label, weight AS weight,
       CASE WHEN leaves THEN d.effect ELSE s.effect END AS effect
ORDER BY abs(weight) DESC, node, neighbour
LIMIT $limit
