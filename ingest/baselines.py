"""What ablated units are set to: means over inputs, zero, or what they are on another input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.sites import Site

_SLICE_NUMBERS = 8_000_000
"""Most numbers in one slice of dense activations."""


class Values(Protocol):
    """Activations and error of every unit of one site."""

    def at(self, here: slice) -> tuple[Tensor, Tensor]:
        """Activations [#batch, #place, d_sae] and error [#batch, #place, d_in] at some positions."""
        ...


@dataclass(frozen=True)
class Baseline:
    """Activations and error at one site, a row a position (or one row for all); of features only those not at zero.

    Attributes:
        starts: where each row's features begin among the next two, and their number.
        unit: feature index of each, row after row.
        value: its activation.
        error: error of each row.
        d_sae: number of features.

    """

    starts: Int[Tensor, " place+1"]
    unit: Int[Tensor, " feature"]
    value: Float[Tensor, " feature"]
    error: Float[Tensor, "place d_in"]
    d_sae: int

    @property
    def acts(self) -> Float[Tensor, "place d_sae"]:
        """All rows, with every feature."""
        return self.at(slice(None))[0]

    def at(self, here: slice) -> tuple[Tensor, Tensor]:
        """Rows of some positions; the one row where there is one for all."""
        places = len(self.error)
        start, stop, _ = (slice(None) if places == 1 else here).indices(places)
        inside = slice(int(self.starts[start]), int(self.starts[stop]))
        acts = self.value.new_zeros(stop - start, self.d_sae)
        acts[self._rows(start, stop), self.unit[inside]] = self.value[inside]
        return acts, self.error[start:stop]

    def decoded(self, dictionary: SparseDictionary) -> Float[Tensor, "place d_in"]:
        """Put both together into the activation that they stand for."""
        rows = self._rows(0, len(self.error))
        return dictionary.reconstruct_few(rows, self.unit, self.value, len(self.error)) + dictionary.bias + self.error

    def _rows(self, start: int, stop: int) -> Int[Tensor, " feature"]:
        counts = self.starts[start + 1 : stop + 1] - self.starts[start:stop]
        return torch.repeat_interleave(torch.arange(stop - start, device=counts.device), counts)


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
    sums = {site: _Sums(dictionaries[site], length) for site in sites}
    count = torch.zeros(length, dtype=torch.float64)
    for some in tokens:
        count[: some.shape[1]] += len(some)
        found = model.activations(some, sites)
        for site in sites:
            sums[site].add(found[site])
    return {site: sums[site].means(count, model.device) for site in sites}


class _Sums:
    """Sums of activations and errors of one site, position by position, of features only those that are ever active."""

    def __init__(self, dictionary: SparseDictionary, length: int) -> None:
        self._dictionary, self._length = dictionary, length
        self._keys, self._acts = torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.float64)
        self._error = torch.zeros(length, dictionary.d_in, dtype=torch.float64)

    def add(self, x: Float[Tensor, "batch pos d_in"]) -> None:
        """Take in the activations of some inputs, a slice of positions at a time."""
        d_sae, reach = self._dictionary.d_sae, min(x.shape[1], self._length)
        step = max(1, _SLICE_NUMBERS // (len(x) * d_sae))
        keys, acts = [self._keys], [self._acts]
        with torch.no_grad():
            for start in range(0, reach, step):
                part = x[:, start : min(start + step, reach)]
                active = self._dictionary.encode(part)
                error = self._dictionary.error(part, active)
                self._error[start : start + part.shape[1]] += error.double().sum(0).cpu()
                total = active.double().sum(0).cpu()
                place, unit = total.nonzero(as_tuple=True)
                keys.append((place + start) * d_sae + unit)
                acts.append(total[place, unit])
        self._keys, self._acts = _pooled(torch.cat(keys), torch.cat(acts))

    def means(self, count: Float[Tensor, " pos"], device: torch.device) -> Baseline:
        """Sums over counts; a position that nothing reached gets the mean over all but the first."""
        d_sae, unseen = self._dictionary.d_sae, (count == 0).nonzero()[:, 0]
        place, divisor = self._keys // d_sae, count.clamp_min(1)
        keys, acts, error = self._keys, self._acts / divisor[place], self._error / divisor[:, None]
        if len(unseen):
            later, others = place > 0, count[1:].sum().clamp_min(1)
            unit, total = _pooled(self._keys[later] % d_sae, self._acts[later] / others)
            keys = torch.cat([keys, (unseen[:, None] * d_sae + unit).flatten()])
            acts = torch.cat([acts, total.repeat(len(unseen))])
            error[unseen] = self._error[1:].sum(0) / others
        starts = torch.searchsorted(keys, torch.arange(len(count) + 1) * d_sae)
        return Baseline(
            starts.to(device), (keys % d_sae).to(device), acts.float().to(device), error.float().to(device), d_sae
        )


def _pooled(keys: Int[Tensor, " row"], values: Float[Tensor, " row"]) -> tuple[Tensor, Tensor]:
    """Distinct keys, ascending, and the sum of the values of each."""
    distinct, inverse = keys.unique(return_inverse=True)
    return distinct, values.new_zeros(len(distinct)).index_add_(0, inverse, values)


def zero_baselines(dictionaries: Mapping[Site, SparseDictionary], sites: Sequence[Site]) -> dict[Site, Baseline]:
    """Zero activations and zero error."""
    found = {}
    for site in sites:
        dictionary = dictionaries[site]
        none = torch.zeros(0, dtype=torch.long, device=dictionary.bias.device)
        error = dictionary.bias.new_zeros(1, dictionary.d_in)
        found[site] = Baseline(none.new_zeros(2), none, dictionary.bias.new_zeros(0), error, dictionary.d_sae)
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
