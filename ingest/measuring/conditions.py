"""What a measurement depends on beside the circuit: each is stored with it, for each moves the figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Ablation = Literal["mean", "zero", "resample", "patch"]
"""What ablated units are set to: their mean over inputs, zero, their value on another item's clean input, or on the
patch input."""

MeansOver = Literal["clean+patch", "clean", "patch", "none"]
"""Inputs that means are over: with clean and patch together, m(∅) holds no answer; the published code takes patch."""

Errors = Literal["default", "keep", "remove", "nb_remove", "nb_resid_only"]
"""What is done with error units: as the circuit says; all kept or all ablated, in C, ∅ and M∖C alike; or, as the
published notebook does, all (or all but the residual stream's) taken out of C before its complement is formed."""


ActiveSet = Literal["mixed", "clean"]
"""What the TopK dictionaries of nodes that some edges reach choose their active features on: what arrives, the mixed
input; or the clean input, whose choice is then held."""


@dataclass(frozen=True)
class Setting:
    """What runs of one kind share: they can go through the model together.

    Attributes:
        ablation: what ablated units are set to.
        means_over: inputs that the means are over; none where these are not means.
        start_layer: first layer that is ablated; sites before it compute and are not counted.

    """

    ablation: Ablation = "mean"
    means_over: MeansOver = "clean+patch"
    start_layer: int = 0
