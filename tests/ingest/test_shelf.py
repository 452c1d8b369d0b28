"""How many dictionaries stay open, and how many are in memory while the next one is opened."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from circuit_atlas.ingest.shelf import Shelf

BYTES = 4 * 100


class Opener:
    """Open modules of a hundred numbers and count: how often, and how many were alive at most while opening."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.alive: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self.most_alive = 0

    def of(self, name: str) -> Callable[[], Any]:
        """What opens the one of that name."""

        def open_it() -> nn.Module:
            gc.collect()
            module = nn.Linear(100, 1, bias=False)
            self.opened.append(name)
            self.alive.add(module)
            self.most_alive = max(self.most_alive, len(self.alive))
            return module

        return open_it


@pytest.mark.slow
@pytest.mark.parametrize(
    ("most", "opened", "alive"),
    [
        (3 * BYTES, "abcda", 3),  # for d goes a, used longest ago; for a goes c
        (4 * BYTES, "abcd", 4),
        (BYTES, "abcbda", 1),
        (0, "abcbda", 1),  # one that is too large is held alone
    ],
)
def test_what_was_used_last_stays_open_and_room_is_made_before_the_next_is_opened(
    most: int, opened: str, alive: int
) -> None:
    opener, shelf = Opener(), Shelf(most)
    for name in "abbcbda":
        shelf.take(name, opener.of(name))
    assert "".join(opener.opened) == opened
    assert opener.most_alive == alive
