"""Patterns of units along a chain of edges, such as `feature attn feature` or `resid@subject attn_1 any@verb`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuit_atlas.analysis.graph import CircuitGraph
from circuit_atlas.analysis.structure.sites import places, site_name
from circuit_atlas.errors import QueryError

MOST_STEPS = 12
_STEP = re.compile(r"(?P<what>[a-z]+(?:_\d+)?)(?P<error>/error)?(?:@(?P<place>.+))?")
_COMPONENTS = ("embed", "attn", "mlp", "resid")
_FORM = (
    "a step is any, feature, error, target, embed, attn, mlp, resid or a site such as attn_1; with /error, with @ROLE"
)


@dataclass(frozen=True)
class Step:
    """One step of a pattern.

    Attributes:
        what: any, feature, error, target, a component, or a site.
        error: whether a component or site means its errors; else it means its features.
        place: role, or position, that it must have; None for any.

    """

    what: str
    error: bool = False
    place: str | None = None

    def among(self, graph: CircuitGraph) -> NDArray[np.bool_]:
        """Say of each node whether it fits the step."""
        kind = graph.nodes["kind"].to_numpy()
        fits: NDArray[np.bool_]
        if self.what in ("feature", "error", "target"):
            fits = np.isin(kind, ("feature", "group")) if self.what == "feature" else kind == self.what
        elif self.what == "any":
            fits = np.ones(len(kind), bool)
        else:
            component = graph.nodes["component"]
            sites = [site_name(*site) for site in zip(component, graph.nodes["layer"], strict=True)]
            named = component.to_numpy() if self.what in _COMPONENTS else np.array(sites, object)
            fits = (named == self.what) & ((kind == "error") == self.error)
        if self.place is not None:
            fits = fits & (np.array(places(graph.nodes), object) == self.place)
        return fits


def parse_pattern(text: str) -> Sequence[Step]:
    """Read a pattern: steps apart by spaces, commas, `>` or `→`.

    Raises:
        QueryError: a step is none that is known, or there are fewer than 2 or more than `MOST_STEPS`.

    """
    steps = [_step(word) for word in re.split(r"[\s,>→]+", text.strip()) if word]
    if not 2 <= len(steps) <= MOST_STEPS:
        raise QueryError(f"pattern {text!r} has {len(steps)} steps; give 2 to {MOST_STEPS}, such as 'resid attn resid'")
    return steps


def _step(word: str) -> Step:
    match = _STEP.fullmatch(word)
    what = match["what"] if match else ""
    component, site, layer = what.partition("_")
    known = component in _COMPONENTS if not site else component in _COMPONENTS[1:] and layer.isdigit()
    bare = what in ("any", "feature", "error", "target")
    if match is None or not (known or bare) or (bare and match["error"]):
        raise QueryError(f"{word!r} is no step of a pattern: {_FORM}")
    return Step(what, bool(match["error"]), match["place"])
