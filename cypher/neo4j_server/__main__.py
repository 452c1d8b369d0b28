"""`python -m circuit_atlas.cypher.neo4j_server`: a Neo4j for people; its data is kept, Ctrl-C stops it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from circuit_atlas.cypher.neo4j_server.server import Neo4jServer
from circuit_atlas.errors import AtlasError


def main() -> int:
    """Start the server, say where it is, and stay until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m circuit_atlas.cypher.neo4j_server", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("neo4j-data"), help="folder of its data, which is kept")
    parser.add_argument("--port", type=int, default=7687, help="port for bolt on this machine")
    parser.add_argument(
        "--password",
        default=os.environ.get("NEO4J_PASSWORD", "circuit-atlas"),
        help="password of the user neo4j (default: NEO4J_PASSWORD, else circuit-atlas)",
    )
    options = parser.parse_args()
    server = Neo4jServer(options.data, options.password, options.port)
    try:
        with server:
            print(f"Neo4j answers at {server.url} (user neo4j); data in {server.folder}; Ctrl-C stops it", flush=True)
            server.wait()
    except KeyboardInterrupt:
        return 0
    except AtlasError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 1


if __name__ == "__main__":
    sys.exit(main())
