// name: effect_by_layer
// topic: circuits
// summary: How much effect each layer and component of one circuit holds, features and errors apart; sums hold within one site, never over layers.
// key: layer, component, kind
// param circuit: circuit | name of the circuit
// param node_threshold: float = 0.0 | units of larger absolute effect (units of the metric)
// column layer: integer | layer; the embedding -1
// column component: string | embed, attn, mlp or resid
// column kind: string | feature, group or error
// column n_nodes: integer | circuit nodes there
// column effect: float [units of the metric] | signed sum of their effects
// column absolute_effect: float [units of the metric] | sum of their absolute effects
// column strongest: float [units of the metric] | the largest absolute effect among them
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)
WHERE c.name = $circuit AND n.kind <> 'target' AND abs(n.effect) > $node_threshold
RETURN n.layer AS layer, n.component AS component, n.kind AS kind, count(n) AS n_nodes,
       coalesce(sum(n.effect), 0.0) AS effect, coalesce(sum(abs(n.effect)), 0.0) AS absolute_effect,
       max(abs(n.effect)) AS strongest
ORDER BY layer, component, kind
