// name: comparable
// topic: overlap
// summary: What decides whether circuits can be compared: model, dictionaries, how positions and nodes were treated; circuits of groups cannot, and have no row.
// key: circuit
// param derived: one of drop, keep = drop | leave out circuits made of other circuits (DERIVED_FROM), which would count what those share once more, or keep them
// column circuit: string | name of the circuit
// column model: string | the model it was found in
// column suite: string | the set of dictionaries it was found with
// column positions: string | keep (a node per position), sum, or role (a node per role)
// column selection: string | nodes chosen by their mean effect, or per example
// column node_floor: float [units of the metric] | nodes of smaller absolute effect were not stored
// column edge_floor: float [units of the metric] | edges of smaller absolute weight were not stored
// column created_at: string | when it was found or made, UTC: what is read of it afterwards is of that time
MATCH (c:Circuit)
WHERE c.units <> 'groups' AND ($derived = 'keep' OR NOT EXISTS { MATCH (c)-[:DERIVED_FROM]->(:Circuit) })
RETURN c.name AS circuit, c.model_id AS model, c.suite AS suite, c.positions AS positions, c.selection AS selection,
       c.node_floor AS node_floor, c.edge_floor AS edge_floor, c.created_at AS created_at
ORDER BY circuit
