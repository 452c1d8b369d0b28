"""What is in the Hugging Face cache, and whether the rest can be fetched; nothing here loads torch."""

from __future__ import annotations

import contextlib
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

_SECONDS = 5.0
"""How long to wait for an answer of the hub."""


def cached(repository: str, file: str) -> Path | None:
    """Return where the cache holds a file of a repository, or None."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, file)
    return Path(found) if isinstance(found, str) else None


def all_cached(repository: str, files: Sequence[str]) -> bool:
    """Whether the cache holds all these files of a repository."""
    return all(cached(repository, file) for file in files)


def model_cached(repository: str) -> bool:
    """Whether the cache holds a model's configuration and weights."""
    config = cached(repository, "config.json")
    return config is not None and any(config.parent.glob("*.safetensors"))


def cache_folder() -> str:
    """Folder of the cache (`HF_HUB_CACHE`)."""
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)


def reachable() -> bool:
    """Whether the hub answers at all, asked once and not for long; not where `HF_HUB_OFFLINE` forbids it."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        urllib.request.urlopen(constants.ENDPOINT, timeout=_SECONDS).close()
    except urllib.error.HTTPError:
        return True  # an answer, if an unfriendly one
    except (OSError, ValueError):
        return False
    return True


@contextlib.contextmanager
def offline(wanted: bool) -> Iterator[None]:
    """Read from the cache alone, as with `HF_HUB_OFFLINE=1`, where that is wanted.

    Else the hub is asked for each file whether there is a newer one, and asked again and again where no network is.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or wanted
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
