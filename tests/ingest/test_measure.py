"""Measuring stored circuits, against a literal ablation, example by example and unit by unit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from circuit_atlas.analysis import edge_curve, faithfulness_curves, faithfulness_table
from circuit_atlas.analysis.telling import telling
from circuit_atlas.cypher import Store, connect
from circuit_atlas.errors import AtlasError, MeasureError
from circuit_atlas.ingest import MeasureSettings, measure
from circuit_atlas.ingest.batches import TokenExample, batches, resample
from circuit_atlas.ingest.dictionary_files import Suite
from circuit_atlas.ingest.examples import read_examples
from circuit_atlas.ingest.measuring.stored import read_stored, refuse_late_start
from circuit_atlas.ingest.preparation import Loaded
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.tokens import tokenise
from tests.ingest.noted import Noted
from tests.ingest.tiny import D_SAE
from tests.ingest.tiny_runs import TinyRun, run_tiny, write_examples

pytestmark = pytest.mark.slow

KEPT = 40
"""Nodes that most measurements here keep."""


@dataclass
class Place:
    """A store with one circuit, `tiny`, measured by discovery too, and what it was found with."""

    store: Store
    run: TinyRun
    folder: Path

    @property
    def held(self) -> list[TokenExample]:
        return tokenise(read_examples(self.folder / "held.jsonl"), self.run.subject.model.tokenizer)

    def measure(self, reporter: Noted | None = None, **given: Any) -> list[dict[str, Any]]:
        chosen: dict[str, Any] = {"circuit": "tiny", "random_circuits": 0} | given
        subject = self.run.subject
        loaded = Loaded(subject.model, Suite("random", subject.dictionaries))
        settings = MeasureSettings(**chosen)
        found = measure(self.store, settings, reporter=reporter, load_subject=lambda _: loaded)
        return [dict(row) for row in found.rows]

    def threshold(self, kept: int = KEPT) -> float:
        sizes = sorted((abs(row["effect"]) for key, row in self.run.nodes().items() if key[0].layer >= 0), reverse=True)
        return float((sizes[kept - 1] + sizes[kept]) / 2)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("measured")
    (folder / "other").mkdir()
    write_examples(folder / "held.jsonl", pairs=True, lengths=(5, 5, 5, 5, 5))
    # The same words in another order: held-out examples that are not those attributed over.
    lines = [json.loads(line) for line in (folder / "held.jsonl").read_text().splitlines()]
    for line in lines:
        for name in ("clean_prefix", "patch_prefix"):
            line[name] = " ".join(reversed(line[name].split()))
        line["item"] = line["clean_prefix"]
    (folder / "held.jsonl").write_text("\n".join(map(json.dumps, lines)))
    run = run_tiny(
        folder, method="atp", held_out=str(folder / "held.jsonl"), measure_thresholds=2, random_circuits=2, name="tiny"
    )
    with connect(f"ladybug:{folder / 'atlas.lbug'}", create=True) as store:
        store.write([run.circuit.rows])
        yield Place(store, run, folder)


def literal(place: Place, kept: set[tuple[Site, int, int]], ablation: str, means: str, examples: list[Any]) -> Tensor:
    """Metric of each example, every site rebuilt from its features one example at a time."""
    subject = place.run.subject
    sites = [site for site in subject.dictionaries if site.layer >= 0]
    train = [t for e in place.run.examples for t in ((e.clean, e.patch) if means == "clean+patch" else (e.patch,))]
    background = subject.model.activations(torch.tensor(train), sites)
    found = []
    for batch in batches(examples, 1):
        assert batch.patch is not None
        other = subject.model.activations(batch.patch, sites)
        replace = {}
        for site in sites:
            sae = subject.dictionaries[site].sae
            mean_f = sae.encode(background[site]).mean(0)
            mean_e = (background[site] - sae.decode(sae.encode(background[site]))).mean(0)
            here = sae.encode(other[site])[0]
            base = {
                "mean": (mean_f, mean_e),
                "zero": (torch.zeros_like(mean_f), torch.zeros_like(mean_e)),
                "patch": (here, other[site][0] - sae.decode(here)),
            }["patch" if ablation == "resample" else ablation]

            def rebuild(x: Tensor, site: Site = site, sae: Any = sae, base: Any = base) -> Any:
                f, e = sae.encode(x)[0], (x - sae.decode(sae.encode(x)))[0]
                for position in range(x.shape[1]):
                    for feature in range(D_SAE):
                        if (site, feature, position) not in kept:
                            f[position, feature] = base[0][position, feature]
                    if (site, D_SAE, position) not in kept:
                        e[position] = base[1][position]
                return (sae.decode(f) + e)[None]

            replace[site] = rebuild
        with torch.no_grad():
            found.append(subject.metric(subject.model.run(batch.clean, replace), batch))
    return torch.cat(found)


def members(place: Place, threshold: float, errors: str = "default") -> set[tuple[Site, int, int]]:
    found = {
        (site, unit, position or 0)
        for (site, unit, position), row in place.run.nodes().items()
        if site.layer >= 0 and abs(row["effect"]) > threshold and (errors != "remove" or unit != D_SAE)
    }
    if errors == "keep":
        found |= {(s, D_SAE, p) for s in place.run.subject.dictionaries if s.layer >= 0 for p in range(5)}
    return found


@pytest.mark.parametrize(
    ("ablation", "means", "errors"),
    [
        ("mean", "clean+patch", "default"),
        ("mean", "patch", "keep"),
        ("zero", "none", "remove"),
        ("patch", "none", "default"),
        ("resample", "none", "default"),
    ],
)
def test_each_ablation_against_the_literal_one(place: Place, ablation: str, means: str, errors: str) -> None:
    threshold = place.threshold()
    given: dict[str, Any] = {"means_over": (means,)} if means != "none" else {}
    rows = place.measure(thresholds=(threshold,), ablations=(ablation,), errors=(errors,), seed=3, **given)
    (row,) = (row for row in rows if row["errors"] == errors)
    examples = resample(place.held, 3) if ablation == "resample" else place.held
    kept = members(place, threshold, errors)

    assert row["circuit"] == pytest.approx(literal(place, kept, ablation, means, examples).tolist(), abs=1e-4)
    empty = members(place, float("inf"), errors)
    assert row["empty"] == pytest.approx(literal(place, empty, ablation, means, examples).tolist(), abs=1e-4)
    everything = {
        (s, u, p) for s in place.run.subject.dictionaries if s.layer >= 0 for u in range(D_SAE + 1) for p in range(5)
    }
    rest = everything - kept if errors != "keep" else (everything - kept) | empty
    rest = {unit for unit in rest if errors != "remove" or unit[1] != D_SAE}
    assert row["complement"] == pytest.approx(literal(place, rest, ablation, means, examples).tolist(), abs=1e-4)
    assert (row["ablation"], row["means_over"], row["n_nodes"]) == (ablation, means, len(kept))


def test_what_discovery_measured_is_measured_again_under_the_same_key(place: Place) -> None:
    before = {row["id"]: row for row in place.run.rows("Measurement") if row["kind"] == "circuit"}
    thresholds = tuple(sorted({row["node_threshold"] for row in before.values()}))
    again = {row["id"]: row for row in place.measure(thresholds=thresholds, errors=("default", "remove"))}

    assert again.keys() == before.keys()
    for key, row in again.items():
        assert row["circuit"] == pytest.approx(before[key]["circuit"], abs=1e-5)
        assert row["faithfulness"] == pytest.approx(before[key]["faithfulness"], abs=1e-4)


def test_another_seed_of_resampling_is_another_measurement(place: Place) -> None:
    given: dict[str, Any] = {"thresholds": (place.threshold(),), "errors": ("remove",), "ablations": ("resample",)}
    one, again, other = (place.measure(**given, seed=seed)[0] for seed in (1, 1, 2))
    (plain,) = place.measure(**given | {"ablations": ("zero",)}, seed=1)

    assert (one["id"] == again["id"], one["id"] == other["id"]) == (True, False)
    assert [row["data_digest"] for row in (one, other)] == [f"{plain['data_digest']}+{seed}" for seed in (1, 2)]
    assert one["circuit"] != pytest.approx(other["circuit"], abs=1e-6)


@pytest.mark.parametrize("errors", ["default", "keep", "nb_remove"])
def test_the_circuit_without_errors_stands_beside_each_point(place: Place, errors: str) -> None:
    rows = place.measure(sizes=3, random_circuits=1, errors=(errors,))
    found = {e: sorted((r["kind"], r["node_threshold"]) for r in rows if r["errors"] == e) for e in (errors, "remove")}
    assert {row["errors"] for row in rows} == {errors, "remove"}
    assert found["remove"] == found[errors]
    assert len(found[errors]) == 6


def test_that_no_random_circuits_stand_beside_the_points_is_said(place: Place) -> None:
    for count, lines in ((0, 1), (1, 0)):
        said = Noted()
        place.measure(sizes=1, random_circuits=count, reporter=said)
        assert len(said.lines) == lines
        assert all("no random circuits are measured beside these" in line for line in said.lines)


def test_random_circuits_stand_beside_each_point_with_its_errors(place: Place) -> None:
    rows = place.measure(sizes=3, random_circuits=4, errors=("default", "nb_remove"))
    for row in (row for row in rows if row["kind"] == "circuit"):
        alike = [
            r
            for r in rows
            if r["kind"] == "random" and (r["errors"], r["node_threshold"]) == (row["errors"], row["node_threshold"])
        ]
        assert sorted(r["seed"] for r in alike) == [0, 1, 2, 3]
        assert {r["empty"] == row["empty"] for r in alike} == {True}


def test_the_whole_circuit_and_the_smallest_that_is_faithful_enough(place: Place) -> None:
    """The search ends where one node fewer is not enough, or was measured already."""
    rows = place.measure(sizes=6, target_faithfulness=0.5)
    thresholds = {e: {r["node_threshold"] for r in rows if r["errors"] == e} for e in ("default", "remove")}
    points = sorted((row["n_nodes"], row["faithfulness"]) for row in rows if row["errors"] == "default")
    first = next(i for i, (_, faithfulness) in enumerate(points) if faithfulness >= 0.5)

    assert first == 0 or points[first][0] - points[first - 1][0] == 1
    assert len(points) > 6
    assert thresholds["default"] == thresholds["remove"]
    with pytest.raises(MeasureError, match=r"no measured size of 'tiny' reaches faithfulness 99.* is stored"):
        place.measure(sizes=2, target_faithfulness=99.0, split="train")
    kept = faithfulness_table(place.store, "tiny")
    assert kept.loc[kept["split"] == "train", "errors"].tolist() == ["default", "default", "remove", "remove"]


def test_undefined_faithfulness_is_null_without_an_interval_and_no_target(place: Place) -> None:
    """The same prompts with their answers exchanged: the metric cancels, of the whole model and of any part."""
    path = write_examples(place.folder / "cancelling.jsonl", pairs=True, lengths=(5, 5, 5))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    turned = [{**e, "clean_answer": e["patch_answer"], "patch_answer": e["clean_answer"]} for e in lines]
    path.write_text("\n".join(map(json.dumps, [*lines, *turned])))
    given: dict[str, Any] = {"examples": str(path), "split": "all", "errors": ("default",), "sizes": 2}
    rows = place.measure(**given)

    assert [row["faithfulness"] for row in rows] == [None] * 4  # with errors and without
    table = faithfulness_table(place.store, "tiny")
    figures = table.loc[table["task"] == "cancelling", ["faithfulness", "low", "high", "completeness_low"]]
    assert (len(figures), bool(figures.isna().all(axis=None))) == (4, True)
    with pytest.raises(MeasureError, match="faithfulness of 'tiny' is undefined on these examples"):
        place.measure(**given, target_faithfulness=0.5)


def test_other_examples_of_other_lengths_are_measured_at_every_position(place: Place) -> None:
    path = write_examples(place.folder / "other.jsonl", pairs=True, lengths=(5, 7, 7, 5, 6, 6))
    rows = place.measure(thresholds=(place.threshold(),), examples=str(path), split="all", errors=("remove",))

    assert [(row["level"], row["n_examples"]) for row in rows] == [("sum", 6)]
    with pytest.raises(AtlasError, match="tokens"):
        place.measure(thresholds=(0.0,), examples=str(path), level="keep")
    table = faithfulness_table(place.store, "tiny")
    assert {"examples", "other"} <= set(table["task"])  # other tests measure on more
    assert set(faithfulness_table(place.store, "tiny", own=True)["task"]) == {"examples"}


def test_curves_name_the_command_where_nothing_was_measured(place: Place) -> None:
    with pytest.raises(AtlasError, match="run `circuit-atlas measure tiny --ablation never` first"):
        faithfulness_curves(place.store, ["tiny"], ablation="never")


def test_no_threshold_lies_below_the_floor(tmp_path: Path) -> None:
    """What is weaker than the floor is not stored, so that no set can be said to hold all above such a threshold."""
    run = run_tiny(
        tmp_path, method="atp", max_nodes=30, max_edges=60, held_out_share=0.5, measure_thresholds=8, name="cut"
    )
    (circuit,) = run.rows("Circuit")
    floors = circuit["node_floor"], circuit["edge_floor"]
    assert min(floors) > 0.0
    loaded = Loaded(run.subject.model, Suite("random", run.subject.dictionaries))
    settings = MeasureSettings("cut", sizes=3, split="all", random_circuits=0, edges=2, ablations=("mean", "zero"))
    with connect(f"ladybug:{tmp_path / 'atlas.lbug'}", create=True) as store:
        store.write([run.circuit.rows])
        rows = [dict(row) for row in measure(store, settings, load_subject=lambda _: loaded).rows]
        for kind, floor in zip(("thresholds", "edge_thresholds"), floors, strict=True):
            given: dict[str, Any] = {kind: (floor / 2,)}
            below = MeasureSettings("cut", **given)
            with pytest.raises(MeasureError, match=f"is below {floor:.4g}, under which 'cut' has no"):
                measure(store, below, load_subject=lambda _: loaded)

    assert min(row["node_threshold"] for row in [*rows, *run.rows("Measurement")]) >= floors[0] * (1 - 1e-6)
    assert min(row["edge_threshold"] for row in rows if row.get("edge_threshold") is not None) >= floors[1] * (1 - 1e-6)
    by_ablation = {row["ablation"] for row in rows if row["kind"] == "edges"}
    assert by_ablation == {"mean", "zero"}
    ablated = [key for key in run.nodes() if key[0].layer >= 0]
    assert max(row["n_nodes"] for row in rows if row["errors"] == "default") == len(ablated)


def test_edges_without_errors_stand_beside_those_with_them(place: Place) -> None:
    """Counted by hand from the stored edges; with every edge each treatment is the node set's own."""
    node, edge = place.threshold(), 1e-3
    about: dict[str, Any] = {"thresholds": (node,), "edge_thresholds": (edge,), "random_circuits": 2}
    rows = place.measure(**about, active_sets=("mixed", "clean"))
    assert len({row["id"] for row in rows}) == len(rows)
    strong = {key for key, row in place.run.nodes().items() if abs(row["effect"]) > node and key[0].layer >= 0}
    of = {"default": strong, "remove": {key for key in strong if key[1] != D_SAE}}
    assert len(of["remove"]) < len(of["default"])
    for errors, nodes in of.items():
        kept = [
            ends
            for ends, weight in place.run.weights().items()
            if abs(weight) > edge and ends[0] in nodes and (ends[1] is None or ends[1] in nodes)
        ]
        assert kept
        mine = [row for row in rows if row["errors"] == errors and row.get("active_set") == "mixed"]
        assert {row["n_nodes"] for row in mine} == {len(nodes)}
        assert {row["n_edges"] for row in mine if row["edge_threshold"] is not None} == {len(kept)}
        kinds = [row["kind"] for row in mine]
        assert [kinds.count(kind) for kind in ("edges", "edges-permuted", "edges-random")] == [2, 2, 2]
        (whole,) = (row for row in rows if (row["kind"], row["errors"]) == ("circuit", errors))
        (every,) = (row for row in mine if row["edge_threshold"] is None)
        assert every["circuit"] == pytest.approx(whole["circuit"], abs=1e-5)
        assert every["empty"] == pytest.approx(whole["empty"], abs=1e-5)
    table = edge_curve(place.store, "tiny")
    with_errors = table[table["errors"] == "default"].reset_index()
    without = table[table["errors"] == "remove"].reset_index()
    assert with_errors["without_errors"].tolist() == without["faithfulness"].tolist()
    assert set(table["active_set"]) == {"mixed", "clean"}
    assert set(table.loc[table["edge_threshold"].notna(), "n_draws"]) == {2}
    assert telling(table) == ["active_set"]


