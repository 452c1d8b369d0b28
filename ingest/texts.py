"""The examples that settings name, as text: read, split and sampled. Neither a model nor torch is needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from circuit_atlas.errors import DataError
from circuit_atlas.ingest.examples import Example, read_examples, sample, split_by_item
from circuit_atlas.ingest.metric_names import reads_answers
from circuit_atlas.ingest.settings import DiscoverSettings


@dataclass(frozen=True)
class Texts:
    """Examples to attribute over and to measure on."""

    train: list[Example]
    held_out: list[Example]


def read_texts(settings: DiscoverSettings) -> Texts:
    """Read, split and sample the examples.

    Raises:
        DataError: a file is missing, empty or broken (the line is named), or does not fit the settings.

    """
    answers = reads_answers(settings.metric)
    examples = read_examples(Path(settings.examples), answers=answers)
    if settings.held_out:
        train, held = examples, read_examples(Path(settings.held_out), answers=answers)
    else:
        train, held = split_by_item(examples, settings.held_out_share, settings.seed)
    seed = settings.seed
    texts = Texts(sample(train, settings.n_examples, seed), sample(held, settings.n_held_out, seed))
    _refuse_unfit(settings, texts)
    return texts


def _refuse_unfit(settings: DiscoverSettings, texts: Texts) -> None:
    train, held = texts.train, texts.held_out
    if not train:
        raise DataError(f"no examples of {settings.examples} are left to attribute over; lower held_out_share")
    if settings.measure_thresholds and not held:
        raise DataError(
            f"no examples of {settings.examples} are left to measure on; raise held_out_share, "
            "name a held_out file, or set measure_thresholds to 0"
        )
    if held and (train[0].patch_prefix is None) != (held[0].patch_prefix is None):
        raise DataError(f"{settings.held_out} and {settings.examples} mix pairs and single prompts")
    if settings.ablation == "patch" and train[0].patch_prefix is None:
        raise DataError(f"{settings.examples} has single prompts, so there is no patch input; choose another ablation")
