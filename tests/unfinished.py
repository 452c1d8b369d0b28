"""Where tests keep the finished batches of unfinished runs: never in the user's own cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give every test a place of its own, not made yet."""
    before = os.environ.get("CIRCUIT_ATLAS_CACHE")
    place = tmp_path_factory.mktemp("cache") / "circuit-atlas"
    os.environ["CIRCUIT_ATLAS_CACHE"] = str(place)
    yield place
    if before is None:
        del os.environ["CIRCUIT_ATLAS_CACHE"]
    else:
        os.environ["CIRCUIT_ATLAS_CACHE"] = before
