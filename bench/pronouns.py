"""What the two pronoun circuits of stories260K share, whether causally, and what their errors carry.

`CIRCUIT_ATLAS_FIXTURES=… python -m bench.pronouns` prints the tables of docs/findings.md on that model: circuits of
`pronoun/subject` (She or He after a name) and `pronoun/possessive` (her or his), and one of a task that has nothing to
do with either, all with positions summed, found on some templates and measured on others.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import typer

from circuit_atlas.analysis import combine, compare, faithfulness_table, overlap_curve, sharing_null, sharing_table
from circuit_atlas.analysis.algebra import threshold_of_size
from circuit_atlas.analysis.joint import joint_ablation
from circuit_atlas.cli.output import print_frame
from circuit_atlas.cypher import Store, connect
from circuit_atlas.ingest import DiscoverSettings, MeasureSettings, discover, load, measure
from circuit_atlas.ingest.measuring.layout import Loader
from tests.ingest import pronouns

A, B, OTHER = pronouns.SUBJECT.name, pronouns.POSSESSIVE.name, pronouns.UNRELATED
NODES = (100, 400)
"""Sizes of which faithfulness with and without errors is said."""

STRONGEST = 400
"""Units of each circuit that the experiment on what they share is made with."""

RANDOM = 3


def models() -> Path:
    """Return the folder of models among the fixtures."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    return Path(os.environ.get("CIRCUIT_ATLAS_FIXTURES") or beside) / "models"


def make(store: Store, folder: Path) -> None:
    """Find the three circuits, derive what the two share and have alone, and measure all that is asked below."""
    loaded = None
    for name, (train, held_out) in pronouns.write_all(folder).items():
        settings = DiscoverSettings(
            model=str(models() / "stories260K"), dictionaries=str(models() / "stories260K-saes"), examples=str(train),
            held_out=str(held_out), task=name, name=name, positions="sum", max_nodes=600, measure_thresholds=0,
        )  # fmt: skip
        loaded = loaded or load(settings)
        discover(settings, store=store, loaded=loaded)
    loader = Loader()
    for name in (A, B):
        thresholds = tuple(threshold_of_size(store, name, size) for size in NODES)
        _measure(store, loader, name, thresholds=thresholds)
        patched: dict[str, Any] = {"errors": ("default",), "ablations": ("patch",)}
        _measure(store, loader, name, thresholds=thresholds, **patched)
    for name, threshold in derive(store):
        for task in (A, B, OTHER):
            _measure(store, loader, name, on=task, thresholds=(threshold,), errors=("default",), level="sum")


def _measure(store: Store, loader: Loader, circuit: str, **asked: Any) -> None:
    given = {"errors": ("default", "remove"), "random_circuits": RANDOM, "ablate_random": True, **asked}
    measure(store, MeasureSettings(circuit, **given), load_subject=loader)


def derive(store: Store) -> list[tuple[str, float]]:
    """Write what the strongest units of the two circuits share and have alone; names with the threshold of each."""
    thresholds = {name: threshold_of_size(store, name, STRONGEST) for name in (A, B)}
    recipes: tuple[tuple[Any, str, str], ...] = (("intersection", A, B), ("difference", A, B), ("difference", B, A))
    for operation, one, other in recipes:
        cut: dict[str, Any] = {"node_threshold": thresholds[one], "node_threshold_b": thresholds[other]}
        store.write([combine(store, operation, one, other, **cut)])
    return measured(store)


def measured(store: Store) -> list[tuple[str, float]]:
    """Circuits of the experiment, each with the node threshold that it is measured at."""
    made = [f"{A} ∩ {B}", f"{A} ∖ {B}", f"{B} ∖ {A}"]
    return [*((name, threshold_of_size(store, name, STRONGEST)) for name in (A, B)), *((name, 0.0) for name in made)]


def tables(store: Store) -> dict[str, pd.DataFrame]:
    """Every table by what it says."""
    about = store.query("circuits")
    shared = compare(store, A, B).nodes
    found = {
        "circuits": about.loc[
            about["name"].isin((A, B, OTHER)), ["name", "n_examples", "n_nodes", "n_edges", "accuracy"]
        ],
        "features and errors of the two": shared[["kind", "n_a", "n_b", "n_shared", "jaccard", "weighted_jaccard"]],
        "what activity alone would make them share": sharing_null(store, A, B),
        "their strongest features": overlap_curve(store, A, B, sizes=[25, 100, 200])[
            ["size", "n_shared", "n_same_sign", "jaccard", "weighted_jaccard", "expected", "z", "p_value"]
        ],
    }
    for name in (A, B):
        table = faithfulness_table(store, name)
        own = table[(table["task"] == name) & (table["ablation"] == "mean")]
        found[f"{name}, with its errors and without any"] = own[
            ["errors", "n_nodes", "n_active", "faithfulness", "low", "high", "n_random", "random_95", "completeness"]
        ]
    for name in (A, B):
        joint = joint_ablation(store, name).sets
        found[f"{name}, its units patched together"] = joint.loc[
            joint["ablation"] == "patch",
            ["n_nodes", "change", "low", "high", "whole", "share", "random_change", "random_most", "cut", "cut_effect"],
        ]
    sharing = sharing_table(store, measured(store), [A, B, OTHER])
    found["the experiment"] = sharing.drop(columns="node_threshold")
    return found


def show(found: Mapping[str, pd.DataFrame]) -> None:
    """Print the tables."""
    for title, table in found.items():
        typer.echo(f"\n{title}")
        print_frame(table)


def main() -> int:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with connect(f"ladybug:{folder / 'atlas.lbug'}") as store:
            make(store, folder)
            show(tables(store))
    return 0


if __name__ == "__main__":
    sys.exit(main())
