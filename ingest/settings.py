"""Settings of discovery: one frozen object, from keywords, command-line options or a TOML file."""

from __future__ import annotations

import dataclasses
import difflib
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from circuit_atlas.errors import SettingsError
from circuit_atlas.ingest.metric_names import refuse_unknown
from circuit_atlas.ingest.presets import Preset, find_preset, presets

_NOT_NEGATIVE = (
    "n_examples",
    "n_held_out",
    "exact_nodes",
    "exact_node_sample",
    "exact_edges",
    "exact_sample",
    "exact_examples",
    "node_floor",
    "edge_floor",
    "measure_thresholds",
    "random_circuits",
    "start_layer",
    "memory",
)


@dataclass(frozen=True)
class DiscoverSettings:
    """Everything that decides a circuit, apart from the files' content.

    Raises:
        SettingsError: a value is out of its range; the message names the setting.

    """

    model: str
    """Folder of a Hugging Face checkpoint, or a TransformerLens model name; a preset's where `dictionaries` is one."""

    dictionaries: str
    """Folder of SAELens dictionaries (one subfolder a site), a preset (`circuit-atlas models` lists them; or its TOML
    file), the name of a SAELens release, or neurons: every neuron a feature of its own."""

    examples: str
    """JSON lines: `clean_prefix`, `clean_answer` and, for pairs, `patch_prefix`, `patch_answer`; a list of answers is
    a set of right ones."""

    task: str = ""
    """Name of the behaviour, such as `sva/nounpp`; empty: the name of the examples file."""

    held_out: str = ""
    """JSON lines that faithfulness is measured on; empty: `held_out_share` of the examples."""

    held_out_share: float = 0.25
    """Share of the examples kept for measuring where `held_out` is empty."""

    n_examples: int = 64
    """Most examples to attribute over, sampled with `seed`; 0: all."""

    n_held_out: int = 64
    """Most held-out examples to measure on, sampled with `seed`; 0: all."""

    method: Literal["atp", "ig", "exact"] = "ig"
    """Node effects: attribution patching, integrated gradients, or each unit patched by itself."""

    steps: int = 10
    """Steps of `ig`."""

    rule: Literal["left", "midpoint", "gauss-legendre"] = "left"
    """Points of `ig`: left is 0, 1/N, …, (N-1)/N, as the published code; the others are nearer to the integral."""

    metric: str = "auto"
    """What effects are effects on: logit-difference, negative-logit, probability, log-probability (of whole answers),
    loss, kl (divergence from clean), classifier:FILE (a linear one, on activations), or FILE.py:FUNCTION, a function
    of logits and batch; auto: the logit difference for pairs, else the negative logit."""

    positions: Literal["keep", "sum", "role"] = "keep"
    """A node per token position (all examples equally long), one node for all, or one per role, which aligns templates
    of unequal length (every example names the role of each token)."""

    selection: Literal["mean", "per-example"] = "mean"
    """Which nodes take part: by their mean effect, or example by example as the published code does."""

    outer_gradient: Literal["clean", "ig"] = "clean"
    """Gradient of the metric at the downstream end of an edge."""

    jacobian: Literal["clean", "patch", "path"] = "clean"
    """Where the direct dependence between two nodes is taken: on clean, on patch, or averaged on the way."""

    ablation: Literal["auto", "patch", "zero", "mean", "resample"] = "auto"
    """What a unit is set to: its value on the patch input, zero, its mean over the data, or its value on another
    example; auto: patch for pairs, zero for single prompts."""

    exact_nodes: int = 0
    """How many of the strongest nodes are also measured by intervention, each patched alone."""

    exact_node_sample: int = 0
    """How many nodes drawn from the other stored ones are also measured by intervention."""

    exact_edges: int = 0
    """How many of the strongest edges are also measured by intervention."""

    exact_sample: int = 0
    """How many edges drawn from the other stored ones are also measured by intervention."""

    exact_examples: int = 0
    """Examples that exact effects of nodes and edges are averaged over, the first of the data; 0: all."""

    node_floor: float = 0.0
    """Absolute effect from which a node is stored (units of the metric); 0: chosen so that `max_nodes` remain."""

    edge_floor: float = 0.0
    """Absolute weight from which an edge is stored (units of the metric); 0: chosen so that `max_edges` remain."""

    max_nodes: int = 1_000
    """Most nodes to store."""

    max_edges: int = 20_000
    """Most edges to store."""

    edge_values: Literal["mean", "examples"] = "mean"
    """What is stored of edges: the mean weight, or the weight on every example beside it (for bootstraps)."""

    measure_thresholds: int = 5
    """At how many node thresholds faithfulness and completeness are measured; 0: none."""

    random_circuits: int = 20
    """Random circuits measured beside each of these, with the same errors; beside those without errors, 5 at most."""

    start_layer: int = 0
    """First layer that is ablated when measuring; sites before it are given for free."""

    batch_size: int = 16
    """Examples that run together."""

    memory: float = 0.0
    """Gigabytes that the work of a process may take beside the model's weights; 0: 1 on a CPU, most of what is free
    on a GPU."""

    device: str = "cpu"
    """Torch device: cpu, cuda, cuda:1, mps. Several with commas between (cuda:0,cuda:1) share the examples, a process
    each; the first also does what is not shared."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number type of the model."""

    seed: int = 0
    """Seed of sampling and of random circuits."""

    model_id: str = ""
    """Name of the model in the graph; empty: the folder's or model's own name."""

    suite: str = ""
    """Name of the set of dictionaries in the graph; empty: the folder's or release's own name."""

    name: str = ""
    """Name of the circuit for people; empty: the task and the start of its digest."""

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for field, kind in get_type_hints(type(self)).items():
            value = getattr(self, field)
            if get_origin(kind) is Literal and value not in get_args(kind):
                raise SettingsError(f"{field} is {value!r}; choose one of {', '.join(get_args(kind))}")
            if kind is float and not math.isfinite(value):
                raise SettingsError(f"{field} is {value}; it must be a finite number")
        for field in ("model", "dictionaries", "examples"):
            if not getattr(self, field):
                raise SettingsError(f"{field} is not given; name it as an option or in the settings file")
        for field, least in (("steps", 1), ("batch_size", 1), ("max_nodes", 1), ("max_edges", 0)):
            if getattr(self, field) < least:
                raise SettingsError(f"{field} is {getattr(self, field)}; it must be at least {least}")
        for field in _NOT_NEGATIVE:
            if getattr(self, field) < 0:
                raise SettingsError(f"{field} is {getattr(self, field)}; it must not be negative")
        if not all(self.devices):
            raise SettingsError(f"device is {self.device!r}; name one, or several with a comma between each two")
        refuse_unknown(self.metric)
        if self.metric == "kl" and (self.method == "atp", self.outer_gradient, self.jacobian) != (False, "ig", "path"):
            raise SettingsError(
                "metric kl is flat at clean: set outer_gradient to ig, jacobian to path, method not atp"
            )
        if not 0.0 <= self.held_out_share < 1.0:
            raise SettingsError(f"held_out_share is {self.held_out_share}; it must be at least 0 and below 1")
        _refuse_other_model(self.model, find_preset(self.dictionaries))

    @property
    def devices(self) -> tuple[str, ...]:
        """Devices that share the examples, a process each."""
        return tuple(name.strip() for name in self.device.split(","))


