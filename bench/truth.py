"""How near effects and weights come to exact ones, on circuits of two models, and where the error of weights arises.

The 200 strongest nodes and edges of each circuit, and 200 of the others, are measured by intervention on 16 pairs: the
shipped model on agreement across a phrase (positions kept), and, where the fixtures are, stories260K on pronouns
(positions summed). `python -m bench.truth` prints the tables of docs/exactness.md.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from bench.figure import Figure, at_least, at_most
from circuit_atlas.analysis.exactness import by_group, measured_points
from circuit_atlas.analysis.resampling import median_interval
from circuit_atlas.cypher import Store, connect
from circuit_atlas.ingest import DiscoverSettings, discover, load
from circuit_atlas.ingest.changes import run_ends, unit_changes
from circuit_atlas.ingest.exact_edges import Intervention, arrived_effects
from circuit_atlas.ingest.moved_units import End
from circuit_atlas.ingest.node_effects import clean_gradients
from circuit_atlas.ingest.preparation import Loaded, prepare
from circuit_atlas.ingest.sites import Site, site_from_name
from circuit_atlas.ingest.subject import Subject
from circuit_atlas.ingest.texts import read_texts
from circuit_atlas.shipped_files import dictionaries_path, model_path, tasks
from tests.ingest import pronouns

TASK = "sva/nounpp"
STRONGEST = SAMPLE = 200
EXAMPLES = 16
LEAST_SIGN, MOST_ERROR = 0.95, 0.10
RESAMPLES = 2000


@dataclass(frozen=True)
class Subjects:
    """One model with a task: its name for people, and the settings of its circuits."""

    name: str
    settings: Mapping[str, Any]


def run(quick: bool) -> list[Figure]:
    """Compare on every model that is there; edges into features among the strongest have targets."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        for one in subjects(Path(folder)):
            tables = measured(one, Path(folder), 60 if quick else STRONGEST, 4 if quick else EXAMPLES)
            strong = _strong_into_features(tables["edges"])
            row = by_group(strong, "all", resamples=RESAMPLES).to_dict("records")[0]
            error, sign = ((row[f"{name}_low"], row[f"{name}_high"]) for name in ("error", "sign"))
            figures += [
                at_most(_named(one, "median relative error", error), row["median_relative_error"], "", MOST_ERROR),
                at_least(_named(one, "same sign", sign), row["same_sign"], "", LEAST_SIGN),
            ]
    return figures


def _named(one: Subjects, what: str, interval: tuple[float, float]) -> str:
    return f"{one.name}: strong edges into features, {what} (95 %: {interval[0]:.3f} to {interval[1]:.3f})"


def subjects(folder: Path) -> Iterator[Subjects]:
    """The shipped model, and stories260K where the fixtures are."""
    (task,) = (task for task in tasks() if task.id == TASK)
    shipped = {"model": str(model_path()), "dictionaries": str(dictionaries_path()), "examples": str(task.train)}
    yield Subjects("shipped model", shipped | {"held_out": str(task.test)})
    beside = Path(__file__).resolve().parents[2] / "shared"
    models = Path(os.environ.get("CIRCUIT_ATLAS_FIXTURES") or beside) / "models"
    if (models / "stories260K").is_dir():
        train, held = pronouns.write(folder, pronouns.SUBJECT)
        files = {"examples": str(train), "held_out": str(held), "positions": "sum"}
        places = {"model": str(models / "stories260K"), "dictionaries": str(models / "stories260K-saes")}
        yield Subjects("stories260K", places | files)


def measured(one: Subjects, folder: Path, strongest: int, examples: int) -> dict[str, pd.DataFrame]:
    """Points of nodes by `atp` and `ig`, of edges, and of edges with what arrives at their downstream end (`steps`)."""
    common = {"n_examples": examples, "measure_thresholds": 0, "exact_nodes": strongest, "exact_node_sample": strongest}
    of_edges = {"atp": {"max_edges": 0}, "ig": {"exact_edges": strongest, "exact_sample": strongest}}
    given = {
        method: DiscoverSettings(**{**one.settings, **common, **more, "method": method, "name": method})
        for method, more in of_edges.items()
    }
    settings = given["ig"]
    loaded = load(settings)
    with connect(str(folder / f"{one.name}.lbug")) as store:
        for each in given.values():
            discover(each, store=store, loaded=loaded)
        found = {f"{method} of nodes": measured_points(store, method, "nodes") for method in ("atp", "ig")}
        edges = measured_points(store, "ig", "edges")
        return found | {"edges": edges, "steps": _steps(store, settings, loaded, edges)}


