"""Keys of nodes: built from their parts, so that writing the same thing twice writes it once.

The kind of node is inside every key of a unit, so a feature and an error can never collide.
"""

from __future__ import annotations

from urllib.parse import quote

TARGET = "target"
"""The unit that stands for the metric: the last downstream node of every circuit."""

META = "meta"
"""The key of the one `Meta` node."""


def encode(part: str) -> str:
    """Percent-encode a name that may hold a slash, so that it is one part of a key."""
    return quote(part, safe=" ~.-_")


def model_id(name: str) -> str:
    """Key of a model."""
    return encode(name)


def sae_id(model: str, suite: str, site: str) -> str:
    """Key of the dictionary at `site` of `suite` for the model with key `model`."""
    return f"{model}/{encode(suite)}/{encode(site)}"


def feature_id(sae: str, index: int) -> str:
    """Key of one feature of the dictionary with key `sae`."""
    return f"{sae}/feature/{index}"


def error_id(sae: str) -> str:
    """Key of the error node of the dictionary with key `sae`."""
    return f"{sae}/error"


def circuit_id(model: str, digest: str) -> str:
    """Key of a circuit, from the digest of its settings, model, dictionaries and data."""
    return f"{model}/circuit/{digest}"


def unit(site: str, index: int | None) -> str:
    """Name of a unit inside a circuit: a feature of a site, or its error where `index` is None."""
    return f"{site}/error" if index is None else f"{site}/feature/{index}"


def group(site: str, index: int) -> str:
    """Name of a group of features of a site inside a circuit, from the index of its strongest member."""
    return f"{site}/group/{index}"


def circuit_node_id(circuit: str, unit_name: str, position: int | str | None) -> str:
    """Key of a unit inside a circuit, at a position, at all positions of an encoded role, or (None) at all."""
    return f"{circuit}/{unit_name}/{'*' if position is None else position}"


def measurement_id(circuit: str, task: str, settings_digest: str) -> str:
    """Key of one measurement of a circuit on a task."""
    return f"{circuit}/{encode(task)}/{settings_digest}"


def candidates_id(sae: str, data_digest: str) -> str:
    """Key of what was active at one site on one data set."""
    return f"{sae}/{data_digest}"


def annotation_id(feature: str, author: str, time: str) -> str:
    """Key of what `author` said of a feature at `time` (UTC, ISO 8601)."""
    return f"{feature}/{encode(author)}/{encode(time)}"