FIELDS: dict[str, dataclasses.Field[Any]] = {f.name: f for f in dataclasses.fields(DiscoverSettings)}


def load_settings(path: Path | None, overrides: dict[str, Any]) -> DiscoverSettings:
    """Build settings from a TOML file (if any) and overrides, which win; paths in the file are relative to it.

    Raises:
        SettingsError: the file is missing or broken, or a setting is unknown or ill-typed.

    """
    values = {} if path is None else _read(path)
    values.update(overrides)
    for key, value in values.items():
        _refuse_ill_typed(key, value)
    values = _completed(values)
    for required in ("model", "dictionaries", "examples"):
        values.setdefault(required, "")
    return DiscoverSettings(**values)


def _refuse_other_model(model: str, preset: Preset | None) -> None:
    """Refuse a model by name that is not the preset's; a folder is looked at when it is loaded."""
    if preset is not None and not preset.is_of(model) and not Path(model).expanduser().is_dir():
        raise SettingsError(
            f"model is {model!r}, but the preset {preset.name} is for {preset.model}: leave model out, or give a "
            "folder that holds that model"
        )


def _completed(values: dict[str, Any]) -> dict[str, Any]:
    """Take what is not given from the preset that `dictionaries` names, where it names one."""
    source = values.get("dictionaries", "")
    preset = find_preset(source)
    if preset is None and source and not values.get("model") and not Path(source).expanduser().is_dir():
        near = difflib.get_close_matches(source, presets(), n=1, cutoff=0.4)
        hint = f"did you mean the preset {near[0]!r}?" if near else "circuit-atlas models lists the presets"
        raise SettingsError(f"model is not given, and dictionaries {source!r} is no preset that names one; {hint}")
    given = {name: value for name, value in values.items() if name != "model" or value}
    return (preset.defaults if preset else {}) | given


def _read(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"there is no settings file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"the settings file {path} is not TOML: {error}") from None
    for key in ("model", "dictionaries", "examples", "held_out"):
        beside = path.parent / str(values.get(key, ""))
        if values.get(key) and beside.exists():
            values[key] = str(beside)
    return values


def _refuse_ill_typed(key: str, value: object) -> None:
    if key not in FIELDS:
        near = difflib.get_close_matches(key, FIELDS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise SettingsError(f"there is no setting {key!r}{hint}")
    kind = get_type_hints(DiscoverSettings)[key]
    wanted: type = str if get_origin(kind) is Literal else kind
    fits = isinstance(value, (int, float) if wanted is float else wanted) and not isinstance(value, bool)
    if not fits:
        raise SettingsError(f"{key} is {value!r}; it must be of type {wanted.__name__}")
