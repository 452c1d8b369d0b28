"""Give freed memory back to the system: the C library keeps it otherwise, and a process holds its peaks forever."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any


@cache
def _trim() -> Any:
    """`malloc_trim` of the GNU C library; None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None


def give_back() -> None:
    """Return what is free on the heap."""
    trim = _trim()
    if trim is not None:
        trim(0)
