"""A real Neo4j Community server without Docker, from its Maven artifacts: for `make neo4j` and for tests."""

from circuit_atlas.cypher.neo4j_server.server import Neo4jServer, free_port

__all__ = ["Neo4jServer", "free_port"]
