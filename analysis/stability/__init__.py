"""What stays of a circuit when other examples are drawn, and when other settings are taken."""

from circuit_atlas.analysis.stability.standing import Stability, stability, write_stability

__all__ = ["Stability", "stability", "write_stability"]
