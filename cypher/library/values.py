"""Values of parameters: the types a header may name, and casts from what a command line gives."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

ParamValue: TypeAlias = str | int | float | bool

CIRCUIT = "circuit"
"""The type of a parameter that names a circuit; a string to the engine."""

PARAM_TYPES = ("string", "integer", "float", "boolean", CIRCUIT)
"""The types a parameter may have."""

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def cast(value: Any, type_name: str) -> ParamValue:
    """Return `value` as the named type, from a string too; numpy scalars become Python's own.

    Raises:
        ValueError: it cannot be one (a fraction is no integer, NaN no float, a truth value no number).

    """
    value = value.item() if hasattr(value, "item") else value
    match type_name:
        case "boolean":
            return _boolean(value)
        case "integer":
            return _integer(value)
        case "float":
            return _float(value)
        case _:
            if not isinstance(value, str):
                raise ValueError(f"{value!r} is no string")
            return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    raise ValueError(f"{value!r} is neither true nor false")


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{value!r} is no integer")
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(f"{value!r} is no integer")
    return int(value)


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{value!r} is no number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no finite number")
    return number
