// name: example_items
// topic: certainty
// summary: Which examples of one circuit repeat an item, and the settings it was discovered with.
// key: one row
// param circuit: circuit | name of the circuit
// column name: string | name of the circuit
// column id: string | its key
// column n_examples: integer | examples that effects are averaged over
// column n_items: integer or null | distinct items among them
// column items: list of integers or null | number of the item of each example, in the order of the data
// column node_floor: float [units of the metric] | nodes of smaller absolute effect were not stored
// column edge_floor: float [units of the metric] | edges of smaller absolute weight were not stored
// column created_at: string | when it was found: UTC, ISO 8601
// column settings: string | the whole of the settings, as JSON
MATCH (c:Circuit)
WHERE c.name = $circuit
RETURN c.name AS name, c.id AS id, c.n_examples AS n_examples, c.n_items AS n_items, c.items AS items,
       c.node_floor AS node_floor, c.edge_floor AS edge_floor,
       c.created_at AS created_at, c.settings AS settings
