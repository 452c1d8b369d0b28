"""Keep the libraries under ingest from talking: their warnings, logs and progress bars are not ours to show."""

from __future__ import annotations

import logging
import os
import warnings

_SILENT = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "WANDB_MODE": "disabled",
}


def silence_libraries() -> None:
    """Silence them; call before the first import of torch, transformers, transformer_lens or sae_lens.

    Variables that the user set stay as they are, and `CIRCUIT_ATLAS_DEBUG` lets everything through.
    """
    if os.environ.get("CIRCUIT_ATLAS_DEBUG"):
        return
    for name, value in _SILENT.items():
        os.environ.setdefault(name, value)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
