"""Presets: a model with dictionaries that fit it, by name; read from TOML without loading torch.

Each file of `preset_files` is one preset, and a file of your own in the same form is used by its path. Its numbers of
layers and widths are those of the published model; they tell needs before anything is downloaded, and a model that
differs from them is refused.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from circuit_atlas.errors import ModelError
from circuit_atlas.ingest.sites import Site, site_from_hook

T = TypeVar("T")

FOLDER = Path(__file__).parent / "preset_files"

TRAINED_ON = ("the model itself", "centred stream", "value biases folded")
"""Forms of one model in which a dictionary was trained; see `trained_on.py`."""

FORMATS = ("saelens", "gemma-scope", "hook-z")
"""Forms of a dictionary's files that SAELens' loaders read."""


@dataclass(frozen=True)
class ModelShape:
    """Numbers of a transformer that tell its parameters.

    Attributes:
        n_layers: blocks.
        d_model: width of the residual stream.
        d_mlp: neurons of one MLP.
        d_vocab: rows of the embedding.
        n_heads: heads of queries.
        n_key_value_heads: heads of keys and values.
        d_head: width of a head.
        n_ctx: longest context.
        norms: norms in one block.
        file_dtype: number type in the published file.
        file_masks: bytes for each entry of a causal mask [n_ctx, n_ctx] that older files hold, one a layer.
        biases: whether linear maps and norms have biases.
        gated_mlp: whether an MLP has a gate.
        tied: whether the unembedding is the embedding.
        learned_positions: whether positions are embedded.

    """

    n_layers: int
    d_model: int
    d_mlp: int
    d_vocab: int
    n_heads: int
    n_key_value_heads: int
    d_head: int
    n_ctx: int
    norms: int
    file_dtype: str
    file_masks: int = 0
    biases: bool = False
    gated_mlp: bool = False
    tied: bool = False
    learned_positions: bool = False


@dataclass(frozen=True)
class Entry:
    """One dictionary of a preset.

    Attributes:
        release: name in SAELens' registry, or a Hugging Face repository (OWNER/NAME) with SAELens folders.
        id: the dictionary's name there.
        hook: hook at which it was trained.
        d_in: width of the activation that it reads.
        d_sae: number of features.
        repository: Hugging Face repository that holds its files; empty: the release is one.
        path: its folder or file there; empty: as `id`.
        format: form of its files: `saelens`, `gemma-scope` (params.npz) or `hook-z` (Kissane et al.).
        l0: mean number of active features, where its publisher says so.
        trained_on: form of the model that it was trained on.

    """

    release: str
    id: str
    hook: str
    d_in: int
    d_sae: int
    repository: str = ""
    path: str = ""
    format: str = FORMATS[0]
    l0: int | None = None
    trained_on: str = TRAINED_ON[0]

    @property
    def site(self) -> Site:
        """Where it sits."""
        return site_from_hook(self.hook)

    @property
    def place(self) -> tuple[str, tuple[str, ...]]:
        """Repository and the files in it that loading reads."""
        path = self.path or self.id
        files = {
            "saelens": (f"{path}/cfg.json", f"{path}/sae_weights.safetensors"),
            "gemma-scope": (f"{path}/params.npz",),
            "hook-z": (path, f"{path.removesuffix('.pt')}_cfg.json"),
        }
        return self.repository or self.release, files[self.format]


@dataclass(frozen=True)
class Preset:
    """A model with dictionaries that fit it.

    Attributes:
        name: the name under which it is used.
        summary: what it is, in a line.
        model: the model's Hugging Face name.
        also: other names of that model.
        dtype: number type of the model, where the settings do not say.
        batch_size: examples that run together, where the settings do not say.
        shape: the model's numbers.
        entries: its dictionaries, in the order of their sites.

    """

    name: str
    summary: str
    model: str
    also: tuple[str, ...]
    dtype: str
    batch_size: int
    shape: ModelShape
    entries: tuple[Entry, ...]

    @property
    def defaults(self) -> dict[str, Any]:
        """Settings that hold where nothing else is said."""
        return {"model": self.model, "dtype": self.dtype, "batch_size": self.batch_size}

    def is_of(self, model: str) -> bool:
        """Whether a name is that of its model."""
        return model.lower() in {self.model.lower(), *(name.lower() for name in self.also)}


@cache
def presets() -> Mapping[str, Preset]:
    """Return the presets that come with the package, by name."""
    return {path.stem: read_preset(path) for path in sorted(FOLDER.glob("*.toml"))}


def find_preset(source: str) -> Preset | None:
    """Return the preset that a name or the path of a TOML file stands for, or None where it stands for something else.

    Raises:
        ModelError: it is the path of a file that is missing or not a preset.

    """
    if source.endswith(".toml"):
        return read_preset(Path(source).expanduser())
    return None if Path(source).expanduser().is_dir() else presets().get(source)


def demand_preset(name: str) -> Preset:
    """Return the preset of that name or path.

    Raises:
        ModelError: there is none; the message suggests the nearest.

    """
    found = find_preset(name)
    if found is None:
        near = difflib.get_close_matches(name, presets(), n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(presets())}"
        raise ModelError(f"there is no preset {name!r}; {hint}")
    return found


def read_preset(path: Path) -> Preset:
    """Read one preset; it is named as its file is.

    Raises:
        ModelError: the file is missing or broken; the message says what is wrong where.

    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"there is no preset file {path}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelError(f"the preset file {path} cannot be read: {error}") from None
    try:
        return _preset(path.stem, content)
    except (TypeError, ValueError, LookupError, AttributeError, ModelError) as error:
        reason = error.args[0] if isinstance(error, KeyError) else error
        raise ModelError(f"the preset file {path} is not in the form of a preset: {reason}") from None


