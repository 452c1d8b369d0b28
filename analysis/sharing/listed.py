"""Lists of units and edges, marked with which circuit has them at the size that is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.graph import Ints
from circuit_atlas.analysis.sharing.uses import KINDS, Uses

if TYPE_CHECKING:
    import pandas as pd


def marked(table: pd.DataFrame, uses: Uses) -> pd.DataFrame:
    """Return the rows of `compare_nodes` or `compare_edges` that a circuit has, in_a and in_b as `uses` says."""
    ends = ("",) if uses.items.ndim == 1 else ("source_", "target_")
    plain = table.assign(**{f"{end}feature_index": table[f"{end}feature_index"].fillna(-1) for end in ends})
    group = np.zeros(len(table), np.int64)
    codes = np.stack([uses.codes.encode(plain, group, end) for end in ends], axis=1)
    listed = _keys(table["kind"].map(KINDS.index).to_numpy(np.int64), codes)
    have = _keys(uses.kind, uses.items.reshape(len(uses.items), -1)[uses.item])
    has = {key: [False, False] for key in listed}
    for key, circuit in zip(have, uses.circuit.tolist(), strict=True):
        if key in has:
            has[key][circuit] = True
    found = table.assign(in_a=[has[key][0] for key in listed], in_b=[has[key][1] for key in listed])
    found = found[found["in_a"] | found["in_b"]].reset_index(drop=True)
    found.attrs = table.attrs
    return found


def _keys(kind: Ints, codes: Ints) -> list[tuple[int, ...]]:
    return [(one, *some) for one, some in zip(kind.tolist(), codes.tolist(), strict=True)]
