"""Names of the metrics and what they read of the examples, without loading torch."""

from __future__ import annotations

import difflib

from circuit_atlas.errors import SettingsError

METRICS = ("logit-difference", "negative-logit", "probability", "log-probability", "loss", "kl")
"""Metrics by name; `auto` chooses, and there are classifiers from files and functions beside them."""

CLASSIFIER = "classifier:"
"""What stands before the file of a classifier."""


def refuse_unknown(name: str) -> None:
    """Refuse a name that no metric has.

    Raises:
        SettingsError: there is none; the nearest is named.

    """
    if name in ("auto", *METRICS) or ":" in name:
        return
    near = difflib.get_close_matches(name, METRICS, n=1)
    raise SettingsError(
        f"there is no metric {name!r}"
        + (f"; did you mean {near[0]!r}?" if near else ": ")
        + ("" if near else f"there are {', '.join(METRICS)}, classifier:FILE, and FILE.py:FUNCTION")
    )


def reads_answers(name: str) -> bool:
    """Whether a metric needs every example to have an answer."""
    return name in ("auto", *METRICS) and name != "kl"
