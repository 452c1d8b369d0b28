"""Which versions of the schema this program reads and writes."""

from __future__ import annotations

from circuit_atlas.cypher.schema import SCHEMA_VERSION
from circuit_atlas.errors import StoreError


def refuse_other_version(url: str, version: int) -> None:
    """Refuse a store of another schema version.

    Raises:
        StoreError: it is newer, or older than any that can be upgraded.

    """
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{url} was written by a newer circuit-atlas (schema {version}; this one knows {SCHEMA_VERSION}): "
            "upgrade circuit-atlas"
        )
    if version < SCHEMA_VERSION:
        raise StoreError(f"{url} has schema {version}, which no longer upgrades to {SCHEMA_VERSION}: discover anew")
