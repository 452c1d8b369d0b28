"""Keep few dictionaries in memory: those used last, up to a size; the others are opened again when they are wanted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from torch import nn


class Shelf:
    """Opened dictionaries, the one used last at the end.

    One larger than the shelf is held alone. Room is made before the next is opened, as much as the largest so far took:
    files that are read whole, not mapped as safetensors are, would stand in memory twice.
    """

    def __init__(self, most: int) -> None:
        """Hold at most `most` bytes."""
        self.most = most
        self._held: OrderedDict[Hashable, nn.Module] = OrderedDict()
        self._largest = 0

    def take(self, key: Hashable, load: Callable[[], Any]) -> Any:
        """Return what is held under a key, loaded where it is not; what was used longest ago makes room."""
        if key not in self._held:
            self._make_room(self._largest, leave=0)
            self._held[key] = load()
            self._largest = max(self._largest, _bytes(self._held[key]))
        self._held.move_to_end(key)
        self._make_room(0, leave=1)
        return self._held[key]

    def _make_room(self, room: int, *, leave: int) -> None:
        while len(self._held) > leave and sum(map(_bytes, self._held.values())) + room > self.most:
            self._held.popitem(last=False)


def _bytes(module: nn.Module) -> int:
    return sum(t.numel() * t.element_size() for t in module.state_dict().values())
