"""Load a language model and its tokenizer, quietly."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from circuit_atlas.errors import ModelError
from circuit_atlas.ingest.language_model import LanguageModel

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "spiece.model",
    "vocab.json",
    "vocab.txt",
)
"""Files of which a folder with a tokenizer has one at least."""

_NEEDED = (
    "put tokenizer_config.json and tokenizer.json (or vocab.json, vocab.txt, tokenizer.model, by its kind) beside "
    "config.json, as tokenizer.save_pretrained writes them"
)
"""What to do where there is no tokenizer."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the loading noise of third parties (warnings, bars, prints) off the terminal."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        disabled = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(disabled)


def interrupted(error: BaseException) -> bool:
    """Whether an error came of Ctrl-C: libraries that import lazily report one as a module that is missing."""
    seen: set[int] = set()
    ahead: list[BaseException | None] = [error]
    while ahead:
        one = ahead.pop()
        if isinstance(one, KeyboardInterrupt):
            return True
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            ahead += [one.__cause__, one.__context__]
    return False


def load_model(source: str, *, name: str = "", device: str = "cpu", dtype: str = "float32") -> LanguageModel:
    """Load a Hugging Face checkpoint folder, or a model by its TransformerLens name, through TransformerBridge.

    Raises:
        ModelError: there is no such model, or it cannot be loaded.

    """
    folder = Path(source).expanduser()
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is not a Hugging Face checkpoint: it has no config.json")
    if not folder.is_dir() and (folder.is_absolute() or source.startswith(("./", "../"))):
        raise ModelError(f"there is no model folder {source}")
    try:
        with quiet():
            bridge, tokenizer = _boot(source, folder, getattr(torch, dtype), device)
    except ModelError:
        raise
    except Exception as error:  # loaders raise everything from OSError to KeyError; each means the same to the user
        if interrupted(error):
            raise KeyboardInterrupt from error
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"the model {source!r} cannot be loaded: {reason[0]}") from error
    bridge.requires_grad_(False)
    bridge.eval()
    return LanguageModel(bridge, tokenizer, name or (folder.resolve().name if folder.is_dir() else source), source)


def _boot(source: str, folder: Path, dtype: torch.dtype, device: str) -> tuple[Any, Any]:
    from transformer_lens.model_bridge import TransformerBridge

    if not folder.is_dir():
        bridge = TransformerBridge.boot_transformers(source, device=device, dtype=dtype)
        return bridge, bridge.tokenizer
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True).to(device)
    tokenizer = _load_tokenizer(folder)
    try:
        bridge = TransformerBridge.boot_transformers(str(folder), hf_model=model, tokenizer=tokenizer, device=device)
    except Exception as error:
        if tokenizer is None and "tokenizer" in str(error):  # some architectures are not booted without one
            raise ModelError(f"{folder} has no tokenizer files: {_NEEDED}") from error
        raise
    return bridge, tokenizer


def _load_tokenizer(folder: Path) -> Any:
    """Return the tokenizer of a checkpoint, or None where the folder holds no file of one."""
    from transformers import AutoTokenizer

    files = sorted(file.name for file in folder.iterdir() if file.name in _TOKENIZER_FILES)
    if not files:
        return None
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a missing file and a broken one raise alike, in words for developers
        if interrupted(error):
            raise KeyboardInterrupt from error
        raise ModelError(f"the tokenizer of {folder} cannot be loaded from {', '.join(files)}: {_NEEDED}") from error
