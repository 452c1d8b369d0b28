"""Load dictionaries by name as a run does and write what they compute: for a process that has no network.

    python -m tests.ingest.load_offline JOBS

JOBS is a file of JSON: for each job the folder of a model, the release and id of a dictionary, the input (.npy), and
where to write the site, features, decoded values and the model's own part (.npz).
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from circuit_atlas.ingest.dictionary import SparseDictionary
from circuit_atlas.ingest.language_model import LanguageModel
from circuit_atlas.ingest.model_files import load_model
from circuit_atlas.ingest.presets import presets
from circuit_atlas.ingest.releases import Named

load = cache(load_model)


def compute(model: LanguageModel, release: str, id_: str, x: torch.Tensor) -> dict[str, Any]:
    """Load one dictionary of a preset for a model, and encode and decode [token, d_in]."""
    entries = {(e.release, e.id): e for preset in presets().values() for e in preset.entries}
    named = Named(release, id_, entries[release, id_])
    sae = named.open(model)
    dictionary = SparseDictionary.holding(named.site(sae, model), sae, named.source)
    dictionary.check()
    with torch.no_grad():
        acts = dictionary.encode(x)
        return {
            "hook": dictionary.site.hook_name,
            "acts": acts.numpy(),
            "theirs": sae.encode(x).numpy(),
            "decoded": (dictionary.reconstruct(acts) + dictionary.bias).numpy(),
        }


def main(jobs: Path) -> None:
    """Do every job of a file."""
    for job in json.loads(jobs.read_text()):
        x = torch.from_numpy(np.load(job["input"]))
        np.savez(job["output"], **compute(load(job["model"]), job["release"], job["id"], x))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
