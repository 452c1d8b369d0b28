"""Units as whole numbers: component, layer, dictionary row, place and dictionaries packed into 61 bits.

Two units have the same code exactly where they are the same at the level in question, in circuits of the same model and
dictionaries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from circuit_atlas.analysis.graph import Ints
from circuit_atlas.errors import QueryError

if TYPE_CHECKING:
    import pandas as pd

COMPONENTS = ("embed", "attn", "mlp", "resid", "target")

_FEATURE, _PLACE, _COMPONENT, _LAYER, _GROUP = 26, 12, 3, 10, 10
_BITS = (
    ("feature_index", _FEATURE),
    ("place", _PLACE),
    ("component", _COMPONENT),
    ("layer", _LAYER),
    ("group", _GROUP),
)


@dataclass
class Codes:
    """What codes mean; roles are numbered as they are met.

    Attributes:
        level: feature, role or position.
        roles: number of each role, from 1.

    """

    level: str
    roles: dict[str, int] = field(default_factory=dict)

    def encode(self, table: pd.DataFrame, group: Ints, prefix: str = "") -> Ints:
        """Return the code of the unit of each row.

        Args:
            table: columns component, layer, feature_index (-1: none), role and position, with that prefix.
            group: number of the model and dictionaries of each row.
            prefix: of the columns' names.

        Raises:
            QueryError: a number is too large to pack.

        """
        component = table[f"{prefix}component"].map({name: place for place, name in enumerate(COMPONENTS)})
        parts = {
            "feature_index": table[f"{prefix}feature_index"].to_numpy(np.int64) + 1,
            "place": self._places(table, prefix),
            "component": component.to_numpy(np.int64),
            "layer": table[f"{prefix}layer"].to_numpy(np.int64) + 1,
            "group": group,
        }
        code: Ints = np.zeros(len(table), np.int64)
        shift = 0
        for name, bits in _BITS:
            if len(table) and int(parts[name].max()) >= 1 << bits:
                raise QueryError(
                    f"{name} {int(parts[name].max())} is too large to count with: below {1 << bits:,} only"
                )
            code |= parts[name] << shift
            shift += bits
        return code

    def _places(self, table: pd.DataFrame, prefix: str) -> Ints:
        if self.level == "position":
            return table[f"{prefix}position"].to_numpy(np.int64) + 1
        if self.level == "role":
            for role in table[f"{prefix}role"].unique():
                self.roles.setdefault(str(role), len(self.roles) + 1)
            return np.asarray(table[f"{prefix}role"].map(self.roles), np.int64)
        return np.zeros(len(table), np.int64)


def site_of(code: Ints) -> tuple[Ints, Ints]:
    """Return places in `COMPONENTS`, and layers."""
    return part(code, "component"), part(code, "layer") - 1


def feature_of(code: Ints) -> Ints:
    """Return rows in the dictionary; -1 where a unit is no feature."""
    return part(code, "feature_index") - 1


def part(code: Ints, name: str) -> Ints:
    """Return one of the numbers that a code is packed of: feature_index, place, component, layer or group."""
    shift = 0
    for one, bits in _BITS:
        if one == name:
            return (code >> shift) & ((1 << bits) - 1)
        shift += bits
    raise KeyError(name)


def encode_features(component: str, layer: int, feature: Ints) -> Ints:
    """Return codes of features of one site, wherever they are, of the first model and dictionaries."""
    code: Ints = (feature + 1) | (
        COMPONENTS.index(component) << _FEATURE + _PLACE | (layer + 1) << _FEATURE + _PLACE + _COMPONENT
    )
    return code


def site_number(code: Ints) -> Ints:
    """Return a number for the site of each code."""
    number: Ints = code >> _FEATURE + _PLACE
    return number


def anywhere(code: Ints) -> Ints:
    """Return codes without their place: the features themselves."""
    plain: Ints = code & ~(((1 << _PLACE) - 1) << _FEATURE)
    return plain


def place_bits(code: Ints) -> Ints:
    """Return what `anywhere` takes away."""
    bits: Ints = code & (((1 << _PLACE) - 1) << _FEATURE)
    return bits


def without_group(code: Ints) -> Ints:
    """Return codes as of the first model and dictionaries."""
    plain: Ints = code & ((1 << _FEATURE + _PLACE + _COMPONENT + _LAYER) - 1)
    return plain
