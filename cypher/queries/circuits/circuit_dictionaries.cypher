// name: circuit_dictionaries
// topic: circuits
// summary: The dictionaries that a circuit was found with, and the digests of their weights.
// key: dictionary
// param circuit: circuit | name of the circuit
// column dictionary: string | key of the dictionary
// column component: string | embed, attn, mlp or resid
// column layer: integer | layer; the embedding -1
// column architecture: string | relu, topk, jumprelu, …
// column d_sae: integer | number of its features
// column source: string or null | where it was loaded from
// column weights_digest: string | SHA-256 of its weights
MATCH (c:Circuit)-[:USES]->(s:Sae)
WHERE c.name = $circuit
RETURN s.id AS dictionary, s.component AS component, s.layer AS layer, s.architecture AS architecture,
       s.d_sae AS d_sae, s.source AS source, s.weights_digest AS weights_digest
ORDER BY layer, component, dictionary
