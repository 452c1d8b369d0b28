r"""What a preset needs, told from its shapes: download, disk and memory.

    download = parameters · bytes of the file's number type + masks that old files hold + Σ dictionaries
    dictionary = 4 · (2 · d_in · d_sae + d_in + d_sae [+ d_sae where each feature has a threshold])
    disk = download + one circuit in the store
    memory = parameters · bytes of the run's number type + budget + what the largest dictionary exceeds its share by

The budget (setting `memory`) is for all that comes beside the model's weights, a quarter of it for open dictionaries
(see budget.py); one that is larger than its share is held alone. Programs and libraries come on top, some 0.7 GB.
"""

from __future__ import annotations

from dataclasses import dataclass

from circuit_atlas.ingest.presets import Entry, ModelShape, Preset

BYTES = {"float16": 2, "bfloat16": 2, "float32": 4}

BUDGET = 1.0e9
"""Bytes of the default budget on a CPU."""

SHELF = 4
"""The share of the budget for open dictionaries is one part in so many."""

STORED_NODE, STORED_EDGE = 4_000, 150
"""Bytes of the store for one node and one edge, rounded up from the store of `circuit-atlas demo`."""


@dataclass(frozen=True)
class Footprint:
    """Bytes that a preset needs.

    Attributes:
        model: of the model's files.
        dictionaries: of the dictionaries' files.
        disk: of all files and one circuit of the default size.
        memory: of a run on a CPU beside programs and libraries.

    """

    model: int
    dictionaries: int
    disk: int
    memory: int

    @property
    def download(self) -> int:
        """Bytes of all files."""
        return self.model + self.dictionaries


def footprint(preset: Preset, *, nodes: int = 1_000, edges: int = 20_000) -> Footprint:
    """Return what a preset needs for one circuit of so many nodes and edges."""
    shape, sizes = preset.shape, [dictionary_bytes(entry) for entry in preset.entries]
    count = parameters(shape)
    model = count * BYTES[shape.file_dtype] + shape.n_layers * shape.n_ctx**2 * shape.file_masks
    beyond = max(0, max(sizes, default=0) - int(BUDGET) // SHELF)
    return Footprint(
        model=model,
        dictionaries=sum(sizes),
        disk=model + sum(sizes) + nodes * STORED_NODE + edges * STORED_EDGE,
        memory=count * BYTES[preset.dtype] + int(BUDGET) + beyond,
    )


def dictionary_bytes(entry: Entry) -> int:
    """Bytes of one dictionary in float32: encoder, decoder and their biases, and thresholds where it has them."""
    return 4 * (2 * entry.d_in * entry.d_sae + entry.d_in + entry.d_sae * (2 if entry.format == "gemma-scope" else 1))


def parameters(shape: ModelShape) -> int:
    """Count the parameters of a decoder with multi-head or grouped-query attention."""
    width, heads = shape.d_model, (shape.n_heads + 2 * shape.n_key_value_heads) * shape.d_head
    biases = 1 if shape.biases else 0
    attention = width * heads + shape.n_heads * shape.d_head * width + biases * (heads + width)
    mlp = (3 if shape.gated_mlp else 2) * width * shape.d_mlp + biases * (shape.d_mlp + width)
    norm = width * (1 + biases)
    embedded = shape.d_vocab * (1 if shape.tied else 2) + (shape.n_ctx if shape.learned_positions else 0)
    return embedded * width + shape.n_layers * (attention + mlp + shape.norms * norm) + norm
