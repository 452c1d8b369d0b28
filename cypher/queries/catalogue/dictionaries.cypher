// name: dictionaries
// topic: catalogue
// summary: The sparse dictionaries of the store, with how many of their features some circuit uses.
// key: dictionary
// column dictionary: string | key of the dictionary
// column model: string | its model
// column suite: string | the set of dictionaries it belongs to
// column component: string | embed, attn, mlp or resid
// column layer: integer | layer; the embedding -1
// column hook_name: string | canonical TransformerLens hook
// column architecture: string | relu, topk, jumprelu, …
// column d_in: integer | width of its input
// column d_sae: integer | number of its features
// column n_stored: integer | features of it that some circuit uses
MATCH (s:Sae)
OPTIONAL MATCH (f:Feature)-[:OF_SAE]->(s)
RETURN s.id AS dictionary, s.model_id AS model, s.suite AS suite, s.component AS component, s.layer AS layer,
       s.hook_name AS hook_name, s.architecture AS architecture, s.d_in AS d_in, s.d_sae AS d_sae,
       count(f) AS n_stored
ORDER BY model, suite, layer, component, dictionary
