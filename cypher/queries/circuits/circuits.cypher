// name: circuits
// topic: circuits
// summary: Every circuit with its task, settings, sizes and, where measured, the faithfulness of the largest node set measured.
// key: name
// column name: string | name of the circuit
// column id: string | its key
// column task: string | the behaviour it explains
// column model: string | the model it was found in
// column suite: string | the set of dictionaries it was found with
// column method: string | how node effects were computed: atp or ig
// column positions: string | keep (a node per position), sum, or role (a node per role)
// column units: string | what its nodes are: features, or groups of features
// column selection: string | nodes chosen by their mean effect, or per example
// column n_examples: integer | examples that effects are averaged over
// column n_nodes: integer | stored features and errors
// column n_edges: integer | stored edges
// column node_floor: float [units of the metric] | nodes of smaller absolute effect were not stored
// column edge_floor: float [units of the metric] | edges of smaller absolute weight were not stored
// column metric_clean: float [units of the metric] | mean metric on clean inputs
// column metric_patch: float [units of the metric] | mean metric on patch inputs; null under zero ablation
// column accuracy: float [share] | examples whose right answer has the larger logit
// column measured_nodes: integer or null | size of the largest node set that was measured on its own task
// column faithfulness: float [share] | faithfulness of that node set by mean ablation with errors as the circuit says, mean over such measurements
// column created_at: string | UTC, ISO 8601
MATCH (c:Circuit)
OPTIONAL MATCH (m:Measurement)-[:MEASURES]->(c)
WHERE m.kind = 'circuit' AND m.errors = 'default' AND m.ablation = 'mean'
  AND NOT EXISTS { MATCH (m)-[:ON_TASK]->(t:Task) WHERE t.id <> c.task_id }
WITH c, max(m.n_nodes) AS measured_nodes
OPTIONAL MATCH (k:Measurement)-[:MEASURES]->(c)
WHERE k.kind = 'circuit' AND k.errors = 'default' AND k.ablation = 'mean' AND k.n_nodes = measured_nodes
  AND NOT EXISTS { MATCH (k)-[:ON_TASK]->(t:Task) WHERE t.id <> c.task_id }
WITH c, measured_nodes, avg(k.faithfulness) AS faithfulness
RETURN c.name AS name, c.id AS id, c.task_id AS task, c.model_id AS model, c.suite AS suite, c.method AS method,
       c.positions AS positions, c.units AS units, c.selection AS selection, c.n_examples AS n_examples, c.n_nodes AS n_nodes,
       c.n_edges AS n_edges, c.node_floor AS node_floor, c.edge_floor AS edge_floor,
       c.metric_clean AS metric_clean, c.metric_patch AS metric_patch, c.accuracy AS accuracy,
       measured_nodes AS measured_nodes, faithfulness AS faithfulness, c.created_at AS created_at
ORDER BY name
