"""Questions on circuits, answered by Cypher and by arithmetic on its rows; never by running a model."""
