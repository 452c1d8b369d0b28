"""The panel of curves: faithfulness over size of any circuits of the store, from the rows of `circuit-atlas curve`."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from circuit_atlas.analysis import faithfulness_curves, summarise_curves
from circuit_atlas.analysis.plots import draw_curves
from circuit_atlas.analysis.telling import told_apart
from circuit_atlas.cypher.store import Store
from circuit_atlas.dashboard.answers import Answer
from circuit_atlas.dashboard.asked import show_cypher
from circuit_atlas.dashboard.wording import as_text
from circuit_atlas.errors import QueryError

RESAMPLES = 500
"""Bootstrap samples of an interval: the page waits for them."""

_POINTS = {
    "circuit": "circuit",
    "task": "on task",
    "errors": "errors",
    "n_nodes": "nodes",
    "share": "share of active",
    "faithfulness": "faithfulness",
    "low": "low",
    "high": "high",
    "without_errors": "without errors",
    "n_random": "random circuits",
    "random_95": "their 95th percentile",
    "completeness": "completeness",
}
_SUMMARY = {
    "circuit": "circuit",
    "task": "on task",
    "errors": "errors",
    "points": "sizes",
    "cpr": "CPR",
    "cmd": "CMD",
    "log_area": "area over log size",
    "target_nodes": "nodes for 0.8",
}


def show_curves(store: Store, names: Sequence[str], chosen: str) -> None:
    """Let circuits be chosen, draw their curves by mean ablation, and list points and what is left of each curve."""
    st.markdown("**Curves**: faithfulness and completeness by mean ablation, over the number of nodes kept")
    circuits = st.multiselect("Curves of", names, default=[chosen], key=f"curves beside {chosen}")
    if not circuits:
        return
    try:
        curves = faithfulness_curves(store, circuits, resamples=RESAMPLES, ablation="mean")
    except QueryError as error:
        st.info(as_text(str(error)))
        return
    st.pyplot(draw_curves(curves), width="stretch")
    st.dataframe(_renamed(summarise_curves(curves), _SUMMARY), hide_index=True)
    with st.expander(f"All {len(curves)} points"):
        st.dataframe(_renamed(curves, _POINTS), hide_index=True)
        st.code(" ".join(["circuit-atlas curve", *(repr(name) for name in circuits)]), language="bash")
    show_cypher(*(Answer(one["query"], one["params"], curves) for one in curves.attrs["queries"]))


def _renamed(table: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    return table[told_apart(table, list(columns))].rename(columns=columns)
