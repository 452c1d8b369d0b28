"""What ablated units are set to: means over inputs, zero, or what they are on another input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.sites import Site


class Values(Protocol):
    """Activations and error of every unit of one site."""

    def at(self, here: slice) -> tuple[Tensor, Tensor]:
        """Activations [#batch, #place, d_sae] and error [#batch, #place, d_in] at some positions."""
        ...


@dataclass(frozen=True)
class Baseline:
    """Activations and error at one site, a row a position (or one row for all)."""

    acts: Float[Tensor, "place d_sae"]
    error: Float[Tensor, "place d_in"]

    def at(self, here: slice) -> tuple[Tensor, Tensor]:
        """Rows of some positions; the one row where there is one for all."""
        return (self.acts, self.error) if len(self.acts) == 1 else (self.acts[here], self.error[here])

    def decoded(self, dictionary: SparseDictionary) -> Float[Tensor, "place d_in"]:
        """Put both together into the activation that they stand for."""
        return dictionary.reconstruct(self.acts) + dictionary.bias + self.error


@dataclass(frozen=True)
class OtherInput:
    """What the units of one site are on another input, encoded as they are wanted."""

    dictionary: SparseDictionary
    x: Float[Tensor, "batch pos d_in"]

    def at(self, here: slice) -> tuple[Tensor, Tensor]:
        """Activations and error of each example at some positions."""
        acts = self.dictionary.encode(self.x[:, here])
        return acts, self.dictionary.error(self.x[:, here], acts)


def other_input(
    model: LanguageModel, dictionaries: Mapping[Site, SparseDictionary], sites: Sequence[Site], tokens: Tensor
) -> dict[Site, OtherInput]:
    """What every unit is on other inputs [batch, pos], one for each example."""
    found = model.activations(tokens, sites)
    return {site: OtherInput(dictionaries[site], found[site]) for site in sites}


def mean_baselines(
    model: LanguageModel,
    dictionaries: Mapping[Site, SparseDictionary],
    sites: Sequence[Site],
    tokens: Sequence[Tensor],
    length: int,
) -> dict[Site, Baseline]:
    """Means at each of `length` positions over those of `tokens` (each [batch, pos]) that reach it.

    Position by position, for the first token's activations are unlike all others. A position that no input reaches gets
    the mean over all but the first.
    """
    acts = {site: torch.zeros(length, dictionaries[site].d_sae, dtype=torch.float64) for site in sites}
    errors = {site: torch.zeros(length, dictionaries[site].d_in, dtype=torch.float64) for site in sites}
    count = torch.zeros(length, 1, dtype=torch.float64)
    for some in tokens:
        reach = min(some.shape[1], length)
        count[:reach] += len(some)
        found = model.activations(some, sites)
        for site in sites:
            with torch.no_grad():
                active = dictionaries[site].encode(found[site])
                error = dictionaries[site].error(found[site], active)
            acts[site][:reach] += active.double().sum(0).cpu()[:reach]
            errors[site][:reach] += error.double().sum(0).cpu()[:reach]
    device = model.device
    return {site: Baseline(*(_mean(t[site], count).to(device) for t in (acts, errors))) for site in sites}


def _mean(total: Tensor, count: Tensor) -> Float[Tensor, "pos width"]:
    mean = total / count.clamp_min(1)
    unseen = count[:, 0] == 0
    mean[unseen] = total[1:].sum(0) / count[1:].sum().clamp_min(1)
    return mean.float()


def zero_baselines(dictionaries: Mapping[Site, SparseDictionary], sites: Sequence[Site]) -> dict[Site, Baseline]:
    """Zero activations and zero error."""
    found = {}
    for site in sites:
        zeros = dictionaries[site].bias.new_zeros
        found[site] = Baseline(zeros(1, dictionaries[site].d_sae), zeros(1, dictionaries[site].d_in))
    return found


def inputs(batches: Sequence[Batch]) -> list[Tensor]:
    """Token ids [batch, pos] of the clean and patch inputs of some batches."""
    return [tokens for batch in batches for tokens in (batch.clean, batch.patch) if tokens is not None]


class MeanBaselines:
    """Means over those inputs that are as long as the batch to be ablated.

    Templates of one length share their roles, so a mean at one position is a mean of one thing; where no input is as
    long, the means are over all that reach the position.
    """

    def __init__(
        self,
        model: LanguageModel,
        dictionaries: Mapping[Site, SparseDictionary],
        sites: Sequence[Site],
        tokens: Sequence[Tensor],
    ) -> None:
        self._model, self._dictionaries, self._sites, self._tokens = model, dictionaries, sites, tokens
        self._found: dict[int, dict[Site, Baseline]] = {}

    def of_length(self, length: int) -> dict[Site, Baseline]:
        """Return the baselines of every site for inputs of `length` tokens."""
        if length not in self._found:
            alike = [t for t in self._tokens if t.shape[1] == length] or self._tokens
            self._found[length] = mean_baselines(self._model, self._dictionaries, self._sites, alike, length)
        return self._found[length]
