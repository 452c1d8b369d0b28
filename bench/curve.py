"""Faithfulness on the shipped model: a curve of 20 sizes under 4 treatments of errors, and edges against nodes.

The curve is of 100 held-out examples, m(C), m(∅) and m(M∖C) at each of its points, through the public `measure` on an
embedded store, model loaded; then once more with random circuits beside each point. Edge faithfulness is compared where
the definition says what it must be: with every edge kept, that of the nodes; with none, 0.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.figure import Figure, at_most
from circuit_atlas.cli.demo import shipped_settings
from circuit_atlas.cypher import Store, connect
from circuit_atlas.ingest import MeasureSettings, discover, load, measure
from circuit_atlas.ingest.preparation import Loaded

TASK = "sva/nounpp"
MODES = ("default", "keep", "remove", "nb_resid_only")


def run(quick: bool) -> list[Figure]:
    """Discover one circuit, then measure it."""
    (settings,) = (one for one in shipped_settings() if one.task == TASK)
    loaded = load(settings)
    with tempfile.TemporaryDirectory() as name, connect(f"ladybug:{Path(name) / 'atlas.lbug'}", create=True) as store:
        discover(settings, store=store, loaded=loaded)
        count, sizes = (10, 3) if quick else (100, 20)
        plain = _curve(store, loaded, count, sizes, 0)
        beside = _curve(store, loaded, count, sizes, 5)
        figures = [
            at_most(f"{sizes} sizes x 4 treatments of errors, {count} examples", plain, "s", 20.0),
            Figure("the same with 5 random circuits beside each point", beside, "s", "none", holds=True),
        ]
        return figures + _edges(store, loaded)


def _curve(store: Store, loaded: Loaded, count: int, sizes: int, random: int) -> float:
    start = time.perf_counter()
    asked = MeasureSettings(TASK, sizes=sizes, errors=MODES, n_held_out=count, random_circuits=random)  # type: ignore[arg-type]
    measure(store, asked, load_subject=lambda _: loaded)
    return time.perf_counter() - start


def _edges(store: Store, loaded: Loaded) -> list[Figure]:
    """How far m(C) with every edge is from the nodes' own, and with the weakest threshold above all from m(∅).

    Where TopK dictionaries hold what they choose on the clean input, nodes have no such run to compare with, so that
    how far every edge is from it says what choosing on what arrives does.
    """
    asked = MeasureSettings(
        TASK,
        thresholds=(0.02,),
        edge_thresholds=(1e9,),
        active_sets=("mixed", "clean"),
        random_circuits=0,
        n_held_out=16,
    )
    rows: list[dict[str, Any]] = [dict(row) for row in measure(store, asked, load_subject=lambda _: loaded).rows]
    nodes = {row["errors"]: row for row in rows if row["kind"] == "circuit"}
    found = []
    for errors, said in (("default", ""), ("remove", ", without errors")):
        for active_set, held in (("mixed", ""), ("clean", ", clean active set")):
            mine = [row for row in rows if (row["errors"], row.get("active_set")) == (errors, active_set)]
            every, none = sorted(mine, key=lambda row: row["n_edges"] is not None)
            apart = [_apart(row, nodes[errors], name) for row, name in ((every, "circuit"), (none, "empty"))]
            name = f"edge faithfulness with every edge{said}{held}, against the nodes"
            if active_set == "mixed":
                found.append(at_most(name, apart[0], "of m(M)", 1e-5))
            else:
                found.append(Figure(name, apart[0], "of m(M)", "none", holds=True))
            found.append(
                at_most(f"edge faithfulness with no edge{said}{held}, against m(∅)", apart[1], "of m(M)", 1e-5)
            )
    return found


def _apart(row: dict[str, Any], nodes: dict[str, Any], name: str) -> float:
    """Largest difference on any example, as a share of the whole model's metric."""
    return float(np.abs(np.subtract(row["circuit"], nodes[name])).max() / abs(nodes["m_full"]))
