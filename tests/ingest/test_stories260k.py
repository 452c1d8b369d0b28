"""Two pronoun circuits of a real model on real text, in one store, and what interventions on the model say of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest

from circuit_atlas.analysis import strongest_paths
from circuit_atlas.analysis.faithfulness import faithfulness_table
from circuit_atlas.cypher import Store, connect
from circuit_atlas.ingest import DiscoveredCircuit, DiscoverSettings, discover, load
from circuit_atlas.ingest.batches import Batch, batches
from circuit_atlas.ingest.examples import read_examples
from circuit_atlas.ingest.metrics import LogitDifference
from circuit_atlas.ingest.preparation import Loaded
from circuit_atlas.ingest.sites import Site, site_from_name
from circuit_atlas.ingest.subject import Subject
from circuit_atlas.ingest.tokens import tokenise
from tests.fixtures_folder import fixtures, needs_fixtures
from tests.ingest import pronouns
from tests.ingest.interventions import ablate_features, patch_site, untouched

pytestmark = [pytest.mark.slow, needs_fixtures("models/stories260K", "models/stories260K-saes")]

NAMES = tuple(behaviour.name for behaviour in pronouns.BEHAVIOURS)
DRAWS, FEATURES = 20, 10


@dataclass(frozen=True)
class Run:
    """Both circuits in one store, and the model they are of."""

    store: Store
    loaded: Loaded
    circuits: Mapping[str, DiscoveredCircuit]
    files: Mapping[str, tuple[Path, Path]]

    @property
    def subject(self) -> Subject:
        return Subject(self.loaded.model, self.loaded.suite.dictionaries, LogitDifference())

    def batches(self, name: str, *, held_out: bool) -> list[Batch]:
        examples = read_examples(self.files[name][held_out])
        return batches(tokenise(examples, self.loaded.model.tokenizer), 16)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("stories260k")
    files = {behaviour.name: pronouns.write(folder, behaviour) for behaviour in pronouns.BEHAVIOURS}
    loaded, circuits = None, {}
    with connect(f"ladybug:{folder / 'atlas.lbug'}") as store:
        for name, (train, held_out) in files.items():
            settings = DiscoverSettings(
                model=str(fixtures() / "models" / "stories260K"),
                dictionaries=str(fixtures() / "models" / "stories260K-saes"),
                examples=str(train),
                held_out=str(held_out),
                task=name,
                name=name,
                positions="sum",
                max_nodes=600,
            )
            loaded = loaded or load(settings)
            circuits[name] = discover(settings, store=store, loaded=loaded)
        assert loaded is not None
        yield Run(store, loaded, circuits, files)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as dictionaries, whose values the type checker leaves alone."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def shared_features(run: Run) -> pd.DataFrame:
    """Features of both circuits, by the smaller of their two absolute effects, largest first."""
    units = run.store.query("compare_nodes", circuit_a=NAMES[0], circuit_b=NAMES[1])
    both = units[(units["kind"] == "feature") & units["in_a"] & units["in_b"]]
    smaller = both[["effect_a", "effect_b"]].abs().min(axis=1)
    return both.loc[smaller.sort_values(ascending=False).index]


def by_site(units: list[tuple[str, int, int]]) -> dict[Site, list[int]]:
    """Group (component, layer, feature) by site."""
    found: dict[Site, list[int]] = {}
    for component, layer, feature in units:
        name = component if component == "embed" else f"{component}_{layer}"
        found.setdefault(site_from_name(name), []).append(feature)
    return found


def test_the_names_are_all_that_are_one_token(run: Run) -> None:
    vocabulary = run.loaded.model.tokenizer.get_vocab()
    capitals = {token[1:] for token in vocabulary if token[0] == " " and token[1:2].isupper() and len(token) > 2}

    others = {"He", "On", "Once", "One", "She", "The", "They"}
    assert capitals == {*pronouns.GIRLS, *pronouns.BOYS} | others


@pytest.mark.parametrize("behaviour", pronouns.BEHAVIOURS, ids=NAMES)
def test_the_data_are_distinct_and_split_by_template(behaviour: pronouns.Behaviour, run: Run) -> None:
    train, held_out = (read_examples(path) for path in run.files[behaviour.name])

    assert len({e.clean_prefix for e in train}) >= 24
    assert len({(e.clean_prefix, e.patch_prefix) for e in [*train, *held_out]}) == len(train) + len(held_out)
    assert not {e.item for e in train} & {e.item for e in held_out}


@pytest.mark.parametrize("name", NAMES)
def test_the_model_has_the_behaviour(name: str, run: Run) -> None:
    (circuit,) = records(run.store.query("circuit", circuit=name))

    assert circuit["accuracy"] == 1.0
    assert circuit["metric_clean"] < -2.0
    assert circuit["metric_patch"] > 2.0


def test_the_circuits_share_features(run: Run) -> None:
    table = run.store.query("overlap_nodes", circuit_a=NAMES[0], circuit_b=NAMES[1])
    print(table.T.to_string())
    (overlap,) = (row for row in records(table) if row["kind"] == "feature")

    sets = [
        {(n["component"], n["layer"], n["feature_index"]) for n in nodes if n["kind"] == "feature"}
        for nodes in (run.circuits[name].rows.nodes["CircuitNode"] for name in NAMES)
    ]
    assert overlap["n_shared"] == len(sets[0] & sets[1])
    assert overlap["jaccard"] == pytest.approx(len(sets[0] & sets[1]) / len(sets[0] | sets[1]))
    assert 0.2 < overlap["jaccard"] < 0.9
    assert overlap["n_same_sign"] > 0.8 * overlap["n_shared"]


def test_the_strongest_shared_features_fire_on_names(run: Run) -> None:
    strongest = shared_features(run).head(FEATURES)
    print(strongest[["component", "layer", "feature_index", "effect_a", "effect_b", "top_tokens"]].to_string())

    names = {f" {name}" for name in (*pronouns.GIRLS, *pronouns.BOYS)}
    assert sum(tokens[0] in names for tokens in strongest["top_tokens"]) >= FEATURES - 3


@pytest.mark.parametrize("ablation", ["patch", "mean"])
def test_ablating_the_shared_features_cuts_both_metrics_more_than_ablating_random_ones(
    ablation: Literal["patch", "mean"], run: Run
) -> None:
    """On the held-out templates; ten features a draw, from all that were active on either data set."""
    strongest = shared_features(run).head(FEATURES)
    shared = list(zip(strongest["component"], strongest["layer"], strongest["feature_index"], strict=True))
    candidates = sorted(
        {
            (row["component"], row["layer"], int(feature))
            for name in NAMES
            for row in records(run.store.query("candidates", circuit=name))
            for feature in row["feature_indices"]
        }
        - set(shared)
    )
    draws = [random.Random(seed).sample(candidates, FEATURES) for seed in range(DRAWS)]
    for name in NAMES:
        data = run.batches(name, held_out=True)
        clean = untouched(run.subject, data)
        cuts = [1 - ablate_features(run.subject, data, by_site(some), ablation) / clean for some in [shared, *draws]]
        drawn = cuts[1:]
        print(f"{name}, {ablation}: shared {cuts[0]:.3f}, random {min(drawn):.3f} to {max(drawn):.3f} of {clean:.3f}")
        assert cuts[0] > 0.3
        assert cuts[0] > max(drawn)


@pytest.mark.parametrize("name", NAMES)
def test_effects_of_a_site_sum_to_patching_it_whole(name: str, run: Run) -> None:
    shares = records(run.store.query("error_share", circuit=name))
    data = run.batches(name, held_out=False)
    clean = untouched(run.subject, data)
    whole, summed = {}, {}
    for row in shares:
        site = row["component"] if row["component"] == "embed" else f"{row['component']}_{row['layer']}"
        whole[site] = patch_site(run.subject, data, site_from_name(site)) - clean
        summed[site] = row["feature_effect"] + row["error_effect"]
        print(f"{name} {site}: sum of effects {summed[site]:.3f}, patched whole {whole[site]:.3f}")

    assert len(whole) == 16
    assert summed["resid_0"] == pytest.approx(whole["resid_0"], rel=0.03)
    assert summed == pytest.approx(whole, abs=0.05 * whole["resid_0"])


@pytest.mark.parametrize("name", NAMES)
def test_a_path_leads_from_the_embedding_to_the_target(name: str, run: Run) -> None:
    paths = strongest_paths(run.store, name, k=3)
    print(paths[["strength", "path"]].to_string())

    assert len(paths) == 3
    for path in paths["path"]:
        steps = path.split(" → ")
        assert steps[0].startswith("embed/")
        assert steps[-1] == "target"
        # Every residual site cuts the graph, so a path passes all five of them.
        assert [step.split("/")[0] for step in steps if step.startswith("resid")] == [f"resid_{n}" for n in range(5)]


@pytest.mark.parametrize(("name", "least"), [(NAMES[0], 0.8), (NAMES[1], 0.5)])
def test_the_circuit_is_faithful_and_random_ones_are_not(name: str, least: float, run: Run) -> None:
    table = faithfulness_table(run.store, name, resamples=200)
    print(table[["errors", "n_nodes", "n_active", "faithfulness", "completeness", "random_95"]].to_string())

    rows = records(table)
    assert {row["errors"] for row in rows} == {"default", "remove"}
    assert all(0.0 < row["faithfulness"] < 1.2 for row in rows)
    assert all(abs(row["completeness"]) < 0.2 for row in rows)
    circuit = [row for row in rows if row["errors"] == "default"]
    assert all(row["faithfulness"] > row["random_95"] for row in circuit)
    quarter = [row for row in circuit if row["n_nodes"] <= 0.25 * row["n_active"]][-1]
    assert quarter["faithfulness"] > least
