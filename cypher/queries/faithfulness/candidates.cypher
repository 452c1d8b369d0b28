// name: candidates
// topic: faithfulness
// summary: What was active at each site on the data of one circuit: what random circuits are drawn from.
// key: candidates
// param circuit: circuit | name of the circuit
// column candidates: string | key of the candidates
// column component: string | embed, attn, mlp or resid
// column layer: integer | layer; the embedding -1
// column mean_active: float | mean number of features active on one example, over all positions
// column d_sae: integer | features of the dictionary
// column feature_indices: list of integers | features active on any example
// column frequency: list of floats [share] | examples on which each of them is active, on the clean or the patch input
// column mean_activation: list of floats | mean activation of each where active
MATCH (c:Circuit)-[:DREW_FROM]->(k:Candidates)-[:OF_SAE]->(s:Sae)
WHERE c.name = $circuit
RETURN k.id AS candidates, s.component AS component, s.layer AS layer, k.mean_active AS mean_active,
       s.d_sae AS d_sae, k.feature_indices AS feature_indices, k.frequency AS frequency,
       k.mean_activation AS mean_activation
ORDER BY layer, component, candidates
