"""`circuit-atlas models`, and presets in `discover`: what is listed and refused, and a run from the cache alone."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from circuit_atlas.ingest.presets import FOLDER, presets
from tests.cli.conftest import Command, Outcome
from tests.cli.toy import D_MODEL, LAYERS, WORDS, make_examples, make_model
from tests.ingest.hub_cache import add_folder
from tests.ingest.published import Weights, publish_saelens

MODEL, SAES = "acme/tiny-llama", "acme/tiny-saes"

SHAPE = f"""
[shape]
n_layers = {LAYERS}
d_model = {D_MODEL}
d_mlp = 32
d_vocab = {len(WORDS)}
n_heads = 2
n_key_value_heads = 2
d_head = {D_MODEL // 2}
n_ctx = 2048
norms = 2
gated_mlp = true
file_dtype = "float32"
"""

DICTIONARIES = f"""
[[dictionaries]]
release = "{SAES}"
id = "in"
hook = "blocks.0.hook_resid_pre"
d_in = {D_MODEL}
d_sae = 32

[[dictionaries]]
release = "{SAES}"
id = "after/{{layer}}"
hook = "blocks.{{layer}}.hook_resid_post"
layers = {LAYERS}
d_in = {D_MODEL}
d_sae = 32
"""


def make_preset(folder: Path, head: str = "") -> Path:
    """Write a preset for a tiny model and tiny dictionaries of the hub."""
    path = folder / "tiny.toml"
    said = f'summary = "tiny"\nmodel = "{MODEL}"\ndtype = "float32"\nbatch_size = 3\n{head}'
    path.write_text(f"{said}{SHAPE}{DICTIONARIES}")
    return path


def make_cache(folder: Path) -> Path:
    """Lay out a cache that holds all of that preset."""
    cache = folder / "hub"
    cache.mkdir()
    add_folder(cache, MODEL, make_model(folder / "model"))
    places = {"in": "blocks.0.hook_resid_pre"} | {f"after/{n}": f"blocks.{n}.hook_resid_post" for n in range(LAYERS)}
    for seed, (path, hook) in enumerate(places.items()):
        publish_saelens(cache, SAES, path, Weights.random(seed, D_MODEL, 32), hook)
    return cache


def refused(done: Outcome) -> str:
    """The one line of a refusal."""
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    return done.err


def test_the_table_lists_every_preset(atlas: Command) -> None:
    done = atlas("models")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split() == ["preset", "model", "sites", "dictionaries", "download_gb", "disk_gb", "memory_gb"]
    assert [line.split()[0] for line in lines[1:]] == list(presets())
    assert "embed, attn 0-25, mlp 0-25, resid 0-25" in done.out


def test_it_loads_nothing_heavy(atlas: Command) -> None:
    done = atlas("models", "gemma-2-2b", PYTHONPROFILEIMPORTTIME="1")
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in done.err.splitlines() if "|" in line}
    assert "circuit_atlas" in loaded
    assert not loaded & {"torch", "transformers", "sae_lens", "transformer_lens", "pandas", "ladybug", "neo4j"}


def test_programs_read_all_of_it(atlas: Command) -> None:
    rows = {row["preset"]: row for row in json.loads(atlas("models", "--format", "json").out)}
    pythia = rows["pythia-70m-deduped"]
    assert pythia["model"] == "EleutherAI/pythia-70m-deduped"
    assert pythia["dictionaries"] == 19
    assert pythia["parameters"] == 70_426_624
    assert pythia["download_gb"] == 2.719
    assert "blocks.0.hook_resid_pre" in pythia["hooks"]
    assert "blocks.N.hook_attn_out" in pythia["hooks"]
    table = list(csv.DictReader(io.StringIO(atlas("models", "--format", "csv").out)))
    assert [row["preset"] for row in table] == list(rows)


def test_a_preset_shows_every_site_and_its_files(atlas: Command, tmp_path: Path) -> None:
    shown = atlas("models", "gpt2-small")
    assert shown.out.startswith("gpt2-small: GPT-2 small with attention dictionaries at z")
    assert "parameters:   124,439,808" in shown.out
    assert atlas("models", "gpt2-small", "--output", "sites.json").code == 0
    rows = json.loads((tmp_path / "sites.json").read_text())
    assert len(rows) == 25
    z = next(row for row in rows if row["site"] == "attn_5")
    assert (z["hook"], z["d_sae"], z["trained_on"]) == ("blocks.5.attn.hook_z", 49_152, "value biases folded")
    assert z["repository"] == "ckkissane/attn-saes-gpt2-small-all-layers"
    assert [Path(file).suffix for file in z["files"]] == [".pt", ".json"]


def test_a_file_of_ones_own_is_shown_alike(atlas: Command, tmp_path: Path) -> None:
    shown = atlas("models", str(make_preset(tmp_path)))
    assert shown.code == 0
    assert [line.split()[0] for line in shown.out.splitlines()[-3:]] == ["embed", "resid_0", "resid_1"]


def test_what_is_no_preset(atlas: Command) -> None:
    assert "did you mean 'gpt2-small'?" in refused(atlas("models", "gpt2-smal"))
    assert "there is no preset file none.toml" in refused(atlas("models", "none.toml"))


def test_a_preset_of_another_model_is_refused_before_anything_is_loaded(atlas: Command, tmp_path: Path) -> None:
    examples = str(make_examples(tmp_path / "examples.jsonl"))
    named = ("discover", "--dictionaries", "gpt2-small", "--examples", examples)
    assert "the preset gpt2-small is for gpt2" in refused(atlas(*named, "--model", "gpt2-medium"))


@pytest.mark.slow
def test_a_folder_with_another_model_is_refused_when_it_is_loaded(atlas_here: Command, tmp_path: Path) -> None:
    model, examples = make_model(tmp_path / "model"), make_examples(tmp_path / "examples.jsonl")
    path = make_preset(tmp_path)
    path.write_text(path.read_text().replace(f"d_vocab = {len(WORDS)}", "d_vocab = 99").replace(SAES, "acme/none"))
    done = atlas_here(
        "discover", "--dictionaries", str(path), "--model", str(model), "--examples", str(examples), "--dry-run"
    )
    # Nothing of it is in the cache: told first, and without asking long.
    assert "the preset tiny lacks 3 of its dictionaries in" in refused(done)


@pytest.mark.slow
def test_what_is_neither_folder_preset_nor_release_is_told_before_the_model_is_loaded(
    atlas_here: Command, tmp_path: Path
) -> None:
    examples = str(make_examples(tmp_path / "examples.jsonl"))
    named = ("discover", "--examples", examples, "--model", "acme/none")
    line = refused(atlas_here(*named, "--dictionaries", "gpt2-small-res-jbb"))
    assert "'gpt2-small-res-jbb' is neither a folder of dictionaries, a preset nor a release that SAELens knows" in line
    assert "did you mean 'gpt2-small-res-jb'?" in line


@pytest.mark.slow
def test_without_a_network_it_says_what_to_fetch_where(atlas: Command, tmp_path: Path) -> None:
    examples = str(make_examples(tmp_path / "examples.jsonl"))
    nowhere = {"HF_HUB_CACHE": str(tmp_path / "empty"), "HF_HUB_OFFLINE": "1"}
    line = refused(atlas("discover", "--dictionaries", "gemma-2-2b", "--examples", examples, **nowhere))
    assert "lacks the model and 79 of its dictionaries in" in line
    assert "run hf download google/gemma-2-2b and so on (circuit-atlas models gemma-2-2b lists every file)" in line

    cache = make_cache(tmp_path)
    for lost in (cache / f"models--{SAES.replace('/', '--')}").glob("snapshots/*/after/1/sae_weights.safetensors"):
        lost.unlink()
    preset = str(make_preset(tmp_path))
    named = ("discover", "--dictionaries", preset, "--examples", examples)
    line = refused(atlas(*named, HF_HUB_CACHE=str(cache), HF_ENDPOINT="http://127.0.0.1:9"))
    assert f"the preset tiny lacks a dictionary in {cache}" in line
    assert f"run hf download {SAES} after/1/cfg.json after/1/sae_weights.safetensors (circuit-atlas" in line


@pytest.mark.slow
@pytest.mark.parametrize("told_offline", [True, False])
def test_a_run_from_the_cache_alone(atlas: Command, tmp_path: Path, told_offline: bool) -> None:
    """Model and dictionaries come from the cache, the settings from the preset; no network is asked."""
    cache, preset, examples = make_cache(tmp_path), make_preset(tmp_path), make_examples(tmp_path / "examples.jsonl")
    network = {"HF_HUB_OFFLINE": "1"} if told_offline else {"HF_ENDPOINT": "http://127.0.0.1:9"}
    quick = ("--held-out-share", "0.25", "--measure-thresholds", "0", "--steps", "2", "--model-id", "tiny-llama")
    done = atlas(
        *("discover", "--dictionaries", str(preset), "--examples", str(examples), "--store", "a.lbug", *quick),
        HF_HUB_CACHE=str(cache),
        **network,
    )
    assert done.code == 0, done.err
    (row,) = json.loads(atlas("circuits", "--store", "a.lbug", "--format", "json").out)
    assert (row["model"], row["suite"]) == ("tiny-llama", "tiny")
    sites = json.loads(
        atlas("query", "MATCH (s:Sae) RETURN s.source AS source ORDER BY source", "--store", "a.lbug", "-f", "json").out
    )
    assert [site["source"] for site in sites] == [f"{SAES}/after/0", f"{SAES}/after/1", f"{SAES}/in"]


@pytest.mark.slow
def test_a_dictionary_that_was_trained_elsewhere_is_refused(atlas: Command, tmp_path: Path) -> None:
    cache, examples = make_cache(tmp_path), make_examples(tmp_path / "examples.jsonl")
    preset = make_preset(tmp_path)
    preset.write_text(preset.read_text().replace("blocks.{layer}.hook_resid_post", "blocks.{layer}.hook_mlp_out"))
    named = ("discover", "--dictionaries", str(preset), "--examples", str(examples))
    line = refused(atlas(*named, HF_HUB_CACHE=str(cache), HF_HUB_OFFLINE="1"))
    assert f"the dictionary after/0 of {SAES} was trained at blocks.0.hook_resid_post, the preset says" in line


@pytest.mark.slow
def test_a_folder_whose_model_is_of_another_size(atlas: Command, tmp_path: Path) -> None:
    cache, examples = make_cache(tmp_path), make_examples(tmp_path / "examples.jsonl")
    model = make_model(tmp_path / "model")
    preset = make_preset(tmp_path)
    preset.write_text(preset.read_text().replace(f"d_vocab = {len(WORDS)}", "d_vocab = 99"))
    named = ("discover", "--dictionaries", str(preset), "--examples", str(examples), "--model", str(model))
    line = refused(atlas(*named, HF_HUB_CACHE=str(cache), HF_HUB_OFFLINE="1"))
    assert f"the preset tiny is for {MODEL} (vocabulary 99), but model has vocabulary {len(WORDS)}" in line


def test_every_preset_file_is_part_of_the_package() -> None:
    assert {path.stem for path in FOLDER.glob("*")} == set(presets())
    assert np.all([preset.summary and "\n" not in preset.summary for preset in presets().values()])
