"""Make the shipped model again: `python -m circuit_atlas.ingest.demo_model --out DIR [--seed N]`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from circuit_atlas.ingest.demo_model.dictionaries import train_dictionaries
from circuit_atlas.ingest.demo_model.figures import measure_all
from circuit_atlas.ingest.demo_model.grammar.words import vocabulary
from circuit_atlas.ingest.demo_model.language_model import train_model
from circuit_atlas.ingest.demo_model.model_card import model_card
from circuit_atlas.ingest.demo_model.tasks.files import write_tasks
from circuit_atlas.ingest.demo_model.tokenizer import make_tokenizer
from circuit_atlas.ingest.model_files import load_model
from circuit_atlas.progress import Reporter, Terminal

MODEL_STEPS = 3_000
DICTIONARY_STEPS = 3_000


def write_figures(folder: Path) -> None:
    """Measure what is below `folder` and write `figures.json` and the model card."""
    figures = measure_all(folder)
    (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (folder / "MODEL_CARD.md").write_text(model_card(figures), encoding="utf-8")


def make(folder: Path, seed: int, reporter: Reporter) -> None:
    """Make everything that ships, below `folder`."""
    write_tasks(folder / "tasks", seed)
    train_model(make_tokenizer(vocabulary()), folder / "model", seed, MODEL_STEPS, reporter)
    model = load_model(str(folder / "model"))
    train_dictionaries(model, folder / "dictionaries", seed, DICTIONARY_STEPS, reporter)
    reporter.note("measuring")
    write_figures(folder)


def main() -> None:
    """Parse the command line and make the model."""
    parser = argparse.ArgumentParser(prog="python -m circuit_atlas.ingest.demo_model", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--seed", type=int, default=0, help="seed of text, weights and draws")
    chosen = parser.parse_args()
    torch.set_num_threads(2)
    make(chosen.out, chosen.seed, Terminal())


if __name__ == "__main__":
    main()
