// name: measurement_items
// topic: faithfulness
// summary: The measurements of one circuit with the metric on each example, from which intervals are computed.
// key: measurement
// param circuit: circuit | name of the circuit
// column measurement: string | key of the measurement
// column circuit: string | name of the circuit
// column kind: string | circuit; removal (one unit less); random (random nodes with its errors); edges, edges-permuted and edges-random of its edges; proximal (the whole model without units of the last layer)
// column task: string or null | the task it was measured on
// column node_threshold: float [units of the metric] | nodes of larger absolute effect were kept
// column edge_threshold: float or null [units of the metric] | edges of larger absolute weight were kept, where edges were measured
// column n_edges: integer or null | edges kept, where edges were measured
// column removed: string or null | the unit that a removal leaves out, as in the key of its node, or what kind proximal takes from the whole model
// column level: string or null | where its nodes act: keep (their position), role, or sum (every position)
// column data_digest: string or null | digest of the examples
// column n_nodes: integer | units kept; of kind proximal, units removed
// column n_active: float | mean number of units active on one example: what n_nodes is counted against
// column ablation: string | what ablated units are set to: mean, zero, resample or patch
// column means_over: string | inputs that the means are over
// column errors: string | default (as the circuit says), keep, remove, nb_remove or nb_resid_only
// column start_layer: integer | first layer that is ablated
// column active_set: string or null | where edges were measured, what TopK dictionaries choose their active features on: mixed (what arrives) or clean
// column split: string | which examples
// column seed: integer or null | seed of a random circuit
// column faithfulness: float [share] | (m_circuit - m_empty) / (m_full - m_empty); null where undefined
// column completeness: float [share] | the same of the complement; null where undefined
// column items: list of integers or null | number of each example's item
// column full: list of floats or null [units of the metric] | metric of the whole model, on each example
// column empty: list of floats or null [units of the metric] | metric with every unit ablated, on each example
// column only_circuit: list of floats or null [units of the metric] | metric with only the circuit left, on each example
// column complement: list of floats or null [units of the metric] | metric with only the circuit ablated, on each example
MATCH (m:Measurement)-[:MEASURES]->(c:Circuit)
WHERE c.name = $circuit
OPTIONAL MATCH (m)-[:ON_TASK]->(t:Task)
RETURN m.id AS measurement, c.name AS circuit, m.kind AS kind, t.id AS task, m.node_threshold AS node_threshold,
       m.edge_threshold AS edge_threshold, m.n_edges AS n_edges, m.removed AS removed, m.level AS level, m.data_digest AS data_digest,
       m.n_nodes AS n_nodes, m.n_active AS n_active, m.ablation AS ablation, m.means_over AS means_over,
       m.errors AS errors, m.start_layer AS start_layer, m.active_set AS active_set, m.split AS split, m.seed AS seed,
       m.faithfulness AS faithfulness, m.completeness AS completeness, m.items AS items, m.full AS full, m.empty AS empty,
       m.circuit AS only_circuit, m.complement AS complement
ORDER BY kind, errors, n_nodes, measurement
