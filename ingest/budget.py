"""How much runs at once: what fits a memory budget, told from what one sequence costs on this very model.

The budget is for what comes beside the model's weights: a quarter for open dictionaries, a quarter for what node
effects leave for edges, half for running. One sequence costs what autograd keeps of its run, measured once a length.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from circuit_atlas.errors import SettingsError
from circuit_atlas.ingest.heap import give_back
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.sites import Site

DEFAULT = 1.0
"""Gigabytes on a CPU: more does not make runs faster there."""

_SHARE_OF_GPU = 0.8
_ROWS, _TOKENS = 256, 8_192
"""Most sequences and tokens at once: matrix products are at full speed long before."""

_WORKING = 1.5
"""What a run takes beside what it keeps: gradients on their way back, and the logits."""


@dataclass(frozen=True)
class Cost:
    """Bytes that autograd keeps of one sequence's run: all of it, and the largest single part."""

    kept: int
    largest: int


@dataclass(frozen=True)
class Budget:
    """Bytes that work may take beside the model's weights."""

    total: int = int(DEFAULT * 1e9)

    @classmethod
    def of(cls, gigabytes: float, device: torch.device) -> Budget:
        """Return a budget of so many GB; 0: what suits the device."""
        if gigabytes:
            return cls(int(gigabytes * 1e9))
        if device.type == "cuda":
            return cls(int(_SHARE_OF_GPU * torch.cuda.mem_get_info(device)[0]))
        return cls()

    @property
    def shelf(self) -> int:
        """Bytes of dictionaries that stay open."""
        return self.total // 4

    @property
    def states(self) -> int:
        """Bytes kept between node effects and edges."""
        return self.total // 4

    @property
    def work(self) -> int:
        """Bytes that runs may take."""
        return self.total // 2

    def rows(self, model: LanguageModel, length: int) -> int:
        """How many sequences of `length` tokens run at once with gradients.

        Raises:
            SettingsError: not even one fits; the message says what it needs.

        """
        one = int(_WORKING * cost(model, length).kept)
        if one > self.work:
            raise SettingsError(
                f"memory is {self.total / 1e9:.2g} GB, but one prompt of {length} tokens needs {2 * one / 1e9:.2g} GB: "
                "set memory to that, or shorten the prompts"
            )
        return max(1, min(self.work // max(1, one), _ROWS, _TOKENS // length))

    def batch(self, model: LanguageModel, length: int, wanted: int) -> int:
        """How many examples of `length` tokens make a batch: at most those wanted, and half of what could run."""
        return max(1, min(wanted, (self.rows(model, length) + 1) // 2))

    def is_large(self, model: LanguageModel, examples: int, length: int) -> bool:
        """Whether one run of a batch takes so much that what it frees had better be given back at once."""
        return 4 * examples * cost(model, length).kept > self.work

    def cotangents(self, model: LanguageModel, examples: int, length: int, numbers: int) -> int:
        """How many products of cotangents run at once, each over `examples` sequences."""
        run = cost(model, length)
        left, one = self.work - examples * run.kept, 4 * examples * run.largest
        return max(1, min(numbers // (examples * length * model.d_model), left // max(1, one)))


def cost(model: LanguageModel, length: int) -> Cost:
    """Measure one sequence of `length` tokens; remembered by the model."""
    if length not in model.costs:
        model.costs[length] = _measured(model, length)
        give_back()
    found: Cost = model.costs[length]
    return found


def _measured(model: LanguageModel, length: int) -> Cost:
    weights = {p.untyped_storage().data_ptr() for p in model.bridge.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # an output that its own node saved would keep both alive for ever

    tokens = torch.zeros(1, length, dtype=torch.long, device=model.device)
    leaf = torch.zeros(1, device=model.device, requires_grad=True)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        model.run(tokens, {Site(-1, 0): lambda x: x + leaf.to(x.dtype)}, last=True)
    return Cost(sum(kept.values()), max(kept.values(), default=0))
