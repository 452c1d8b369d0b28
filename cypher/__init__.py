"""The graph: its schema, its stores and the library of queries."""
