// name: proximal
// topic: faithfulness
// summary: The last layer's features, each ablated alone in the whole model, and those of a site and of all sites at once, with the effect that one is credited with.
// key: measurement
// param circuit: circuit | name of the circuit
// column measurement: string | key of the measurement
// column task: string or null | the task it was measured on
// column removed: string | the feature, as in the key of its node; `resid_3/*`: several of one site at once; `*`: of several sites
// column n_removed: integer | units that were removed: the strongest of the site, or of the layer
// column effect: float or null [units of the metric] | the effect that its circuit node is credited with; null where no one node is meant
// column level: string or null | where it was removed: keep (its position), role, or sum (every position)
// column ablation: string | what it was set to: mean, zero, resample or patch
// column means_over: string | inputs that the means are over
// column split: string | which examples
// column data_digest: string or null | digest of the examples
// column metric: list of floats [units of the metric] | metric of the whole model, on each example
// column metric_without: list of floats [units of the metric] | metric with the feature ablated, on each example
// column ranks: list of integers | rank of the right answer among all tokens, on each example
// column ranks_without: list of integers | the same with the feature ablated
// column items: list of integers or null | number of each example's item
MATCH (m:Measurement)-[:MEASURES]->(c:Circuit)
WHERE c.name = $circuit AND m.kind = 'proximal'
OPTIONAL MATCH (m)-[:ON_TASK]->(t:Task)
OPTIONAL MATCH (c)-[:HAS_NODE]->(n:CircuitNode)
WHERE n.id = c.id + '/' + m.removed
RETURN m.id AS measurement, t.id AS task, m.removed AS removed, m.n_nodes AS n_removed, n.effect AS effect,
       m.level AS level, m.ablation AS ablation, m.means_over AS means_over, m.split AS split,
       m.data_digest AS data_digest, m.full AS metric, m.circuit AS metric_without, m.ranks_full AS ranks,
       m.ranks AS ranks_without, m.items AS items
ORDER BY coalesce(abs(effect), -1.0) DESC, measurement