def _preset(name: str, content: dict[str, Any]) -> Preset:
    entries = [entry for group in content.pop("dictionaries") for entry in _entries(group)]
    shape = _typed(ModelShape, content.pop("shape"))
    also = tuple(content.pop("also", ()))
    preset = _typed(Preset, {**content, "name": name, "also": also, "shape": shape, "entries": tuple(_sorted(entries))})
    if preset.dtype not in ("float32", "bfloat16"):
        raise ValueError(f"dtype is {preset.dtype!r}; choose float32 or bfloat16")
    return preset


def _sorted(entries: list[Entry]) -> list[Entry]:
    sites = [entry.site.name for entry in entries]
    twice = sorted({site for site in sites if sites.count(site) > 1})
    if twice:
        raise ValueError(f"two dictionaries for the site {twice[0]}")
    return sorted(entries, key=lambda entry: entry.site)


def _entries(group: dict[str, Any]) -> Iterator[Entry]:
    """Write out a group: with `layers`, one dictionary for each; a list has one value for each."""
    layers = group.pop("layers", None)
    for layer in range(1 if layers is None else layers):
        one = {key: value[layer] if isinstance(value, list) else value for key, value in group.items()}
        placed = {
            key: str(one[key]).format(layer=layer, l0=one.get("l0")) for key in ("id", "hook", "path") if key in one
        }
        entry = _typed(Entry, one | placed)
        for key, choices in (("trained_on", TRAINED_ON), ("format", FORMATS)):
            if getattr(entry, key) not in choices:
                raise ValueError(f"{key} is {getattr(entry, key)!r}; choose one of {', '.join(choices)}")
        yield entry


def _typed(kind: type[T], values: dict[str, Any]) -> T:
    """Build a dataclass from values of a file, whose names and types must be those of its fields."""
    declared = {field.name: str(field.type) for field in fields(cast(Any, kind))}
    for key, value in values.items():
        if key not in declared:
            raise ValueError(f"there is no key {key!r}; known are {', '.join(declared)}")
        if declared[key] in ("int", "str", "bool", "int | None") and type(value).__name__ not in declared[key]:
            raise ValueError(f"{key} is {value!r}; it must be of type {declared[key].removesuffix(' | None')}")
    missing = [f.name for f in fields(cast(Any, kind)) if f.name not in values and f.default is MISSING]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    return kind(**values)
