// name: error_exchange
// topic: errors
// summary: What the errors of each site are fed by and what they feed, summed by site of the other end; a sum holds for one pair of sites, never over layers.
// key: error_layer, error_component, direction, layer, component, kind
// param circuit: circuit | name of the circuit
// param node_threshold: float = 0.0 | both ends have a larger absolute effect (units of the metric); the target always counts
// param edge_threshold: float = 0.0 | edges of larger absolute weight (units of the metric)
// column error_component: string | component of the error
// column error_layer: integer | its layer; the embedding -1
// column direction: string | fed by (the other end is upstream) or feeds (it is downstream)
// column component: string | component of the other end
// column layer: integer | its layer; the embedding -1, the target the number of layers
// column kind: string | feature, group, error or target
// column n_edges: integer | edges between them
// column weight: float [units of the metric] | their weights, summed with sign
// column absolute_weight: float [units of the metric] | their absolute weights, summed
MATCH (c:Circuit)-[:HAS_NODE]->(s:CircuitNode)-[e:EDGE]->(d:CircuitNode)
WHERE c.name = $circuit
WITH s, e, d
WHERE abs(e.weight) > $edge_threshold AND abs(s.effect) > $node_threshold
  AND (d.kind = 'target' OR abs(d.effect) > $node_threshold) AND (s.kind = 'error' OR d.kind = 'error')
WITH s, d, e.weight AS weight
UNWIND ['fed by', 'feeds'] AS direction
WITH direction, weight, CASE WHEN direction = 'feeds' THEN s.kind ELSE d.kind END AS own,
     CASE WHEN direction = 'feeds' THEN s.component ELSE d.component END AS error_component,
     CASE WHEN direction = 'feeds' THEN s.layer ELSE d.layer END AS error_layer,
     CASE WHEN direction = 'feeds' THEN d.component ELSE s.component END AS component,
     CASE WHEN direction = 'feeds' THEN d.layer ELSE s.layer END AS layer,
     CASE WHEN direction = 'feeds' THEN d.kind ELSE s.kind END AS kind
WHERE own = 'error'
RETURN error_component AS error_component, error_layer AS error_layer, direction AS direction,
       component AS component, layer AS layer, kind AS kind, count(weight) AS n_edges,
       coalesce(sum(weight), 0.0) AS weight, coalesce(sum(abs(weight)), 0.0) AS absolute_weight
ORDER BY error_layer, error_component, direction, layer, component, kind
