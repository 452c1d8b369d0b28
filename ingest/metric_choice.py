"""Which metric a circuit is about: by name, a classifier from a file, or a function of the user's."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from circuit_atlas.errors import SettingsError
from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.metric_names import CLASSIFIER, refuse_unknown
from circuit_atlas.ingest.metrics import (
    Classifier,
    Divergence,
    LogitDifference,
    Metric,
    NegativeLogit,
    NegativeLogProbability,
    NotLinear,
    Probability,
)
from circuit_atlas.ingest.sites import Site, site_from_name
from circuit_atlas.ingest.tokens import Answers

_MAKE: dict[str, Callable[[], Metric]] = {
    "logit-difference": LogitDifference,
    "negative-logit": NegativeLogit,
    "probability": Probability,
    "log-probability": NegativeLogProbability,
    "loss": lambda: NegativeLogProbability(per_token=True),
    "kl": Divergence,
}


def choose_metric(name: str, *, pairs: bool, model: LanguageModel) -> Metric:
    """Return the metric of that name; `auto` is the logit difference for pairs, else the negative logit.

    Raises:
        SettingsError: there is none, or it does not fit the examples or the model.

    """
    if name == "auto":
        return LogitDifference() if pairs else NegativeLogit()
    if name in _MAKE:
        if name == "logit-difference" and not pairs:
            raise SettingsError("metric is logit-difference, but the examples are single prompts; take negative-logit")
        return _MAKE[name]()
    if name.startswith(CLASSIFIER):
        return _classifier(Path(name.removeprefix(CLASSIFIER)).expanduser(), model)
    refuse_unknown(name)
    return _function(name)


def _classifier(file: Path, model: LanguageModel) -> Classifier:
    """Read `weight` [d] (or [1, d]) and `bias` of a safetensors file whose metadata names the `site`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            names, told = list(opened.keys()), opened.metadata() or {}
            weight = opened.get_tensor("weight").float().flatten()
            bias = float(opened.get_tensor("bias").flatten()[0]) if "bias" in names else 0.0
    except (OSError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SettingsError(f"the classifier {file} cannot be read as safetensors with weight: {reason}") from None
    if "site" not in told:
        raise SettingsError(f"the classifier {file} does not say what it reads: put site, such as resid_2, in metadata")
    site = site_from_name(told["site"])
    if site.layer >= model.n_layers or len(weight) != model.width_at(site):
        raise SettingsError(
            f"the classifier {file} reads {len(weight)} numbers at {site.name}; {model.name} has layers 0 to "
            f"{model.n_layers - 1} of width {model.width_at(site)}"
        )
    return Classifier(site, weight.to(model.device), bias, hashlib.sha256(file.read_bytes()).hexdigest())


@dataclass(frozen=True, eq=False)
class FunctionMetric(NotLinear):
    """A function of the user's: `function(logits [batch, pos, d_vocab], batch)` gives [batch], differentiably."""

    function: Callable[[Tensor, Batch], Any]
    name: str
    sign: str = "positive: moving the unit raises the function"
    last_only: bool = False
    site: Site | None = None
    answers: Answers = "token"

    def __call__(self, output: Float[Tensor, "batch pos d_vocab"], batch: Batch) -> Float[Tensor, " batch"]:
        """Return what the function says of each example.

        Raises:
            SettingsError: the function raises.

        """
        try:
            found: Tensor = self.function(output, batch)
        except torch.OutOfMemoryError:
            raise  # smaller batches are tried
        except Exception as error:  # whatever a user's function raises, its name and reason are what helps
            raise SettingsError(f"the metric {self.name} raises {type(error).__name__}: {error}") from error
        return found


def _function(named: str) -> FunctionMetric:
    """Load `FILE.py:FUNCTION` or `package.module:FUNCTION`; the circuit's name for it holds a digest of its source."""
    place, _, name = named.rpartition(":")
    try:
        module = _module(place)
    except Exception as error:  # a missing file, a syntax error, a failing import: all end here
        raise SettingsError(f"the metric {named!r} cannot be loaded: {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise SettingsError(f"the metric {named!r} cannot be loaded: {place} has no function {name!r}")
    source = hashlib.sha256(inspect.getsource(module).encode()).hexdigest()
    return FunctionMetric(function, f"{Path(place).name}:{name} {source[:8]}")


def _module(place: str) -> Any:
    if not place.endswith(".py"):
        return importlib.import_module(place)
    file = Path(place).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}")
    found = importlib.util.spec_from_file_location(f"metric_{file.stem}", file)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
