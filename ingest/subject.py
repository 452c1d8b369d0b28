"""What is attributed: a model with its dictionaries, on a metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from circuit_atlas.ingest.batches import Batch
from circuit_atlas.ingest.budget import Budget
from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.metrics import Metric
from circuit_atlas.ingest.sites import Site


@dataclass(frozen=True)
class Subject:
    """What is attributed: a model with its dictionaries, on a metric, within a memory budget."""

    model: LanguageModel
    dictionaries: Mapping[Site, SparseDictionary]
    metric: Metric
    budget: Budget = field(default_factory=Budget)

    def rows(self, batch: Batch) -> int:
        """How many sequences as long as the batch's run at once."""
        return self.budget.rows(self.model, batch.clean.shape[1])
