"""What the engine raises, as one line that a user can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from circuit_atlas.errors import AtlasError, QueryError, StoreBusyError, StoreError


@contextmanager
def one_line(path: Path) -> Iterator[None]:
    """Turn the engine's errors (it raises RuntimeError for every kind) into ours."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        raise _ours(str(error), path) from None


def _ours(text: str, path: Path) -> AtlasError:
    line = (text.strip().splitlines() or ["no message"])[0]
    if "Could not set lock" in text:
        return StoreBusyError(f"{path} is open in a program that is not circuit-atlas: close it there")
    if "Interrupted" in text:
        return QueryError("the query ran longer than its time limit: ask for less, or raise the limit")
    if "No space left" in text or "File too large" in text or "Disk quota" in text:
        return StoreError(f"cannot write {path}: the disk is full; nothing was changed: make room and try again")
    if "Permission denied" in text or "Read-only file system" in text:
        return StoreError(f"cannot write {path}: permission denied; choose another path with --store")
    if "Unable to open database" in text or "Reading past the end of the file" in text:
        return StoreError(f"{path} is no store of circuits (not a LadybugDB file, or a broken one): name another file")
    if "bad_alloc" in text or ("buffer" in text.lower() and "memory" in text.lower()):
        return QueryError(f"the query needs more memory than the engine has: ask for less ({line})")
    if line.startswith(
        ("Parser exception", "Binder exception", "Catalog exception", "Conversion exception", "Parameter")
    ):
        return QueryError(f"the embedded engine refuses the query: {line}")
    return StoreError(f"{path}: {line}")
