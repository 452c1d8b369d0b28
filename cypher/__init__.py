"""The graph: its schema, its stores and the library of queries.

`connect` loads the engine of a store only when one is opened.
"""

from circuit_atlas.cypher.connect import connect
from circuit_atlas.cypher.rows import CircuitRows, Pair
from circuit_atlas.cypher.store import Store

__all__ = ["CircuitRows", "Pair", "Store", "connect"]
