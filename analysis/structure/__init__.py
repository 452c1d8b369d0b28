"""How a circuit is built, and what many circuits have in common: questions on the structure of stored graphs."""

from circuit_atlas.analysis.structure.chains import motif_chains
from circuit_atlas.analysis.structure.communities import Communities, communities
from circuit_atlas.analysis.structure.crossings import role_crossings
from circuit_atlas.analysis.structure.errors import error_exchange
from circuit_atlas.analysis.structure.families import feature_families
from circuit_atlas.analysis.structure.flows import cut_flow, edge_flow
from circuit_atlas.analysis.structure.grouped import group_circuit
from circuit_atlas.analysis.structure.groups import Grouping, group_nodes
from circuit_atlas.analysis.structure.motifs import motifs
from circuit_atlas.analysis.structure.quotient import group_paths
from circuit_atlas.analysis.structure.suppressors import suppressors
from circuit_atlas.analysis.structure.threads import threads

__all__ = [
    "Communities",
    "Grouping",
    "communities",
    "cut_flow",
    "edge_flow",
    "error_exchange",
    "feature_families",
    "group_circuit",
    "group_nodes",
    "group_paths",
    "motif_chains",
    "motifs",
    "role_crossings",
    "suppressors",
    "threads",
]
