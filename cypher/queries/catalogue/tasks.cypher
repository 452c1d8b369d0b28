// name: tasks
// topic: catalogue
// summary: The behaviours of the store, with how many circuits explain each.
// key: task
// column task: string | key of the task
// column kind: string | contrastive, single, classifier or cluster
// column description: string or null | one sentence
// column n_circuits: integer | circuits that explain it
MATCH (t:Task)
OPTIONAL MATCH (c:Circuit)-[:EXPLAINS]->(t)
RETURN t.id AS task, t.kind AS kind, t.description AS description, count(c) AS n_circuits
ORDER BY task
