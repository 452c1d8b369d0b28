"""Questions on circuits, answered by Cypher and by arithmetic on its rows; never by running a model."""

from circuit_atlas.analysis.algebra import combine
from circuit_atlas.analysis.bottlenecks import bottlenecks
from circuit_atlas.analysis.compare import Comparison, compare
from circuit_atlas.analysis.curves import faithfulness_curves, sensitivity, summarise_curves
from circuit_atlas.analysis.edge_curves import edge_curve
from circuit_atlas.analysis.experiment import sharing_table
from circuit_atlas.analysis.faithfulness import faithfulness_table
from circuit_atlas.analysis.null import sharing_null
from circuit_atlas.analysis.overlap import Overlap, overlap, overlap_matrix
from circuit_atlas.analysis.path_examples import path_examples
from circuit_atlas.analysis.paths import strongest_paths
from circuit_atlas.analysis.proximal import proximal_causes
from circuit_atlas.analysis.ranks import false_discovery
from circuit_atlas.analysis.sizes import overlap_curve
from circuit_atlas.analysis.thresholds import require_threshold

__all__ = [
    "Comparison",
    "Overlap",
    "bottlenecks",
    "combine",
    "compare",
    "edge_curve",
    "faithfulness_curves",
    "faithfulness_table",
    "false_discovery",
    "overlap",
    "overlap_curve",
    "overlap_matrix",
    "path_examples",
    "proximal_causes",
    "require_threshold",
    "sensitivity",
    "sharing_null",
    "sharing_table",
    "strongest_paths",
    "summarise_curves",
]