def test_holding_a_choice_that_no_dictionary_makes_is_refused(tmp_path: Path) -> None:
    run = run_tiny(tmp_path, kind="standard", method="atp", held_out_share=0.5, name="plain")
    loaded = Loaded(run.subject.model, Suite("random", run.subject.dictionaries))
    asked = MeasureSettings("plain", edges=1, active_sets=("mixed", "clean"))
    with connect(f"ladybug:{tmp_path / 'atlas.lbug'}", create=True) as store:
        store.write([run.circuit.rows])
        with pytest.raises(MeasureError, match=r"is a TopK \(they are standard\), so active set clean would change"):
            measure(store, asked, load_subject=lambda _: loaded)


BAD: Sequence[tuple[dict[str, Any], str]] = [
    ({"circuit": "tinny"}, "tiny"),
    ({"on": "tinny"}, "tiny"),
    ({"thresholds": (1e9,)}, "no node of 'tiny' has an absolute effect above 1e\\+09; the largest is"),
    ({"thresholds": (1e9,), "errors": ("remove",)}, "no node of 'tiny' has an absolute effect above 1e\\+09"),
    ({"thresholds": (0.01, 1e9), "errors": ("keep",)}, "no node of 'tiny' has an absolute effect above 1e\\+09"),
    ({"start_layers": (7,)}, "start layer 7 leaves no layer of 2 to ablate: name one from 0 to 1"),
    ({"level": "position"}, "level is 'position'; choose one of"),
    ({"errors": ("none",)}, "errors has 'none'; choose of default"),
    ({"examples": "a.jsonl", "on": "tiny"}, "give one of them"),
    ({"held_out": "a.jsonl"}, "without examples"),
    ({"examples": "/nowhere/a.jsonl"}, "there is no examples file"),
    ({"sizes": 0}, "at least 1, or mib"),
    ({"active_sets": ("patch",), "edges": 1}, "active_sets has 'patch'; choose of mixed, clean"),
    ({"active_sets": ("clean",)}, "where edges are measured: ask for edges, or leave it out"),
    ({"edges": 1, "errors": ("keep",)}, "name one too"),
    ({"thresholds": (-1.0,)}, "is negative"),
]


