// name: similar_features
// topic: features
// summary: The features of one circuit whose decoder directions point alike or apart, two of one site or of two residual sites that follow each other.
// key: source, target
// param circuit: circuit | name of the circuit
// param min_cosine: float = 0.0 | pairs of at least this absolute cosine; below 0.3 none are stored
// column source: string | key of the one feature: of the lower layer, else the lower index
// column target: string | key of the other
// column cosine: float | cosine of their decoder directions
MATCH (c:Circuit)-[:HAS_NODE]->(:CircuitNode)-[:INSTANCE_OF]->(f:Feature)
WHERE c.name = $circuit
WITH DISTINCT c, f
MATCH (f)-[s:SIMILAR_TO]->(g:Feature)
WHERE abs(s.cosine) >= $min_cosine
  AND EXISTS { MATCH (c)-[:HAS_NODE]->(:CircuitNode)-[:INSTANCE_OF]->(g) }
RETURN f.id AS source, g.id AS target, s.cosine AS cosine
ORDER BY source, target