def _strong_into_features(edges: pd.DataFrame) -> pd.DataFrame:
    chosen = edges[(edges["drawn"] == "strongest") & edges["kind"].str.endswith("→ feature")]
    chosen.attrs = edges.attrs
    return chosen


def _steps(store: Store, settings: DiscoverSettings, loaded: Loaded, edges: pd.DataFrame) -> pd.DataFrame:
    """Strong edges into features with the effect of what arrives, were the metric linear from there on."""
    strong = _strong_into_features(edges)
    work = prepare(settings, read_texts(settings), loaded)
    rows = store.query("measured_edges", circuit="ig").set_index(["source_id", "target_id"])
    subject = work.subject
    wanted = [
        tuple(_end(rows.loc[(source, target)], name, subject) for name in ("source", "target"))
        for source, target in zip(strong["source"], strong["node"], strict=True)
    ]
    total, count = torch.zeros(len(wanted)), 0
    for batch in work.batches(work.data.train):
        ends = run_ends(subject.model, subject.dictionaries, batch)
        changes = {site: unit_changes(dictionary, ends) for site, dictionary in subject.dictionaries.items()}
        outer = clean_gradients(subject.model, subject.metric, batch, ends)
        for example in range(len(batch.clean)):
            asked = [Intervention(example, up, down) for up, down in wanted]
            total += arrived_effects(
                subject.model, subject.metric, batch, ends, changes, asked, outer, subject.rows(batch)
            ).cpu()
            count += 1
    return strong.assign(arrived=(total / count).numpy().astype(np.float64))


def _end(row: Any, which: str, subject: Subject) -> End:
    component = row[f"{which}_component"]
    site: Site = site_from_name(component if component == "embed" else f"{component}_{row[f'{which}_layer']}")
    index, position = row[f"{which}_feature_index"], row[f"{which}_position"]
    unit = subject.dictionaries[site].d_sae if pd.isna(index) else int(index)
    return End(site, unit, None if pd.isna(position) else int(position))


def lines(tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """Markdown of one model."""
    strong = _strong_into_features(tables["edges"])
    yield from _table("edges into features, strongest", {"all": strong} | _groups(strong, "component"))
    yield from _table("edges", _groups(tables["edges"], "drawn") | _groups(tables["edges"], "kind"))
    yield from _table("edges by decile (1: strongest)", _groups(tables["edges"], "decile"))
    for name in ("atp of nodes", "ig of nodes"):
        yield from _table(name, _groups(tables[name], "drawn") | _groups(tables[name], "kind"))
    yield "| strong edges into features | n | whole error | of it, up to the downstream end | of it, from there on |"
    yield "|---|---|---|---|---|"
    for name, some in ({"all": tables["steps"]} | _groups(tables["steps"], "component")).items():
        w, a, x = (some[column].to_numpy(np.float64) for column in ("approximate", "arrived", "exact"))
        yield f"| {name} | {len(some)} | {_median(w, x)} | {_median(w, a)} | {_median(a, x)} |"
    yield ""


def _median(one: Any, other: Any) -> str:
    errors = np.abs(one - other) / np.abs(other)
    low, high = median_interval(errors, RESAMPLES, 0)
    return _share(float(np.median(errors)), low, high)


def _share(value: float, low: float, high: float) -> str:
    return f"{value:.1%} ({low:.1%} to {high:.1%})" if math.isfinite(low) else f"{value:.1%}"


def _groups(points: pd.DataFrame, by: str) -> dict[str, pd.DataFrame]:
    found = {}
    for name, some in points.groupby(by, sort=True):
        some.attrs = points.attrs
        found[str(name)] = some
    return found


def _table(title: str, groups: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    yield f"| {title} | n | median relative error (95 %) | same sign (95 %) | slope | Spearman |"
    yield "|---|---|---|---|---|---|"
    for name, some in groups.items():
        row = by_group(some, "all", resamples=RESAMPLES).to_dict("records")[0]
        error = _share(row["median_relative_error"], row["error_low"], row["error_high"])
        sign = _share(row["same_sign"], row["sign_low"], row["sign_high"])
        rank = "" if math.isnan(row["spearman"]) else f"{row['spearman']:.2f}"
        yield f"| {name} | {row['n']} | {error} | {sign} | {row['slope']:.2f} | {rank} |"
    yield ""


def main() -> int:
    """Print the tables of both models."""
    with tempfile.TemporaryDirectory() as folder:
        for one in subjects(Path(folder)):
            sys.stdout.write(f"### {one.name}\n\n" + "\n".join(lines(measured(one, Path(folder), STRONGEST, EXAMPLES))))
            sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