def test_a_start_layer_that_leaves_none_is_refused_before_the_model_loads(place: Place) -> None:
    with pytest.raises(MeasureError, match="start layer 2 leaves no layer of 2 to ablate: name one from 0 to 1"):
        measure(place.store, MeasureSettings("tiny", start_layers=(0, 2)), load_subject=lambda _: pytest.fail("loaded"))


def test_the_first_third_of_one_layer_is_all_of_it_and_leaves_none(place: Place) -> None:
    shallow = dataclasses.replace(read_stored(place.store, "tiny"), n_layers=1)
    with pytest.raises(MeasureError, match="start layer 1 leaves no layer of 1 to ablate"):
        refuse_late_start(shallow, (-1,))
    refuse_late_start(shallow, (0,))


@pytest.mark.parametrize(("given", "words"), BAD)
def test_what_cannot_be_measured_is_said_in_one_line(place: Place, given: dict[str, Any], words: str) -> None:
    with pytest.raises(AtlasError, match=words) as caught:
        place.measure(**given)
    assert "\n" not in str(caught.value)


def test_other_weights_are_refused(place: Place, tmp_path: Path) -> None:
    other = run_tiny(tmp_path, method="atp")
    with torch.no_grad():
        next(iter(other.subject.model.bridge.original_model.parameters())).add_(0.5)
    loaded = Loaded(other.subject.model, Suite("random", other.subject.dictionaries))

    def wrong(_: DiscoverSettings) -> Loaded:
        return loaded

    with pytest.raises(AtlasError, match="weights"):
        measure(place.store, MeasureSettings("tiny"), load_subject=wrong)
