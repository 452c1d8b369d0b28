"""Measuring on the command line: two circuits of the shipped model, found quickly, on a real store."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuit_atlas.cli.demo import shipped_settings
from circuit_atlas.cypher import connect
from circuit_atlas.ingest import discover, load
from tests.cli.conftest import Command, Outcome

A, B = "sva/simple", "sva/within_rc"
QUICK = {
    "method": "atp", "n_examples": 12, "n_held_out": 12, "max_nodes": 150, "max_edges": 600, "measure_thresholds": 0,
}  # fmt: skip

Here = Callable[..., Outcome]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two circuits that nothing was measured of."""
    path = tmp_path_factory.mktemp("measuring") / "atlas.lbug"
    every = {settings.task: settings for settings in shipped_settings()}
    loaded = load(every[A])
    with connect(f"ladybug:{path}", create=True) as store:
        for task in (A, B):
            discover(dataclasses.replace(every[task], **QUICK), store=store, loaded=loaded)  # type: ignore[arg-type]
    shutil.copy(path, path.with_name("bare.lbug"))
    return path


@pytest.fixture(scope="module")
def bare(made: Path) -> Path:
    """A store with the same circuits, of which nothing is ever measured."""
    return made.with_name("bare.lbug")


@pytest.fixture
def here(made: Path, atlas_here: Command) -> Here:
    return lambda *arguments: atlas_here(*arguments, "--store", str(made))


@pytest.mark.slow
def test_measure_then_curve_then_a_picture(here: Here, tmp_path: Path) -> None:
    assert here("measure", A, "sva/simpel", "--sizes", "1").code == 2  # told before anything is measured
    assert "run `circuit-atlas measure sva/simple` first" in here("curve", A).err
    done = here("measure", A, "--sizes", "3", "--random-circuits", "2", "--edges", "2", "--errors", "default")
    assert done.code == 0, done.err
    assert done.out.startswith("measured sva/simple on sva/simple: ")
    assert "n_edges" in done.out
    curve = here("curve", A, "--draw", str(tmp_path / "curve.png"), "--show-cypher")
    assert curve.code == 0, curve.err
    assert "log_area" in curve.out
    assert "n_random  random_95" in curve.out
    assert "measurement_items" in curve.err
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    rows = json.loads(here("curve", A, "--format", "json").out)
    assert {row["errors"] for row in rows} == {"default", "remove"}  # which stands beside whatever is asked for
    assert len(rows) == 6
    edges = here("curve", A, "--edges", "--draw", str(tmp_path / "edges.svg"))
    assert (edges.code, "permuted_95" in edges.out) == (0, True)
    assert "active_set" not in edges.out.splitlines()[0].split()
    held = ("--active-set", "clean", "--errors", "default", "--errors", "remove", "--random-circuits", "1")
    done = here("measure", A, "--sizes", "1", "--edges", "2", *held)
    assert done.code == 0, done.err
    both = here("curve", A, "--edges")
    assert {"active_set", "errors", "without_errors"} <= set(both.out.splitlines()[0].split())
    bare = json.loads(here("curve", A, "--edges", "--errors", "remove", "--format", "json").out)
    assert {(row["errors"], row["active_set"]) for row in bare} == {("remove", "clean"), ("remove", "mixed")}
    assert (
        "no edges were measured with errors keep: they are measured with errors default and remove alone"
        in here("curve", A, "--edges", "--errors", "keep").err
    )
    assert b"edges kept" in (tmp_path / "edges.svg").read_bytes()
    assert (
        "no edges of 'sva/simple' were measured with ablation zero: run"
        in here("curve", A, "--edges", "--ablation", "zero").err
    )
    assert here("curve", A, "--sensitivity").code == 0


@pytest.mark.slow
def test_the_smallest_circuit_that_is_faithful_enough_is_named(here: Here) -> None:
    options = ("--sizes", "3", "--random-circuits", "0", "--errors", "default", "--target-faithfulness")
    done = here("measure", A, "--ablation", "zero", "--ablation", "mean", *options, "0.5")
    assert done.code == 0, done.err
    (line,) = [line for line in done.out.splitlines() if line.startswith("smallest circuit found")]
    rows = json.loads(here("curve", A, "--ablation", "zero", "--format", "json").out)
    best = min((row for row in rows if row["faithfulness"] >= 0.5), key=lambda row: row["n_nodes"])
    assert f": {best['n_nodes']} nodes, node_threshold {best['node_threshold']:.4g}," in line
    assert f"faithfulness {best['faithfulness']:.4g} (95 % interval {best['low']:.4g} to {best['high']:.4g})" in line
    assert "(ablation zero, start_layer 0, errors default)" in line
    assert "nothing smaller was looked for under the other ablations" in line
    missed = here("measure", A, *options, "99")
    assert missed.code == 2
    assert "reaches faithfulness 99 by mean ablation from layer 0 on; the most is" in missed.err


@pytest.mark.slow
def test_units_ablated_together_stand_beside_random_ones_and_their_effects(here: Here) -> None:
    assert "run `circuit-atlas measure sva/within_rc --ablation patch" in here("exactness", B, "--joint").err
    options = ("--ablation", "patch", "--ablate-random", "--random-circuits", "2", "--errors", "default")
    done = here("measure", B, "--sizes", "2", *options)
    assert done.code == 0, done.err
    shown = here("exactness", B, "--joint")
    assert (shown.code, shown.err) == (0, "")
    assert "sva/within_rc: its units ablated together" in shown.out
    assert "resid_2" in shown.out
    sets = json.loads(here("exactness", B, "--joint", "--format", "json").out)
    assert [row["n_random"] for row in sets] == [2, 2]
    sites = json.loads(here("exactness", B, "--joint", "--by", "sites", "--format", "json").out)
    for row in sets:
        own = [site for site in sites if site["node_threshold"] == row["node_threshold"]]
        assert sum(site["n_site"] for site in own) == row["n_nodes"]
        assert row["cut_effect"] == max((s["effect"] for s in own if s["is_cut"]), key=abs)
    assert "no rows by kind" in here("exactness", B, "--joint", "--by", "kind").err


