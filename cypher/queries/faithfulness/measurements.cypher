// name: measurements
// topic: faithfulness
// summary: Every run of the model under ablation that measured one circuit: the circuit, without errors, random ones beside it; not those that leave out, or remove, single units.
// key: measurement
// param circuit: circuit | name of the circuit
// column measurement: string | key of the measurement
// column kind: string | circuit; random (random nodes with its errors); edges, edges-permuted and edges-random of its edges
// column task: string or null | the task it was measured on
// column node_threshold: float [units of the metric] | nodes of larger absolute effect were kept
// column edge_threshold: float or null [units of the metric] | edges of larger absolute weight were kept, where edges were measured
// column n_edges: integer or null | edges kept, where edges were measured
// column level: string or null | where its nodes act: keep (their position), role, or sum (every position)
// column data_digest: string or null | digest of the examples
// column n_nodes: integer | units kept
// column n_active: float | mean number of units active on one example: what n_nodes is counted against
// column ablation: string | what ablated units are set to: mean, zero, resample or patch
// column means_over: string | inputs that the means are over
// column errors: string | default (as the circuit says), keep, remove, nb_remove or nb_resid_only
// column start_layer: integer | first layer that is ablated
// column active_set: string or null | where edges were measured, what TopK dictionaries choose their active features on: mixed (what arrives) or clean
// column split: string | which examples
// column seed: integer or null | seed of a random circuit
// column n_examples: integer | examples measured on
// column m_full: float [units of the metric] | mean metric of the whole model
// column m_empty: float [units of the metric] | mean metric with every unit ablated
// column m_circuit: float [units of the metric] | mean metric with only the circuit left
// column m_complement: float [units of the metric] | mean metric with only the circuit ablated
// column faithfulness: float [share] | (m_circuit - m_empty) / (m_full - m_empty); null where undefined
// column completeness: float [share] | the same of the complement; null where undefined
MATCH (m:Measurement)-[:MEASURES]->(c:Circuit)
WHERE c.name = $circuit AND m.kind <> 'removal' AND m.kind <> 'proximal'
OPTIONAL MATCH (m)-[:ON_TASK]->(t:Task)
RETURN m.id AS measurement, m.kind AS kind, t.id AS task, m.node_threshold AS node_threshold,
       m.edge_threshold AS edge_threshold, m.n_edges AS n_edges, m.level AS level, m.data_digest AS data_digest,
       m.n_nodes AS n_nodes, m.n_active AS n_active, m.ablation AS ablation, m.means_over AS means_over,
       m.errors AS errors, m.start_layer AS start_layer, m.active_set AS active_set, m.split AS split, m.seed AS seed,
       m.n_examples AS n_examples, m.m_full AS m_full, m.m_empty AS m_empty, m.m_circuit AS m_circuit,
       m.m_complement AS m_complement, m.faithfulness AS faithfulness, m.completeness AS completeness
ORDER BY kind, errors, n_nodes, measurement
