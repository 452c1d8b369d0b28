"""Presets against the registry that SAELens ships, read as plain YAML, and against sizes known from elsewhere."""

from __future__ import annotations

import contextlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from circuit_atlas.errors import AtlasError, ModelError, SettingsError
from circuit_atlas.ingest.footprint import BUDGET, SHELF, dictionary_bytes, footprint, parameters
from circuit_atlas.ingest.presets import FOLDER, Entry, Preset, demand_preset, find_preset, presets, read_preset
from circuit_atlas.ingest.settings import DiscoverSettings, load_settings

ENTRIES = [(preset.name, entry) for preset in presets().values() for entry in preset.entries]


@cache
def registry() -> dict[str, Any]:
    """SAELens' registry as its file has it."""
    spec = importlib.util.find_spec("sae_lens")
    assert spec is not None
    assert spec.origin is not None
    text = (Path(spec.origin).parent / "pretrained_saes.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return loaded


def listed(release: str) -> dict[str, dict[str, Any]]:
    """The dictionaries of a release by their ids."""
    return {one["id"]: one for one in registry()[release]["saes"]}


@pytest.mark.parametrize(("name", "entry"), ENTRIES, ids=[f"{n}-{e.site.name}" for n, e in ENTRIES])
def test_every_dictionary_is_in_the_registry_where_the_preset_says(name: str, entry: Entry) -> None:
    release = registry()[entry.release]
    repository, files = entry.place
    assert repository == release["repo_id"]
    assert release.get("conversion_func") == {
        "saelens": None, "gemma-scope": "gemma_2", "hook-z": "connor_rob_hook_z"
    }[entry.format]  # fmt: skip
    assert all(file.startswith(listed(entry.release)[entry.id]["path"].removesuffix(".pt")) for file in files)
    assert presets()[name].is_of(release["model"])
    options = (release.get("config_overrides") or {}).get("model_from_pretrained_kwargs", {})
    assert options.get("center_writing_weights", False) == (entry.trained_on == "centred stream")


@pytest.mark.parametrize(
    ("name", "sites"),
    [
        ("pythia-70m-deduped", "embed attn mlp resid"),
        ("gemma-2-2b", "embed attn mlp resid"),
        ("gpt2-small", "embed attn resid"),
        ("gpt2-small-topk", "attn mlp resid"),
    ],
)
def test_a_preset_has_these_sites_in_the_order_of_computation(name: str, sites: str) -> None:
    first, parts = sites.split()[: sites.startswith("embed")], sites.removeprefix("embed ").split()
    layers = {"pythia-70m-deduped": 6, "gemma-2-2b": 26}.get(name, 12)
    expected = first + [f"{part}_{layer}" for layer in range(layers) for part in parts]
    assert [entry.site.name for entry in presets()[name].entries] == expected


def test_an_id_and_its_hook_are_of_the_same_layer_and_place() -> None:
    """Ids of these releases are hooks, but for Gemma Scope's, whose folders name layers."""
    for _, entry in ENTRIES:
        if entry.format == "gemma-scope":
            layer = "0" if entry.hook == "hook_embed" else entry.hook.split(".")[1]
            assert entry.id.startswith("embedding/" if entry.hook == "hook_embed" else f"layer_{layer}/")
        else:
            assert entry.id == entry.hook.replace("attn.hook_z", "hook_z")


def test_the_hook_of_z_dictionaries_is_what_gemma_scope_and_kissane_trained_at() -> None:
    for name, part in (("gemma-2-2b", "att"), ("gpt2-small", "hook-z")):
        z = [e for e in presets()[name].entries if part in e.release]
        assert [e.hook for e in z] == [f"blocks.{layer}.attn.hook_z" for layer in range(len(z))]
        assert len(z) == presets()[name].shape.n_layers


def test_gemma_scope_is_chosen_nearest_to_a_hundred_active_as_its_authors_do() -> None:
    for entry in presets()["gemma-2-2b"].entries:
        folder, _, _ = entry.id.rpartition("/")
        counts = [int(id_.rpartition("_")[2]) for id_ in listed(entry.release) if id_.startswith(f"{folder}/")]
        assert entry.l0 == min(counts, key=lambda count: abs(count - 100))
        if entry.hook != "hook_embed":
            canonical = listed(f"{entry.release}-canonical")[f"{folder}/canonical"]["path"]
            assert canonical == entry.id


def test_widths_that_names_of_files_tell() -> None:
    widths = {"width_4k": 4_096, "width_16k": 16_384}
    for _, entry in ENTRIES:
        path = entry.place[1][0]
        if entry.format == "gemma-scope":
            assert entry.d_sae == widths[entry.id.split("/")[1]]
        if entry.format == "hook-z":
            assert f"_ds{entry.d_sae}_" in path


@pytest.mark.parametrize("name", sorted(presets()))
def test_no_release_is_called_like_a_preset(name: str) -> None:
    assert name not in registry()


def test_parameters_are_those_of_the_architecture() -> None:
    """Compare with transformers, which allocates nothing on the device `meta`."""
    import torch
    from transformers import Gemma2Config, Gemma2ForCausalLM, GPT2Config, GPT2LMHeadModel, GPTNeoXConfig
    from transformers import GPTNeoXForCausalLM as Neox

    pythia = GPTNeoXConfig(
        vocab_size=50304, hidden_size=512, num_hidden_layers=6, num_attention_heads=8, intermediate_size=2048
    )
    with torch.device("meta"):
        built: dict[str, Any] = {
            "pythia-70m-deduped": Neox(pythia),
            "gpt2-small": GPT2LMHeadModel(GPT2Config()),
            "gpt2-small-topk": GPT2LMHeadModel(GPT2Config()),
            "gemma-2-2b": Gemma2ForCausalLM(Gemma2Config()),
        }
    assert built.keys() == presets().keys()
    for name, model in built.items():
        assert parameters(presets()[name].shape) == sum(p.numel() for p in model.parameters())


def test_needs_worked_out_by_hand() -> None:
    """Pythia: 70,426,624 parameters in two bytes and six masks of 2,048²; 19 dictionaries of 2·512·32,768 + 33,280."""
    needs = footprint(presets()["pythia-70m-deduped"], nodes=10, edges=100)
    assert needs.model == 140_853_248 + 25_165_824
    assert needs.dictionaries == 19 * 134_350_848
    assert needs.download == 2_718_685_184
    assert needs.disk == needs.download + 10 * 4_000 + 100 * 150
    assert needs.memory == 4 * 70_426_624 + 1_000_000_000  # a dictionary is within its quarter of the budget

    gemma = presets()["gemma-2-2b"]
    assert dictionary_bytes(gemma.entries[-1]) == 4 * (2 * 2304 * 16384 + 2304 + 2 * 16384)
    assert footprint(gemma).memory == 2 * 2_614_341_888 + 750_000_000 + dictionary_bytes(gemma.entries[-1])


def test_the_budget_of_the_estimate_is_that_of_a_run() -> None:
    from circuit_atlas.ingest.budget import Budget

    assert Budget().total == BUDGET
    assert Budget().shelf == BUDGET // SHELF


def test_a_preset_gives_the_settings_that_are_not_given() -> None:
    settings = load_settings(None, {"dictionaries": "gemma-2-2b", "examples": "e.jsonl"})
    assert (settings.model, settings.dtype, settings.batch_size) == ("google/gemma-2-2b", "bfloat16", 8)
    given: dict[str, Any] = {
        "dictionaries": "gemma-2-2b",
        "examples": "e",
        "model": "gemma-2-2b",
        "dtype": "float32",
        "batch_size": 2,
    }
    assert load_settings(None, given) == DiscoverSettings(**given)


def test_a_model_in_a_folder_is_looked_at_later(tmp_path: Path) -> None:
    settings = DiscoverSettings(model=str(tmp_path), dictionaries="gpt2-small", examples="e.jsonl")
    assert settings.model == str(tmp_path)


def refusal(kind: type[AtlasError], call: Any, *arguments: Any) -> str:
    """The one line of a refusal."""
    with pytest.raises(kind) as refused:
        call(*arguments)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_model_by_another_name_is_refused() -> None:
    line = refusal(SettingsError, lambda: DiscoverSettings("gpt2-medium", "gpt2-small", "e.jsonl"))
    assert line.startswith("model is 'gpt2-medium', but the preset gpt2-small is for gpt2")


def test_an_unknown_preset_is_answered_with_the_nearest() -> None:
    assert "did you mean 'gemma-2-2b'?" in refusal(ModelError, demand_preset, "gemma2-2b")
    assert refusal(ModelError, demand_preset, "zzz").endswith(f"there are {', '.join(presets())}")
    line = refusal(SettingsError, load_settings, None, {"dictionaries": "pythia-70m", "examples": "e"})
    assert "did you mean the preset 'pythia-70m-deduped'?" in line


def test_a_folder_of_that_name_is_a_folder(tmp_path: Path) -> None:
    assert find_preset("gpt2-small") is presets()["gpt2-small"]
    (tmp_path / "gpt2-small").mkdir()
    with contextlib.chdir(tmp_path):
        assert find_preset("gpt2-small") is None


GOOD = (FOLDER / "pythia-70m-deduped.toml").read_text(encoding="utf-8")

BROKEN = {
    "no such key": (("batch_size = 16", "batch = 16"), "there is no key 'batch'"),
    "missing": (("d_mlp = 2048\n", ""), "d_mlp is missing"),
    "wrong type": (("d_model = 512", 'd_model = "512"'), "d_model is '512'; it must be of type int"),
    "no hook": (('hook = "blocks.0.hook_resid_pre"', 'hook = "blocks.0.hook_q"'), "'blocks.0.hook_q' is not one"),
    "twice": (("{layer}.hook_mlp_out", "{layer}.hook_attn_out"), "two dictionaries for the site attn_0"),
    "short list": (("d_sae = 32768\n\n[[", "d_sae = []\n\n[["), "list index out of range"),
    "unknown field": (("{layer}-att-sm", "{number}-att-sm"), "number"),
    "other dtype": (('dtype = "float32"', 'dtype = "float16"'), "dtype is 'float16'"),
    "other form": (("batch_size", 'dictionaries = 3\n#'), "Cannot"),
    "not toml": (("[shape]", "[shape"), "Expected"),
    "unknown form of files": (('path = "e-res-sm"', 'format = "zip"'), "format is 'zip'; choose one of saelens"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", BROKEN)
def test_a_broken_preset_file_is_one_line_that_names_it(mistake: str, tmp_path: Path) -> None:
    (old, new), told = BROKEN[mistake]
    assert old in GOOD
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace(old, new))
    line = refusal(ModelError, find_preset, str(path))
    assert line.startswith(f"the preset file {path}")
    assert told in line


def test_a_preset_of_ones_own_is_named_as_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    assert refusal(ModelError, find_preset, str(path)) == f"there is no preset file {path}"
    path.write_text(GOOD)
    found: Preset = read_preset(path)
    assert found.name == "mine"
    assert found.entries == presets()["pythia-70m-deduped"].entries