@pytest.mark.slow
def test_sharing_measures_what_two_circuits_share_on_both_tasks(here: Here, made: Path) -> None:
    combined = here("combine", A, B, "--operation", "union", "--name", "either", "--show-cypher")
    assert combined.code == 0, combined.err
    assert f"// circuit-atlas query circuit -p circuit={B}\nMATCH (c:Circuit)" in combined.err
    assert here("circuits").out.count("either") == 1
    done = here("sharing", A, B, "--size", "40", "--random-circuits", "1", "--format", "json", "--show-cypher")
    assert done.code == 0, done.err
    assert "// circuit-atlas query measurement_items -p 'circuit=sva/simple ∩ sva/within_rc (40)'" in done.err
    rows = json.loads(done.out)
    circuits = [A, B, f"{A} ∩ {B} (40)", f"{A} ∖ {B} (40)", f"{B} ∖ {A} (40)", f"{A} ∪ {B} (40)"]
    assert [(row["circuit"], row["task"]) for row in rows] == [(c, task) for c in circuits for task in (A, B)]
    sizes = {row["circuit"]: row["n_nodes"] for row in rows}
    assert sizes[circuits[2]] + sizes[circuits[3]] == sizes[A]
    assert sizes[circuits[2]] + sizes[circuits[4]] == sizes[B]
    assert sizes[circuits[2]] + sizes[circuits[3]] + sizes[circuits[4]] == sizes[circuits[5]]
    with connect(f"ladybug:{made}", read_only=True) as store:
        for row in rows:
            items = store.query("measurement_items", circuit=row["circuit"])
            mine = (items["kind"] == "circuit") & (items["errors"] == "default") & (items["task"] == row["task"])
            (run,) = items[mine & np.isclose(items["node_threshold"], row["node_threshold"])].to_dict("records")
            whole, nothing, alone, rest = (
                float(np.mean(run[name])) for name in ("full", "empty", "only_circuit", "complement")
            )
            assert row["n_nodes"] == run["n_nodes"]
            assert row["kept"] == pytest.approx((alone - nothing) / (whole - nothing), abs=1e-5)
            assert row["ablated"] == pytest.approx((rest - nothing) / (whole - nothing), abs=1e-5)
            assert row["kept_low"] <= row["kept"] <= row["kept_high"]
    for one in (row for row in rows if row["circuit"] == circuits[5]):
        assert one["ablated"] < 0.25 < one["kept"]  # of the 40 strongest units of both, on either task
    again = here("sharing", A, B, "--size", "20", "--random-circuits", "1", "--format", "json")
    assert again.code == 0, again.err  # of another size, beside the others
    listed = [row["name"] for row in json.loads(here("circuits", "--format", "json").out)]
    assert {f"{A} ∩ {B} (40)", f"{A} ∩ {B} (20)"} < set(listed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("measure", "sva/simpel"), "sva/simple"),
        (("measure", A, "--sizes", "many"), "--sizes is 'many'; give a number, or mib"),
        (("measure", A, "--errors", "half"), "errors has 'half'; choose of default"),
        # Told before the model is loaded, or it would be missed first.
        (("measure", A, "--threshold", "99", "--model", "/nowhere"), "has an absolute effect above 99; the largest"),
        (("hypotheses", A, "--leave-out", "99"), "no node of 'sva/simple' has an absolute effect above 99"),
        (("measure", A, "--start-layer", "9"), "leaves no layer of 3 to ablate: name one from 0 to 2"),
        (("measure", A, "--examples", "/nowhere.jsonl"), "there is no examples file /nowhere.jsonl"),
        (("measure", A, "--model", "/nowhere"), "/nowhere"),
        (("measure", A, "--on", B, "--level", "keep", "--sizes", "1"), "measure with level role or sum"),
        (("curve", A, "--draw", "curve.png"), "run `circuit-atlas measure"),
        (("curve", A, B, "--sensitivity"), "--sensitivity is of one circuit"),
        (("curve", A, "--sensitivity", "--edges"), "leave out --edges"),
        (("curve", A, "--sensitivity", "--task", A), "--task does not choose among the rows of --sensitivity"),
        (("curve", A, "--edges", "--target", "0.5"), "--target does not choose among the rows of --edges"),
        (("measure", A, "--edges", "2", "--errors", "keep"), "edges are measured with errors default"),
        (("measure", A, "--active-set", "clean"), "ask for edges, or leave it out"),
        (("measure", A, "--last-features", "2", "--threshold", "0.1"), "so --threshold has no meaning there"),
        (("measure", A, "--last-features", "2", "--ablation", "zero", "--ablation", "mean"), "takes one --ablation"),
        (("combine", A, B, "--operation", "times"), "choose one of intersection"),
        (("combine", A, B, "--node-threshold", "99"), "nothing is left of"),
        (("sharing", A, "nothing/here"), "nothing/here"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    bare: Path, atlas_here: Command, arguments: tuple[str, ...], words: str
) -> None:
    done = atlas_here(*arguments, "--store", str(bare))
    assert (done.code, done.out) == (2, "")
    line = done.err.strip().splitlines()[-1]
    assert words in line
    assert "Traceback" not in done.err
