"""The figures of what two circuits share.

With a and b the effects (or weights) of what either uses, 0 where one does not:
jaccard |A∩B| / |A∪B|; containment |A∩B| / |A|; weighted jaccard Σ min(|a|,|b|) / Σ max(|a|,|b|); weighted containment
Σ over A∩B of |a| / Σ |a|; same_sign the share of A∩B with a·b > 0; rank_correlation Spearman's of |a| and |b| over A∩B.
"""

from __future__ import annotations

import numpy as np

from circuit_atlas.analysis.graph import Floats
from circuit_atlas.analysis.ranks import rank_correlation
from circuit_atlas.analysis.result import Column

NO_SHARE = "over layers, so only to weigh by: no share of the metric"

FIGURES = {
    "n_a": Column("integer", "", "in the one"),
    "n_b": Column("integer", "", "in the other"),
    "n_shared": Column("integer", "", "in both"),
    "n_same_sign": Column("integer", "", "in both, with the same sign"),
    "jaccard": Column("float", "share", "n_shared over those of either; null where there are none"),
    "containment_a": Column("float", "share", "n_shared over n_a; null where that is zero"),
    "containment_b": Column("float", "share", "n_shared over n_b; null where that is zero"),
    "weight_a": Column("float", "", f"absolute pooled effects or weights of the one, summed; {NO_SHARE}"),
    "weight_b": Column("float", "", f"absolute pooled effects or weights of the other, summed; {NO_SHARE}"),
    "shared_weight_a": Column("float", "", "the part of weight_a that lies in what both have"),
    "shared_weight_b": Column("float", "", "the part of weight_b that lies in what both have"),
    "weighted_jaccard": Column(
        "float", "share", "the smaller absolute effect or weight of each, summed, over the larger; null where zero"
    ),
    "weighted_containment_a": Column("float", "share", "shared_weight_a over weight_a; null where that is zero"),
    "weighted_containment_b": Column("float", "share", "shared_weight_b over weight_b; null where that is zero"),
    "same_sign": Column("float", "share", "n_same_sign over n_shared; null where that is zero"),
    "rank_correlation": Column(
        "float", "", "Spearman's, of absolute effects or weights over what both have; null where fewer than three"
    ),
}
"""Columns of every table of figures, in their order."""


def figures(a: Floats, b: Floats) -> list[int | float]:
    """Return the values of `FIGURES` for two vectors over the same units or edges, 0 where one has none."""
    in_a, in_b, both = a != 0.0, b != 0.0, (a != 0.0) & (b != 0.0)
    n_a, n_b, n_shared = (int(np.count_nonzero(one)) for one in (in_a, in_b, both))
    n_same = int(np.count_nonzero(a * b > 0.0))
    size_a, size_b = np.abs(a), np.abs(b)
    weight_a, weight_b = float(size_a.sum()), float(size_b.sum())
    shared_a, shared_b = float(size_a[both].sum()), float(size_b[both].sum())
    smaller = float(np.minimum(size_a, size_b).sum())
    return [
        *(
            n_a,
            n_b,
            n_shared,
            n_same,
            _over(n_shared, n_a + n_b - n_shared),
            _over(n_shared, n_a),
            _over(n_shared, n_b),
        ),
        *(weight_a, weight_b, shared_a, shared_b, _over(smaller, float(np.maximum(size_a, size_b).sum()))),
        *(_over(shared_a, weight_a), _over(shared_b, weight_b), _over(n_same, n_shared)),
        rank_correlation(size_a[both], size_b[both]),
    ]


def _over(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def renamed(of: str) -> list[str]:
    """Return the columns' names as the queries `overlap_nodes` and `overlap_edges` have them."""
    return [name.replace("weight_", "effect_") if of == "nodes" and _is_sum(name) else name for name in FIGURES]


def columns_for(of: str, lead: dict[str, Column]) -> dict[str, Column]:
    """Return the columns of a table of figures of nodes or edges, after those given."""
    return lead | dict(zip(renamed(of), FIGURES.values(), strict=True))


def _is_sum(name: str) -> bool:
    return name in ("weight_a", "weight_b", "shared_weight_a", "shared_weight_b")
