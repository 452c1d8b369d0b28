// name: effect_by_position
// topic: circuits
// summary: How much effect each token position (of a circuit of roles: each role) of one circuit holds, features and errors apart; sums hold within one site, so compare places of one component and layer.
// key: position, role, layer, component, kind
// param circuit: circuit | name of the circuit
// param node_threshold: float = 0.0 | units of larger absolute effect (units of the metric)
// column position: integer | token position; -1 where a circuit has roles alone, or sums over positions
// column role: string or null | its name in the template, or its token where all examples agree
// column layer: integer | layer; the embedding -1
// column component: string | embed, attn, mlp or resid
// column kind: string | feature, group or error
// column n_nodes: integer | circuit nodes there
// column effect: float [units of the metric] | signed sum of their effects
// column absolute_effect: float [units of the metric] | sum of their absolute effects
MATCH (c:Circuit)-[:HAS_NODE]->(n:CircuitNode)
WHERE c.name = $circuit AND n.kind <> 'target' AND abs(n.effect) > $node_threshold
RETURN coalesce(n.position, -1) AS position, n.role AS role, n.layer AS layer, n.component AS component,
       n.kind AS kind, count(n) AS n_nodes, coalesce(sum(n.effect), 0.0) AS effect,
       coalesce(sum(abs(n.effect)), 0.0) AS absolute_effect
ORDER BY position, role, layer, component, kind
