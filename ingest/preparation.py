"""Everything a discovery works on: the subject, and the examples in batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from circuit_atlas.errors import SettingsError
from circuit_atlas.ingest.ablation import ablated_sites
from circuit_atlas.ingest.batches import Batch, TokenExample, batches, demand_context, demand_unequal_answers
from circuit_atlas.ingest.budget import Budget
from circuit_atlas.ingest.data import Data, to_tokens
from circuit_atlas.ingest.dictionary_files import Suite, load_suite
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.metric_choice import choose_metric
from circuit_atlas.ingest.metrics import Divergence, LogitDifference
from circuit_atlas.ingest.model_files import load_model
from circuit_atlas.ingest.releases import at_hand
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.sites import Site
from circuit_atlas.ingest.subject import Subject
from circuit_atlas.ingest.texts import Texts


@dataclass(frozen=True)
class Loaded:
    """A model with its dictionaries, to be used for several tasks."""

    model: LanguageModel
    suite: Suite


def load(settings: DiscoverSettings) -> Loaded:
    """Load the model and the dictionaries that the settings name.

    Raises:
        ModelError: one is missing, broken, or does not fit the other.

    """
    with at_hand(settings.dictionaries, settings.model):
        model = load_model(settings.model, name=settings.model_id, device=settings.devices[0], dtype=settings.dtype)
        budget = Budget.of(settings.memory, model.device)
        return Loaded(model, load_suite(settings.dictionaries, model, name=settings.suite, budget=budget))


@dataclass(frozen=True)
class Work:
    """What is attributed, and over what.

    Attributes:
        subject: model, dictionaries and metric.
        data: examples as tokens.
        batch_size: most examples in a batch.
        halvings: how often memory was too small so far.

    """

    subject: Subject
    data: Data
    batch_size: int
    halvings: int = 0

    @property
    def is_pair(self) -> bool:
        """Whether each example has a counterfactual of its own."""
        return self.data.train[0].example.patch_prefix is not None

    def halved(self) -> Work:
        """The same in batches of half the size, with half the memory."""
        if self.subject.model.device.type == "cuda":
            torch.cuda.empty_cache()
        subject = dataclasses.replace(self.subject, budget=Budget(self.subject.budget.total // 2))
        smaller = max(1, self.batch_size // 2)
        return dataclasses.replace(self, subject=subject, batch_size=smaller, halvings=self.halvings + 1)

    def shared(self, processes: int) -> Work:
        """The same in batches so small that every one of some processes has one, where there are as many examples."""
        return dataclasses.replace(self, batch_size=min(self.batch_size, -(-len(self.data.train) // processes)))

    def batches(self, examples: Sequence[TokenExample]) -> list[Batch]:
        """Batches as large as asked for, or as memory allows."""
        subject = self.subject

        def size(length: int) -> int:
            return subject.budget.batch(subject.model, length, self.batch_size)

        found = batches(examples, size, subject.model.device)
        return [_with_reference(subject, batch) for batch in found] if isinstance(subject.metric, Divergence) else found


def prepare(settings: DiscoverSettings, texts: Texts, loaded: Loaded) -> Work:
    """Choose the metric and turn the examples into what it reads.

    Raises:
        SettingsError: the metric does not fit the examples, the model or the dictionaries.
        DataError: an example does not fit the vocabulary or the settings.

    """
    model = loaded.model
    metric = choose_metric(settings.metric, pairs=texts.train[0].patch_prefix is not None, model=model)
    dictionaries = {
        site: dictionary
        for site, dictionary in loaded.suite.dictionaries.items()
        if metric.site is None or site <= metric.site
    }
    if not dictionaries:
        raise SettingsError(f"no dictionary sits at or before what the metric {metric.name} reads")
    data = to_tokens(settings, texts, model.tokenizer, metric.answers)
    demand_context([*data.train, *data.held_out], model.n_ctx)
    if isinstance(metric, LogitDifference):
        demand_unequal_answers([*data.train, *data.held_out])
    _refuse_unmeasurable(settings, model, list(dictionaries))
    return Work(
        Subject(model, dictionaries, metric, Budget.of(settings.memory, model.device)), data, settings.batch_size
    )


def _refuse_unmeasurable(settings: DiscoverSettings, model: LanguageModel, sites: Sequence[Site]) -> None:
    """Refuse a first layer to ablate behind which there is nothing."""
    if settings.start_layer >= model.n_layers:
        raise SettingsError(
            f"start_layer is {settings.start_layer}, which leaves no layer of {model.name} to ablate: it has layers 0 "
            f"to {model.n_layers - 1}"
        )
    if settings.measure_thresholds and not ablated_sites(sites, settings.start_layer):
        raise SettingsError(
            f"start_layer is {settings.start_layer}, but no dictionary sits there or later, so nothing can be ablated: "
            "lower it, or set measure_thresholds to 0"
        )


def _with_reference(subject: Subject, batch: Batch) -> Batch:
    with torch.no_grad():
        logits = subject.model.run(batch.clean, last=True)[:, -1].float()
    return dataclasses.replace(batch, reference=logits.log_softmax(-1))
