"""A Hugging Face cache as a download leaves it: blobs by content, and a snapshot of links to them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def add(cache: Path, repository: str, name: str, file: Path) -> None:
    """Move a file to where downloading it from a repository would have put it."""
    place = cache / f"models--{repository.replace('/', '--')}"
    blob = place / "blobs" / hashlib.sha256(name.encode()).hexdigest()
    snapshot = place / "snapshots" / COMMIT / name
    for folder in (place / "refs", blob.parent, snapshot.parent):
        folder.mkdir(parents=True, exist_ok=True)
    (place / "refs" / "main").write_text(COMMIT)
    file.rename(blob)
    snapshot.symlink_to(os.path.relpath(blob, snapshot.parent))


def add_folder(cache: Path, repository: str, folder: Path, under: str = "") -> None:
    """Move every file of a folder there, to a folder of the repository or to its root."""
    for file in [path for path in folder.iterdir() if path.is_file()]:
        add(cache, repository, f"{under}/{file.name}" if under else file.name, file)
