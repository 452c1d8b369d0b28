"""Open a store by its URL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from circuit_atlas.errors import StoreError

if TYPE_CHECKING:
    from circuit_atlas.cypher.store import Store

DEFAULT = "ladybug:./atlas.lbug"


def connect(
    url: str | None = None, *, database: str | None = None, create: bool = True, read_only: bool = False
) -> Store:
    """Open the store at `url`, else at CIRCUIT_ATLAS_STORE, else at ./atlas.lbug.

    Raises:
        StoreError: it cannot be opened; the message says why and what to do, and never holds a password.

    """
    url = url or os.environ.get("CIRCUIT_ATLAS_STORE") or DEFAULT
    scheme, separator, rest = url.partition(":")
    if separator and scheme != "ladybug":
        raise StoreError(f"there is no kind of store {scheme!r}: use ladybug:PATH, neo4j:// or bolt://")
    from circuit_atlas.cypher.ladybug.store import LadybugStore

    return LadybugStore(Path(rest if separator else url).expanduser(), create=create, read_only=read_only)
