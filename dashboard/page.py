"""The page: circuits of a store, and one of them drawn.

Every run of the page opens the store, asks and lets go of it, so that another process can write meanwhile; nothing
but the choices on the page outlives a run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from circuit_atlas.cypher import connect
from circuit_atlas.cypher.schema import GROUPS
from circuit_atlas.cypher.store import Store
from circuit_atlas.dashboard.answers import Answer, ask
from circuit_atlas.dashboard.asked import show_cypher
from circuit_atlas.dashboard.curves import show_curves
from circuit_atlas.dashboard.graph_view import draw, to_html
from circuit_atlas.dashboard.layout import Columns
from circuit_atlas.dashboard.legend import legend_html
from circuit_atlas.dashboard.records import records
from circuit_atlas.dashboard.tables import (
    circuit_table,
    facts,
    group_table,
    measurement_table,
    setting_line,
    strongest_table,
)
from circuit_atlas.dashboard.thresholds import first_step, kept, spell, steps
from circuit_atlas.dashboard.wording import as_text
from circuit_atlas.errors import AtlasError

NODES_AT_FIRST, EDGES_AT_FIRST = 80, 200
"""As many are drawn before anyone moves a slider: a picture that can be read."""

STRONGEST = 20

_STYLE = """<style>
  [data-testid="stMainBlockContainer"] { padding: 4rem 1.6rem 3rem; }
  [data-testid="stMainBlockContainer"] h1 { font-size: 1.7rem; padding: 0; }
  [data-testid="stMetricValue"] { font-size: 1.35rem; }
</style>"""


@dataclass(frozen=True)
class View:
    """What the controls say: thresholds in units of the metric, and what a column stands for."""

    node_threshold: float
    edge_threshold: float
    columns: Columns


def show_page(arguments: Sequence[str]) -> None:
    """Show the store named by the first argument, else by CIRCUIT_ATLAS_STORE, else the default one."""
    st.set_page_config(page_title="Circuit Atlas", layout="wide")
    st.html(_STYLE)
    st.title("Circuit Atlas", anchor=False)
    url = arguments[0] if arguments else os.environ.get("CIRCUIT_ATLAS_STORE")
    try:
        with connect(url, create=False, read_only=True) as store:
            _show_store(store)
    except AtlasError as error:
        st.error(as_text(str(error)))


def _show_store(store: Store) -> None:
    circuits = ask(store, "circuits")
    names: list[str] = circuits.frame["name"].tolist()
    if not names:
        st.info(f"The store {as_text(store.url)} holds no circuit yet: write one with `circuit-atlas discover`.")
        return
    st.caption(f"{as_text(store.url)} · {len(names)} {'circuit' if len(names) == 1 else 'circuits'}")
    st.dataframe(circuit_table(circuits.frame), hide_index=True, height=38 + 35 * min(len(names), 5))
    show_cypher(circuits)
    with st.sidebar:
        name = st.selectbox("Circuit", names)
        everything = ask(store, "nodes", circuit=name), ask(store, "edges", circuit=name)
        view = _controls(name, *(answer.frame for answer in everything))
    circuit = ask(store, "circuit", circuit=name)
    listed = next(row for row in records(circuits.frame) if row["name"] == name)
    _show_heading(records(circuit.frame)[0], listed["faithfulness"])
    _show_drawing(store, name, view, (listed["n_nodes"], listed["n_edges"]))
    run_in_model = [row["name"] for row in records(circuits.frame) if row["units"] != GROUPS]
    if name in run_in_model:
        show_curves(store, run_in_model, name)
    _show_settings(circuit, ask(store, "measurements", circuit=name))


def _controls(name: str, nodes: pd.DataFrame, edges: pd.DataFrame) -> View:
    """The sliders, over the circuit's own range, and the switch of columns."""
    effects = nodes.loc[nodes["kind"] != "target", "effect"].tolist()
    node_threshold = st.select_slider(
        "Node threshold, |effect| above",
        steps(effects),
        value=first_step(effects, NODES_AT_FIRST),
        format_func=spell,
        key=f"nodes of {name}",
    )
    strong = set(nodes.loc[(nodes["effect"].abs() > node_threshold) | (nodes["kind"] == "target"), "id"])
    weights = edges["weight"].tolist()
    among_strong = edges.loc[edges["source"].isin(strong) & edges["target"].isin(strong), "weight"].tolist()
    options = steps(weights)
    at_first = next((step for step in options if kept(among_strong, step) <= EDGES_AT_FIRST), options[-1])
    edge_threshold = st.select_slider(
        "Edge threshold, |weight| above", options, value=at_first, format_func=spell, key=f"edges of {name}"
    )
    columns = st.radio("Columns", [columns.value for columns in Columns], horizontal=True)
    return View(node_threshold, edge_threshold, Columns(columns))


def _show_heading(circuit: Mapping[str, Any], faithfulness: float | None) -> None:
    st.subheader(as_text(circuit["name"]), anchor=False)
    st.caption(
        "Task **{task}** in **{model}**, dictionaries **{suite}**, metric **{metric}** ({metric_sign})".format(
            **circuit
        )
        + f"  \n{setting_line(circuit)}"
    )
    figures = facts(circuit, faithfulness)
    for column, (title, value) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.metric(title, value)


def _show_drawing(store: Store, name: str, view: View, stored: tuple[int, int]) -> None:
    nodes = ask(store, "nodes", circuit=name, node_threshold=view.node_threshold)
    edges = ask(store, "edges", circuit=name, node_threshold=view.node_threshold, edge_threshold=view.edge_threshold)
    inner = nodes.frame[nodes.frame["kind"] != "target"]
    st.markdown(
        f"**{len(inner):,} nodes, {len(edges.frame):,} edges** drawn of {stored[0]:,} / {stored[1]:,}, and the target"
    )
    if inner.empty:
        st.warning("No node has an effect above this threshold: lower the node threshold.")
        return
    grouped = bool((inner["kind"] == "group").any())
    st.html(legend_html(inner["effect"].abs().max(), edges.frame["weight"].abs().max(), grouped=grouped))
    drawing = draw(nodes.frame, edges.frame, view.columns)
    st.iframe(to_html(drawing), height=drawing.height)
    show_cypher(nodes, edges)
    st.markdown(f"**Strongest nodes** of the {len(inner):,} drawn")
    st.dataframe(strongest_table(nodes.frame, STRONGEST), hide_index=True)
    if grouped:
        groups = ask(store, "group_members", circuit=name, node_threshold=view.node_threshold, limit=STRONGEST)
        st.markdown("**Strongest groups** with the features that they hold")
        st.dataframe(group_table(groups.frame), hide_index=True)
        show_cypher(groups)


def _show_settings(circuit: Answer, measurements: Answer) -> None:
    row = circuit.frame.iloc[0]
    st.markdown("**Measurements**: faithfulness is the share of the metric that the circuit alone keeps")
    st.dataframe(measurement_table(measurements.frame), hide_index=True)
    with st.expander("All settings"):
        st.dataframe(pd.DataFrame({"setting": row.index, "value": [str(value) for value in row]}), hide_index=True)
    show_cypher(measurements, circuit)
