// name: circuit
// topic: circuits
// summary: Everything that is stored about one circuit itself: settings, data, metric and sizes.
// key: one row
// param circuit: circuit | name of the circuit
// column name: string | name of the circuit
// column id: string | its key
// column task: string | the behaviour it explains
// column model: string | the model it was found in
// column suite: string | the set of dictionaries it was found with
// column metric: string | name of the metric
// column metric_sign: string | what a positive effect means
// column method: string | how node effects were computed: atp, ig or exact
// column steps: integer or null | steps of ig
// column rule: string or null | points of ig on the path: left, midpoint or gauss-legendre
// column ablation: string | the other end of the effects: patch, zero, mean or resample
// column selection: string | nodes chosen by their mean effect, or per example
// column positions: string | keep (a node per position), sum, or role (a node per role)
// column units: string | what its nodes are: features, or groups of features
// column outer_gradient: string | gradient at the downstream end of an edge: clean or ig
// column jacobian: string | where the Jacobian between two nodes is taken
// column first_token: string | how the first token was treated
// column node_floor: float [units of the metric] | nodes of smaller absolute effect were not stored
// column edge_floor: float [units of the metric] | edges of smaller absolute weight were not stored
// column n_examples: integer | examples that effects are averaged over
// column n_items: integer or null | distinct items among them
// column n_nodes: integer | stored features and errors
// column n_edges: integer | stored edges
// column split: string | which examples
// column seed: integer | seed of sampling and of random circuits
// column metric_clean: float [units of the metric] | mean metric on clean inputs
// column metric_patch: float [units of the metric] | mean metric on patch inputs; null under zero ablation
// column accuracy: float [share] | examples whose right answer has the larger logit
// column right_sign: float [share] | examples on which patching moves the metric as expected
// column after_selection: boolean or null | whether effects are reported on the examples that selected the nodes
// column sites: list of strings or null | sites with a dictionary, in the order of the four lists that follow
// column site_survival: list of floats or null [share] | metric that is left when only this site's error is removed
// column site_total: list of floats or null [units of the metric] | effects of the site's features and error together
// column site_patched: list of floats or null [units of the metric] | change when the whole site takes its other end
// column site_inactive: list of floats or null [share] | of its features' effect, in features inactive on clean
// column settings: string | the whole of the settings, as JSON
// column data_digest: string | SHA-256 of the examples
// column weights_digest: string or null | SHA-256 of the model's weights
// column tokenizer_digest: string or null | SHA-256 of its tokenizer
// column created_at: string | UTC, ISO 8601
// column code_version: string | version of circuit-atlas that wrote it
MATCH (c:Circuit)
WHERE c.name = $circuit
OPTIONAL MATCH (c)-[:OF_MODEL]->(m:Model)
RETURN c.name AS name, c.id AS id, c.task_id AS task, c.model_id AS model, c.suite AS suite, c.metric AS metric,
       c.metric_sign AS metric_sign, c.method AS method, c.steps AS steps, c.rule AS rule,
       c.ablation AS ablation, c.selection AS selection, c.positions AS positions, c.units AS units, c.outer_gradient AS outer_gradient,
       c.jacobian AS jacobian, c.first_token AS first_token, c.node_floor AS node_floor,
       c.edge_floor AS edge_floor, c.n_examples AS n_examples, c.n_items AS n_items, c.n_nodes AS n_nodes,
       c.n_edges AS n_edges, c.split AS split, c.seed AS seed, c.metric_clean AS metric_clean,
       c.metric_patch AS metric_patch, c.accuracy AS accuracy, c.right_sign AS right_sign,
       c.after_selection AS after_selection, c.sites AS sites, c.site_survival AS site_survival,
       c.site_total AS site_total, c.site_patched AS site_patched, c.site_inactive AS site_inactive,
       c.settings AS settings, c.data_digest AS data_digest,
       m.weights_digest AS weights_digest, m.tokenizer_digest AS tokenizer_digest, c.created_at AS created_at,
       c.code_version AS code_version
