"""Examples as settings name them: read and split without a model, and refused in words that say what to change."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from circuit_atlas.errors import DataError
from circuit_atlas.ingest.settings import DiscoverSettings
from circuit_atlas.ingest.texts import Texts, read_texts


def write(path: Path, items: str, *, pairs: bool = True) -> str:
    """Write a line for each letter of `items`."""
    lines = []
    for number, item in enumerate(items):
        line = {"clean_prefix": f"the man {number}", "clean_answer": " runs", "item": item}
        if pairs:
            line |= {"patch_prefix": f"the men {number}", "patch_answer": " run"}
        lines.append(json.dumps(line))
    path.write_text("\n".join(lines))
    return str(path)


def read(examples: str, **settings: Any) -> Texts:
    return read_texts(DiscoverSettings(model="m", dictionaries="d", examples=examples, **settings))


def test_no_torch_is_loaded_to_read_them(tmp_path: Path) -> None:
    """So that a broken line can be told before the seconds that torch takes."""
    path = write(tmp_path / "e.jsonl", "abcd")
    program = (
        "import sys; from circuit_atlas.ingest.settings import DiscoverSettings; "
        "from circuit_atlas.ingest.texts import read_texts; "
        f"read_texts(DiscoverSettings(model='m', dictionaries='d', examples={path!r})); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_share_of_the_items_is_held_out(tmp_path: Path) -> None:
    texts = read(write(tmp_path / "e.jsonl", "aabbccdd"), held_out_share=0.25)

    assert (len(texts.train), len(texts.held_out)) == (6, 2)
    assert len({example.item for example in texts.held_out}) == 1


def test_a_held_out_file_is_taken_whole_and_so_are_the_others(tmp_path: Path) -> None:
    examples, held = write(tmp_path / "e.jsonl", "abcd"), write(tmp_path / "h.jsonl", "ef")
    texts = read(examples, held_out=held)

    assert [example.item for example in texts.train] == list("abcd")
    assert [example.item for example in texts.held_out] == list("ef")


def test_each_side_is_sampled_to_its_own_bound(tmp_path: Path) -> None:
    examples, held = write(tmp_path / "e.jsonl", "abcdefgh"), write(tmp_path / "h.jsonl", "ijklmn")
    texts = read(examples, held_out=held, n_examples=5, n_held_out=2, seed=1)

    assert (len(texts.train), len(texts.held_out)) == (5, 2)
    assert read(examples, held_out=held, n_examples=5, n_held_out=2, seed=1) == texts


def test_nothing_left_to_measure_on_is_refused_unless_nothing_is_measured(tmp_path: Path) -> None:
    examples = write(tmp_path / "e.jsonl", "aaaa")
    with pytest.raises(DataError, match="left to measure on; raise held_out_share"):
        read(examples)
    assert len(read(examples, measure_thresholds=0).train) == 4


def test_nothing_left_to_attribute_over_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="left to attribute over; lower held_out_share"):
        read(write(tmp_path / "e.jsonl", "aaaa"), held_out_share=0.9)


def test_pairs_on_one_side_and_single_prompts_on_the_other_are_refused(tmp_path: Path) -> None:
    examples, held = write(tmp_path / "e.jsonl", "ab"), write(tmp_path / "h.jsonl", "cd", pairs=False)
    with pytest.raises(DataError, match="mix pairs and single prompts"):
        read(examples, held_out=held)


def test_patch_ablation_of_single_prompts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has single prompts, so there is no patch input; choose another ablation"):
        read(write(tmp_path / "e.jsonl", "abcd", pairs=False), ablation="patch")
