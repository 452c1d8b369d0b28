"""Examples as tokens: prompts, and of their answers what the metric reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from circuit_atlas.errors import DataError
from circuit_atlas.ingest.batches import TokenExample
from circuit_atlas.ingest.examples import Example

Answers = Literal["token", "whole", "none"]
"""What is read of answers: one token (or one of several), all tokens of the clean one, or nothing."""


def tokenise(examples: Sequence[Example], tokenizer: Any, answers: Answers = "token") -> list[TokenExample]:
    """Turn text into tokens: prefixes with the tokenizer's own first token, answers as they continue their prefix.

    Raises:
        DataError: an answer is several tokens, lengths differ within a pair, or roles do not fit (the line is named).

    """
    if tokenizer is None:
        raise DataError(
            "the model folder has no tokenizer files (tokenizer.json, or the vocabulary files of its kind), so text "
            "cannot be turned into tokens; put them beside config.json"
        )
    refused: Counter[str] = Counter()
    found = []
    for example in examples:
        try:
            found.append(_tokenise_one(example, tokenizer, answers))
        except _SeveralTokensError as error:
            refused[str(error)] += 1
    if refused:
        more = sum(refused.values()) - 1
        raise DataError(next(iter(refused)) + (f" (and {more} more lines like it)" if more else ""))
    return found


class _SeveralTokensError(Exception):
    """An answer is not one token."""


def _tokenise_one(example: Example, tokenizer: Any, answers: Answers) -> TokenExample:
    clean = _ids(example.clean_prefix, tokenizer)
    if example.roles and len(example.roles) != len(clean):
        raise DataError(
            f"{example.where}: {len(example.roles)} roles for {len(clean)} tokens {_show(clean, tokenizer)}"
        )
    patch = None if example.patch_prefix is None else _ids(example.patch_prefix, tokenizer)
    if patch is not None and len(clean) != len(patch):
        raise DataError(
            f"{example.where}: clean_prefix has {len(clean)} tokens and patch_prefix {len(patch)}; they must agree"
        )
    if patch == clean:
        raise DataError(
            f"{example.where}: clean_prefix and patch_prefix are the same tokens {_show(clean, tokenizer)}, so no unit "
            "can have an effect"
        )
    if answers == "none" or not example.clean_answer:
        return TokenExample(example, clean, -1, patch, None if patch is None else -1)
    if answers == "whole":
        return _with_whole_answer(example, clean, patch, tokenizer)
    right = _tokens(example.clean_prefix, example.clean_answers or (example.clean_answer,), example, tokenizer)
    if example.patch_prefix is None or example.patch_answer is None:
        return TokenExample(example, clean, right[0], clean_set=right if len(right) > 1 else ())
    other = _tokens(example.patch_prefix, example.patch_answers or (example.patch_answer,), example, tokenizer)
    sets = (right, other) if len(right) > 1 or len(other) > 1 else ((), ())
    return TokenExample(example, clean, right[0], patch, other[0], *sets)


def _with_whole_answer(
    example: Example, clean: tuple[int, ...], patch: tuple[int, ...] | None, tokenizer: Any
) -> TokenExample:
    """Put all tokens of the clean answer but its last behind both inputs: teacher forcing."""
    if len(example.clean_answers) > 1:
        raise DataError(
            f"{example.where}: several answers, but the metric reads one whole answer; give one or another metric"
        )
    answer = _continuation(example.clean_prefix, example.clean_answer, example, tokenizer)
    forced = answer[:-1]
    roles = (*example.roles, *("answer" for _ in forced)) if example.roles else ()
    other = None if patch is None else (*patch, *forced)
    return TokenExample(
        replace(example, roles=roles),
        (*clean, *forced),
        answer[0],
        other,
        None if patch is None else answer[0],
        whole=answer,
    )


def _tokens(prefix: str, texts: Sequence[str], example: Example, tokenizer: Any) -> tuple[int, ...]:
    """First and only token of each answer."""
    found = []
    for text in texts:
        rest = _continuation(prefix, text, example, tokenizer)
        if len(rest) > 1:
            raise _SeveralTokensError(
                f"{example.where}: the answer {text!r} is {len(rest)} tokens {_show(rest, tokenizer)}; it must be one, "
                "or the metric log-probability, which reads whole answers"
            )
        found.append(rest[0])
    return tuple(found)


def _continuation(prefix: str, answer: str, example: Example, tokenizer: Any) -> tuple[int, ...]:
    """Tokens of the answer as it stands behind its prefix (a tokenizer may add a space to a lone answer)."""
    start = _ids(prefix, tokenizer)
    whole = _ids(prefix + answer, tokenizer)
    rest = whole[len(start) :]
    if whole[: len(start)] != start or not rest:
        raise DataError(f"{example.where}: the answer {answer!r} merges with its prefix; does it lack a leading space?")
    if getattr(tokenizer, "unk_token_id", None) in rest:
        raise DataError(f"{example.where}: the answer {answer!r} is not in the model's vocabulary")
    return rest


def unknown_words(examples: Sequence[TokenExample], tokenizer: Any) -> str | None:
    """Return a line that warns of prompts with words that the tokenizer does not know; None where there are none."""
    unknown = getattr(tokenizer, "unk_token_id", None)
    # Where it is also the token that texts begin or end with, the vocabulary reaches every text.
    if unknown is None or unknown in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        return None
    found = [one for one in examples if unknown in one.clean or unknown in (one.patch or ())]
    if not found:
        return None
    return (
        f"warning: {len(found)} of {len(examples)} examples have words that the model does not know, and reads as "
        f"{tokenizer.unk_token} (first: {found[0].example.where})"
    )


def _ids(text: str, tokenizer: Any) -> tuple[int, ...]:
    ids = list(tokenizer(text)["input_ids"])
    if ids and ids[-1] == tokenizer.eos_token_id and ids[-1] != tokenizer.bos_token_id:
        ids.pop()  # some tokenizers close every text
    return tuple(ids)


def _show(ids: Sequence[int], tokenizer: Any) -> str:
    return str(list(tokenizer.convert_ids_to_tokens(list(ids))))
