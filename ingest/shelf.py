"""Keep few dictionaries in memory: those used last, up to a size; the others are opened again when they are wanted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from torch import nn


class Shelf:
    """Opened dictionaries, the one used last at the end.

    One larger than the shelf is held alone. A file of safetensors is mapped, not read, so that opening it again costs
    little more than what is touched.
    """

    def __init__(self, most: int) -> None:
        """Hold at most `most` bytes."""
        self.most = most
        self._held: OrderedDict[Hashable, nn.Module] = OrderedDict()

    def take(self, key: Hashable, load: Callable[[], Any]) -> Any:
        """Return what is held under a key, loaded where it is not; what was used longest ago makes room."""
        if key not in self._held:
            self._held[key] = load()
        self._held.move_to_end(key)
        while len(self._held) > 1 and sum(map(_bytes, self._held.values())) > self.most:
            self._held.popitem(last=False)
        return self._held[key]


def _bytes(module: nn.Module) -> int:
    return sum(t.numel() * t.element_size() for t in module.state_dict().values())
