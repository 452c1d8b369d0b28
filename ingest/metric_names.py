"""Names of the metrics and what they read of the examples, without loading torch."""

from __future__ import annotations

METRICS = ("logit-difference", "negative-logit", "probability", "log-probability", "loss", "kl")
"""Metrics by name; `auto` chooses, and there are classifiers from files and functions beside them."""

CLASSIFIER = "classifier:"
"""What stands before the file of a classifier."""


def reads_answers(name: str) -> bool:
    """Whether a metric needs every example to have an answer."""
    return name in ("auto", *METRICS) and name != "kl"
