"""Load a suite of SAELens dictionaries: a folder with one subfolder a site, a preset, or a release of SAELens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from circuit_atlas.errors import ModelError
from circuit_atlas.ingest.budget import Budget
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.heap import give_back
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.model_files import quiet
from circuit_atlas.ingest.neurons import NEURONS, Identity, neuron_sites
from circuit_atlas.ingest.placement import place
from circuit_atlas.ingest.releases import named, prepare
from circuit_atlas.ingest.shelf import Shelf
from circuit_atlas.ingest.sites import Site, site_from_name


@dataclass(frozen=True)
class Suite:
    """The dictionaries of one model, in the order of their sites; sites may be missing.

    Attributes:
        name: name in the graph.
        dictionaries: one for each site that has one.

    """

    name: str
    dictionaries: Mapping[Site, SparseDictionary]

    @property
    def sites(self) -> tuple[Site, ...]:
        """Sites with a dictionary, in the order of computation."""
        return tuple(sorted(self.dictionaries))


def load_suite(source: str, model: LanguageModel, *, name: str = "", budget: Budget | None = None) -> Suite:
    """Load the dictionaries in a folder, of a preset, or of a SAELens release, that fit the model; or its neurons.

    Each is opened once, checked and digested; after that as many stay open as the budget allows.

    Raises:
        ModelError: none is there, one cannot be loaded, or one does not fit the model (its site is named).

    """
    folder = Path(source).expanduser()
    shelf = Shelf((budget or Budget()).shelf)
    if folder.is_dir():
        found = _from_folder(folder, model, shelf)
    else:
        found = _neurons(model, shelf) if source == NEURONS else _by_name(source, model, shelf)
    dictionaries: dict[Site, SparseDictionary] = {}
    for dictionary in found:
        if dictionary.site in dictionaries:
            raise ModelError(f"{source} has two dictionaries for the site {dictionary.site.name}")
        _refuse_misfit(dictionary, model)
        dictionaries[dictionary.site] = dictionary
    give_back()  # what checking them took
    if not dictionaries:
        raise ModelError(f"{source} holds no dictionaries: no subfolder has cfg.json and sae_weights.safetensors")
    return Suite(name or _name(source, folder), dict(sorted(dictionaries.items())))


def _name(source: str, folder: Path) -> str:
    if folder.is_dir():
        return folder.resolve().name
    return folder.stem if folder.suffix == ".toml" else source


def _refuse_misfit(dictionary: SparseDictionary, model: LanguageModel) -> None:
    if dictionary.site.layer >= model.n_layers:
        raise ModelError(
            f"there is a dictionary for {dictionary.site.name}, but {model.name} has layers 0 to {model.n_layers - 1}"
        )
    if dictionary.d_in != model.width_at(dictionary.site):
        raise ModelError(
            f"the dictionary at {dictionary.site.name} is for activations of width {dictionary.d_in}, "
            f"but {model.name} has width {model.width_at(dictionary.site)}" + (" there" if dictionary.site.is_z else "")
        )
    dictionary.check()
    _ = dictionary.weights_digest, dictionary.size  # now, while it is open


def _from_folder(folder: Path, model: LanguageModel, shelf: Shelf) -> Iterator[SparseDictionary]:
    for cfg in sorted(folder.glob("*/cfg.json")):
        site = _site_of(cfg.parent, _configuration(cfg.parent), model)
        yield SparseDictionary(site, _kept(shelf, partial(_load_one, cfg.parent, site, model)), str(cfg.parent))


def _neurons(model: LanguageModel, shelf: Shelf) -> Iterator[SparseDictionary]:
    for site in neuron_sites(model):
        opened = _kept(shelf, partial(Identity, model.width_at(site), model.device))
        yield SparseDictionary(site, opened, NEURONS)


def _kept(shelf: Shelf, load: Callable[[], Any]) -> Callable[[], Any]:
    """Open through the shelf; the function itself is the key, for each dictionary has its own."""
    return lambda: shelf.take(load, load)


def _load_one(folder: Path, site: Site, model: LanguageModel) -> Any:
    from sae_lens import SAE

    try:
        with quiet():
            sae: Any = SAE.load_from_disk(folder, device=str(model.device), dtype="float32")
    except Exception as error:  # whatever a broken file raises, the user needs its folder and the reason in one line
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(f"the dictionary in {folder} cannot be loaded: {reason}") from error
    prepare(sae, site, model)
    return sae


def _configuration(folder: Path) -> dict[str, Any]:
    """Read `cfg.json` and refuse what attribution has no meaning for."""
    file = folder / "cfg.json"
    try:
        cfg: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} cannot be read: {error}") from None
    if not isinstance(cfg, dict):
        raise ModelError(f"{file} holds no JSON object, so it is no configuration that SAELens has written")
    if not isinstance(cfg.get("metadata") or {}, dict):
        raise ModelError(
            f"{file}: metadata is {cfg['metadata']!r}, and must be a JSON object, such as one of hook_name"
        )
    kind = str(cfg.get("architecture", ""))
    if "transcoder" in kind or "crosscoder" in kind:
        raise ModelError(
            f"{folder} holds a {kind}: it reads one site and writes another; only dictionaries that reconstruct what "
            "they read can be used"
        )
    _refuse_training_form(file, kind)
    if "topk" in kind:
        _refuse_k(file, kind, cfg)
    return cfg


def _refuse_training_form(file: Path, kind: str) -> None:
    """Refuse what SAELens has only while it trains, and kinds that it does not know."""
    from sae_lens.registry import SAE_CLASS_REGISTRY, SAE_TRAINING_CLASS_REGISTRY

    if kind in SAE_TRAINING_CLASS_REGISTRY and kind not in SAE_CLASS_REGISTRY:
        raise ModelError(
            f"{file} says {kind}, the form in which a dictionary is trained; save it for inference with SAELens' "
            "save_inference_model, and give that folder"
        )
    if kind and kind not in SAE_CLASS_REGISTRY:
        raise ModelError(f"{file} says {kind!r}, and SAELens knows {', '.join(sorted(SAE_CLASS_REGISTRY))}")


def _refuse_k(file: Path, kind: str, cfg: Mapping[str, Any]) -> None:
    if "k" not in cfg:
        raise ModelError(f"{file} says {kind} but no k: how many features may fire?")
    k, width = cfg["k"], cfg.get("d_sae")
    if not isinstance(k, int) or isinstance(k, bool) or k < 1 or (isinstance(width, int) and k > width):
        raise ModelError(f"{file}: k is {json.dumps(k)}; it must be a whole number from 1 to d_sae, which is {width}")


def _site_of(folder: Path, cfg: Mapping[str, Any], model: LanguageModel) -> Site:
    """Site by the hook that the configuration names; by the folder's name where it names none."""
    hook = (cfg.get("metadata") or {}).get("hook_name") or cfg.get("hook_name")
    try:
        return place(hook, model) if hook else site_from_name(folder.name)
    except ModelError as error:
        raise ModelError(f"the dictionary in {folder} has no place: {error}") from None


def _by_name(source: str, model: LanguageModel, shelf: Shelf) -> Iterator[SparseDictionary]:
    for one in named(source, model):
        opened = _kept(shelf, partial(one.open, model))
        site = place(one.entry.hook, model) if one.entry else one.site(opened(), model)
        yield SparseDictionary(site, opened, one.source)
