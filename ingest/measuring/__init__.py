"""Measurements of a circuit: what the model still does with only some units, or only some edges, left to compute."""

from __future__ import annotations
