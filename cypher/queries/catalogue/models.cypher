// name: models
// topic: catalogue
// summary: The language models of the store, with how many dictionaries and circuits each has.
// key: model
// column model: string | key of the model
// column n_layers: integer | transformer blocks
// column d_model: integer | width of the residual stream
// column n_heads: integer | attention heads a layer
// column d_vocab: integer | size of the vocabulary
// column source: string or null | where it was loaded from
// column n_dictionaries: integer | its dictionaries
// column n_circuits: integer | its circuits
MATCH (m:Model)
OPTIONAL MATCH (s:Sae)-[:OF_MODEL]->(m)
WITH m, count(DISTINCT s.id) AS n_dictionaries
OPTIONAL MATCH (c:Circuit)-[:OF_MODEL]->(m)
RETURN m.id AS model, m.n_layers AS n_layers, m.d_model AS d_model, m.n_heads AS n_heads, m.d_vocab AS d_vocab,
       m.source AS source, n_dictionaries AS n_dictionaries, count(DISTINCT c.id) AS n_circuits
ORDER BY model
