"""Examples as text and as tokens: what is refused, with its line, and how they are split and put into batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from circuit_atlas.errors import DataError
from circuit_atlas.ingest.batches import batches, demand_equal_length
from circuit_atlas.ingest.examples import Example, read_examples, sample, split_by_item
from circuit_atlas.ingest.tokens import tokenise

WORDS = ["<unk>", "the", "man", "men", "run", "runs", "fast"]


@pytest.fixture(scope="module")
def words() -> Any:
    """A tokenizer of one word a token."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


@pytest.fixture(scope="module")
def pieces() -> Any:
    """A tokenizer that merges letters: `runs` is one token, `run` another."""
    vocabulary = {"r": 0, "u": 1, "n": 2, "s": 3, "ru": 4, "run": 5, "runs": 6, "<unk>": 7}
    merges = [("r", "u"), ("ru", "n"), ("run", "s")]
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE(vocabulary, merges)), unk_token="<unk>")


def write(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def single(prefix: str = "the man", answer: object = " runs", **more: Any) -> dict[str, Any]:
    return {"clean_prefix": prefix, "clean_answer": answer, **more}


def pair(patch: str = "the men", **more: Any) -> dict[str, Any]:
    return single(patch_prefix=patch, patch_answer=" run", **more)


def refused(path: Path, tokenizer: Any = None) -> str:
    with pytest.raises(DataError) as error:
        tokenise(read_examples(path), tokenizer)
    return str(error.value).removeprefix(f"{path}, ")


def test_pairs_and_singles_mixed_are_refused_at_the_first_odd_line(tmp_path: Path) -> None:
    path = write(tmp_path / "e.jsonl", pair(), "", pair(), single())
    assert refused(path) == "line 4: pairs and single prompts are mixed in one file; split it in two"


def test_half_a_pair_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "e.jsonl", single(patch_prefix="the men"))
    assert refused(path) == "line 1: 'patch_answer' is missing or not a text"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "line 2: not JSON (Expecting property name enclosed in double quotes at column 2)"),
        ("3", "line 2: a JSON object is expected, not int"),
        (single(clean_answer=7), "line 2: 'clean_answer' is missing or not a text"),
        (single(prefix=""), "line 2: 'clean_prefix' is missing or not a text"),
        (single(roles="subject"), "line 2: 'roles' must be a list of texts, one a token"),
    ],
)
def test_a_broken_line_is_named(line: object, reason: str, tmp_path: Path) -> None:
    assert refused(write(tmp_path / "e.jsonl", single(), line)) == reason


def test_an_answer_of_several_tokens_is_shown_and_lines_like_it_are_counted(tmp_path: Path, words: Any) -> None:
    path = write(tmp_path / "e.jsonl", single(), single(answer=" runs fast"), single(), single("the men", " run fast"))
    assert refused(path, words) == (
        "line 2: the answer ' runs fast' is 2 tokens ['runs', 'fast']; it must be one, or the metric log-probability, "
        "which reads whole answers (and 1 more lines like it)"
    )


def test_an_answer_that_merges_with_its_prefix_is_refused(tmp_path: Path, pieces: Any) -> None:
    path = write(tmp_path / "e.jsonl", single("run", "s"))
    assert refused(path, pieces) == "line 1: the answer 's' merges with its prefix; does it lack a leading space?"


def test_a_word_that_the_model_does_not_know_is_refused(tmp_path: Path, words: Any) -> None:
    path = write(tmp_path / "e.jsonl", single(answer=" sings"))
    assert refused(path, words) == "line 1: the answer ' sings' is not in the model's vocabulary"


def test_roles_of_the_wrong_number_are_refused(tmp_path: Path, words: Any) -> None:
    path = write(tmp_path / "e.jsonl", single(roles=["the", "subject", "verb"]))
    assert refused(path, words) == "line 1: 3 roles for 2 tokens ['the', 'man']"


def test_ends_of_unequal_length_are_refused(tmp_path: Path, words: Any) -> None:
    path = write(tmp_path / "e.jsonl", pair(patch="the fast men"))
    assert refused(path, words) == "line 1: clean_prefix has 2 tokens and patch_prefix 3; they must agree"


def test_unequal_prompts_are_named_where_positions_are_kept(tmp_path: Path, words: Any) -> None:
    odd = single("the fast man")
    path = write(tmp_path / "e.jsonl", single(), odd, single(), odd, single(), odd, single(), odd, single(), single())
    with pytest.raises(DataError) as error:
        demand_equal_length(tokenise(read_examples(path), words))
    assert str(error.value) == (
        f"positions are kept, but not all prompts have 2 tokens: {path}, line 2 has 3; {path}, line 4 has 3; "
        f"{path}, line 6 has 3; and 1 more; mend them, or let nodes act at every position (sum) or at the role of "
        "each token (role), not at their own (keep)"
    )


def test_prompts_of_one_length_pass(tmp_path: Path, words: Any) -> None:
    demand_equal_length(tokenise(read_examples(write(tmp_path / "e.jsonl", single(), single("the men"))), words))


def test_answers_are_the_tokens_that_follow_their_prefixes(tmp_path: Path, words: Any) -> None:
    (example,) = tokenise(read_examples(write(tmp_path / "e.jsonl", pair())), words)

    assert [WORDS[token] for token in example.clean] == ["the", "man"]
    assert [WORDS[token] for token in example.patch or ()] == ["the", "men"]
    assert (WORDS[example.clean_answer], WORDS[example.patch_answer or 0]) == ("runs", "run")


def test_batches_hold_equal_lengths_and_keep_items_together(tmp_path: Path, words: Any) -> None:
    lines = [single(item="a"), single("the fast man", item="b"), single("the men", item="b"), single("man", item="a")]
    examples = tokenise(read_examples(write(tmp_path / "e.jsonl", *lines, single("men run", item="a"))), words)
    found = batches(examples, 2)

    for batch in found:
        for row, index in enumerate(batch.indices.tolist()):
            assert batch.clean[row].tolist() == list(examples[index].clean)
            assert "ab"[int(batch.items[row])] == examples[index].example.item
    assert sorted(torch.cat([batch.indices for batch in found]).tolist()) == [0, 1, 2, 3, 4]
    assert [batch.indices.tolist() for batch in found if batch.clean.shape[1] == 2] == [[0, 4], [2]]


def some(items: str) -> list[Example]:
    return [Example(f"prompt {number}", " answer", item=item) for number, item in enumerate(items)]


def test_a_split_puts_no_item_on_both_sides_and_loses_none() -> None:
    examples = some("aabbccddeeff")
    rest, held = split_by_item(examples, 1 / 3, seed=1)

    assert len({e.item for e in held}) == 2
    assert not {e.item for e in rest} & {e.item for e in held}
    assert sorted(e.clean_prefix for e in [*rest, *held]) == sorted(e.clean_prefix for e in examples)
    assert split_by_item(examples, 1 / 3, seed=1) == (rest, held)


def test_a_sample_keeps_the_files_order_and_is_seeded() -> None:
    examples = some("abcdefghij")
    drawn = sample(examples, 4, seed=3)

    assert len(drawn) == 4
    assert [e for e in examples if e in drawn] == drawn
    assert sample(examples, 4, seed=3) == drawn
    assert sample(examples, 0, seed=3) == sample(examples, 10, seed=3) == examples


def test_examples_without_item_are_items_of_their_own_unless_their_texts_agree(tmp_path: Path) -> None:
    first, again, other = read_examples(write(tmp_path / "e.jsonl", pair(), pair(case="x"), pair("the fast men")))
    assert first.item == again.item != other.item
