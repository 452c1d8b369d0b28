"""Dictionaries by name: those of a preset, or all of a release that SAELens knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuit_atlas.errors import ModelError
from circuit_atlas.ingest import hub
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.model_files import quiet
from circuit_atlas.ingest.placement import place
from circuit_atlas.ingest.presets import Entry, Preset, find_preset, presets
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.trained_on import CENTRED, ITSELF, bring_to_model


@dataclass(frozen=True)
class Named:
    """One dictionary that SAELens fetches by name.

    Attributes:
        release: name in SAELens' registry, or a Hugging Face repository.
        id: the dictionary's name there.
        entry: what a preset says of it, where a preset names it.

    """

    release: str
    id: str
    entry: Entry | None = None

    def open(self, model: LanguageModel) -> Any:
        """Load it from the cache, or fetch it, for the model as it is loaded.

        Raises:
            ModelError: it cannot be had, sits elsewhere than the preset says, or does not suit the model.

        """
        from sae_lens import SAE

        repository, files = self.entry.place if self.entry else ("", ())
        try:
            with quiet(), hub.offline(bool(files) and hub.all_cached(repository, files)):
                sae: Any = SAE.from_pretrained(self.release, self.id, device=str(model.device))
        except Exception as error:  # no network, a removed file, a changed format: all end here
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise ModelError(f"the dictionary {self.id} of {self.release} cannot be loaded: {reason[0]}") from error
        prepare(sae, self.site(sae, model), model, self.entry.trained_on if self.entry else None)
        return sae

    def site(self, sae: Any, model: LanguageModel) -> Site:
        """Return where it sits by its own configuration, which must not contradict the preset.

        Raises:
            ModelError: it does, or no site has its hook.

        """
        said = str(sae.cfg.metadata.hook_name)
        site = place(said, model)
        if self.entry and place(self.entry.hook, model).hook_name != site.hook_name:
            raise ModelError(
                f"the dictionary {self.id} of {self.release} was trained at {said}, the preset says {self.entry.hook}"
            )
        return site

    @property
    def source(self) -> str:
        """How the graph names where it came from."""
        return f"{self.release}/{self.id}"


def named(source: str, model: LanguageModel) -> Iterator[Named]:
    """Return the dictionaries that a preset's name or file, or the name of a release, stands for.

    Raises:
        ModelError: it stands for nothing, or for a preset of another model.

    """
    preset = find_preset(source)
    if preset is not None:
        refuse_other_model(preset, model)
        return (Named(entry.release, entry.id, entry) for entry in preset.entries)
    return _of_release(source)


def _of_release(release: str) -> Iterator[Named]:
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

    directory = get_pretrained_saes_directory()
    if release not in directory:
        near = difflib.get_close_matches(release, [*presets(), *directory], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "; circuit-atlas models lists the presets"
        raise ModelError(f"{release!r} is neither a folder of dictionaries, a preset nor a release of SAELens{hint}")
    known = {(e.release, e.id): e for preset in presets().values() for e in preset.entries}
    return (Named(release, id_, known.get((release, id_))) for id_ in directory[release].saes_map)


def refuse_other_model(preset: Preset, model: LanguageModel) -> None:
    """Refuse a model of other sizes than the preset's.

    Raises:
        ModelError: a size differs; the message names it.

    """
    sizes = {"layers": model.n_layers, "width": model.d_model, "vocabulary": model.d_vocab}
    wanted = {"layers": preset.shape.n_layers, "width": preset.shape.d_model, "vocabulary": preset.shape.d_vocab}
    for name, size in sizes.items():
        if size != wanted[name]:
            raise ModelError(
                f"the preset {preset.name} is for {preset.model} ({name} {wanted[name]}), but {model.name} has {name} "
                f"{size}; give that model, or other dictionaries"
            )


def prepare(sae: Any, site: Site, model: LanguageModel, trained_on: str | None = None) -> None:
    """Make a SAELens dictionary as attribution needs it: heads concatenated, for the model as it is, frozen.

    Args:
        sae: the dictionary, changed in place.
        site: where it sits.
        model: the model.
        trained_on: the form of the model that it was trained on; None: as its own configuration says.

    """
    sae.turn_off_forward_pass_hook_z_reshaping()
    bring_to_model(sae, trained_on or _said(sae), site, model)
    sae.requires_grad_(False)
    sae.eval()


def _said(sae: Any) -> str:
    """Form of the model that the configuration names in TransformerLens' words."""
    options = getattr(sae.cfg.metadata, "model_from_pretrained_kwargs", None) or {}
    return CENTRED if options.get("center_writing_weights") else ITSELF


def at_hand(dictionaries: str, model: str) -> AbstractContextManager[None]:
    """Ask no network where all of a preset is in the cache; refuse at once where some is not and there is none.

    Args:
        dictionaries: what the settings name; nothing is done where that is no preset.
        model: the model's name or folder.

    Raises:
        ModelError: something is missing; the message says what to fetch where.

    """
    preset = find_preset(dictionaries)
    if preset is None:
        return nullcontext()
    return hub.offline(_all_cached(preset, dictionaries, with_model=not Path(model).expanduser().is_dir()))


def _all_cached(preset: Preset, source: str, *, with_model: bool) -> bool:
    """Whether all is in the cache; refuse where some is not while the hub does not answer."""
    missing = [entry for entry in preset.entries if not hub.all_cached(*entry.place)]
    complete = not with_model or hub.model_cached(preset.model)
    if complete and not missing:
        return True
    if hub.reachable():
        return False
    dictionaries = f"{len(missing)} of its dictionaries" if len(missing) != 1 else "a dictionary"
    lacks = ([] if complete else ["the model"]) + ([dictionaries] if missing else [])
    command = f"hf download {preset.model}" if not complete else _download(missing[0])
    raise ModelError(
        f"the preset {preset.name} lacks {' and '.join(lacks)} in {hub.cache_folder()}, and the hub does not answer: "
        f"where there is a network, run {command}{' and so on' if len(missing) + (not complete) > 1 else ''} "
        f"(circuit-atlas models {source} lists every file), and copy that cache here"
    )


def _download(entry: Entry) -> str:
    repository, files = entry.place
    return f"hf download {repository} {' '.join(files)}"
