"""Neurons as a dictionary: each coordinate a feature of its own and no error, so that neuron circuits need no code.

Features are the neurons of MLPs and the head outputs of attention, both before their output projection, and the
coordinates of the residual stream (the neuron circuits of Marks et al., ICLR 2025, section 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.sites import Site, site_from_hook, site_from_name

NEURONS = "neurons"
"""What names it where a folder or a release of dictionaries could stand."""


@dataclass(frozen=True)
class IdentityConfig:
    """What is asked of the configuration of a dictionary."""

    d_in: int
    normalize_activations: str = "none"

    @property
    def d_sae(self) -> int:
        """As many features as coordinates."""
        return self.d_in

    def architecture(self) -> str:
        """Name of its kind."""
        return "identity"


class Identity(nn.Module):
    """The identity in the form of a SAELens dictionary: W_enc = W_dec = 1, no bias, no threshold."""

    W_enc: Tensor
    W_dec: Tensor
    b_dec: Tensor

    def __init__(self, width: int, device: torch.device) -> None:
        """Make one for activations of some width."""
        super().__init__()
        self.cfg = IdentityConfig(width)
        self.register_buffer("W_enc", torch.eye(width, device=device))
        self.register_buffer("W_dec", self.W_enc)
        self.register_buffer("b_dec", torch.zeros(width, device=device))

    def encode(self, x: Tensor) -> Tensor:
        """Activations are the coordinates (heads concatenated)."""
        return x.to(self.W_enc.dtype)

    def decode(self, acts: Tensor) -> Tensor:
        """Coordinates are the activations."""
        return acts


def neuron_sites(model: LanguageModel) -> Iterator[Site]:
    """Sites of neurons in the order of computation."""
    yield site_from_name("embed")
    for layer in range(model.n_layers):
        yield site_from_hook(f"blocks.{layer}.attn.hook_z")
        yield site_from_hook(f"blocks.{layer}.mlp.hook_post")
        yield site_from_name(f"resid_{layer}")
