"""Whole discoveries on tiny random models, with all that an oracle needs to find the same by itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from circuit_atlas.cypher.rows import Pair, Row
from circuit_atlas.ingest import DiscoveredCircuit, DiscoverSettings, discover
from circuit_atlas.ingest.batches import Batch, TokenExample, batches
from circuit_atlas.ingest.dictionary_files import Suite
from circuit_atlas.ingest.examples import read_examples
from circuit_atlas.ingest.preparation import Loaded
from circuit_atlas.ingest.sites import Site, site_from_name
from circuit_atlas.ingest.subject import Subject
from circuit_atlas.ingest.tokens import tokenise
from tests.ingest.tiny import D_SAE, VOCABULARY, make_subject

EDGE = Pair("EDGE", "CircuitNode", "CircuitNode")
UnitKey = tuple[Site, int, int | None]
"""Site, unit (the error is `D_SAE`) and position (None where summed)."""


@dataclass(frozen=True)
class TinyRun:
    """A discovery, what it was of, and its data as tokens."""

    subject: Subject
    examples: list[TokenExample]
    circuit: DiscoveredCircuit

    @property
    def batches(self) -> list[Batch]:
        return batches(self.examples, 2)

    def rows(self, label: str) -> list[Row]:
        return list(self.circuit.rows.nodes[label])

    def nodes(self) -> dict[UnitKey, Row]:
        """All nodes but the target, by unit."""
        return {unit_key(row): row for row in self.rows("CircuitNode") if row["kind"] != "target"}

    def weights(self) -> dict[tuple[UnitKey, UnitKey | None], float]:
        """Weight of each edge by its ends, upstream first; None for the target."""
        ids: dict[str, UnitKey | None] = {row["id"]: key for key, row in self.nodes().items()}
        ids |= {row["id"]: None for row in self.rows("CircuitNode") if row["kind"] == "target"}
        found = {}
        for edge in self.circuit.rows.relationships[EDGE]:
            source = ids[edge["from"]]
            assert source is not None
            found[source, ids[edge["to"]]] = float(edge["weight"])
        return found


def unit_key(row: Row) -> UnitKey:
    """Site, unit and position of a node's row."""
    name = row["component"] if row["component"] == "embed" else f"{row['component']}_{row['layer']}"
    return site_from_name(name), D_SAE if row["kind"] == "error" else row["feature_index"], row["position"]


def write_examples(path: Path, *, pairs: bool, lengths: tuple[int, ...]) -> Path:
    """Write random prompts of these lengths; every second pair of lines shares an item."""
    generator = torch.Generator().manual_seed(11)
    lines = []
    for number, length in enumerate(lengths):
        clean, patch = (_prompt(length, generator) for _ in range(2))
        line: dict[str, Any] = {"clean_prefix": clean, "clean_answer": f" w{number + 2:02}", "item": str(number // 2)}
        if pairs:
            line |= {"patch_prefix": patch, "patch_answer": f" w{number + 9:02}"}
        lines.append(json.dumps(line))
    path.write_text("\n".join(lines))
    return path


def _prompt(length: int, generator: torch.Generator) -> str:
    tokens: Tensor = torch.randint(2, VOCABULARY, (length,), generator=generator)
    return " ".join(f"w{token:02}" for token in tokens.tolist())


def run_tiny(
    folder: Path, *, pairs: bool = True, lengths: tuple[int, ...] = (5, 5, 5, 5), kind: str = "topk", **settings: Any
) -> TinyRun:
    """Make a model, dictionaries and examples, and discover on all; everything is stored unless told otherwise."""
    subject = make_subject(folder / "model", "llama", kind, "none", pairs=pairs)
    path = write_examples(folder / "examples.jsonl", pairs=pairs, lengths=lengths)
    whole: dict[str, Any] = {"held_out_share": 0.0, "measure_thresholds": 0, "batch_size": 3}
    whole |= {"max_nodes": 100_000, "max_edges": 10_000_000}
    chosen = DiscoverSettings(model="tiny", dictionaries="random", examples=str(path), **whole | settings)
    loaded = Loaded(subject.model, Suite("random", subject.dictionaries))
    examples = tokenise(read_examples(path), subject.model.tokenizer)
    return TinyRun(subject, examples, discover(chosen, loaded=loaded))
