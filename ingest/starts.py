"""Where runs of a model may begin: at a later block, from a stream that is known."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Around:
    """Streams on the clean input about one site, to begin runs from that change it alone.

    Attributes:
        entry: stream as it enters the site's block; None where it is not known.
        beside: what the stream after the block holds beside the site's own output; None likewise.

    """

    entry: Float[Tensor, "batch pos d"] | None
    beside: Float[Tensor, "batch pos d"] | None

    def take(self, rows: Int[Tensor, " row"]) -> Around:
        """Return them for some examples, in the order given."""
        return Around(*(None if t is None else t[rows] for t in (self.entry, self.beside)))

    def repeat(self, times: int) -> Around:
        """Return them for the batch several times over."""
        return Around(*(None if t is None else t.repeat(times, 1, 1) for t in (self.entry, self.beside)))


@dataclass(frozen=True)
class Start:
    """Where a run begins: the stream as it enters block `layer` (the number of blocks: as it leaves the last)."""

    layer: int
    stream: Float[Tensor, "batch pos d"]
