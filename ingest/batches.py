"""Examples as tokens, in batches of equally long ones, so that nothing is ever padded."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from circuit_atlas.errors import DataError
from circuit_atlas.ingest.examples import Example


@dataclass(frozen=True)
class TokenExample:
    """One example as token ids; `example` is what it was made from."""

    example: Example
    clean: tuple[int, ...]
    clean_answer: int
    patch: tuple[int, ...] | None = None
    patch_answer: int | None = None


@dataclass(frozen=True)
class Batch:
    """Equally long examples.

    Attributes:
        clean: token ids.
        clean_answer: id of each right answer.
        patch: token ids of the counterfactuals; None: the other end is zero.
        patch_answer: id of each counterfactual's answer.
        indices: place of each example in the data.
        items: number of each example's item.

    """

    clean: Int[Tensor, "batch pos"]
    clean_answer: Int[Tensor, " batch"]
    patch: Int[Tensor, "batch pos"] | None
    patch_answer: Int[Tensor, " batch"] | None
    indices: Int[Tensor, " batch"]
    items: Int[Tensor, " batch"]

    def repeat(self, times: int) -> Batch:
        """Return the batch `times` times over, one after the other."""
        return self.take(torch.arange(len(self.clean), device=self.clean.device).repeat(times))

    def take(self, rows: Int[Tensor, " row"]) -> Batch:
        """Return some rows, in the order given; a row may come several times."""
        patch = None if self.patch is None else self.patch[rows]
        answer = None if self.patch_answer is None else self.patch_answer[rows]
        clean, right = self.clean[rows], self.clean_answer[rows]
        return Batch(clean, right, patch, answer, self.indices[rows], self.items[rows])


def tokenise(examples: Sequence[Example], tokenizer: Any) -> list[TokenExample]:
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
            found.append(_tokenise_one(example, tokenizer))
        except _SeveralTokensError as error:
            refused[str(error)] += 1
    if refused:
        more = sum(refused.values()) - 1
        raise DataError(next(iter(refused)) + (f" (and {more} more lines like it)" if more else ""))
    return found


class _SeveralTokensError(Exception):
    """An answer is not one token."""


def _tokenise_one(example: Example, tokenizer: Any) -> TokenExample:
    clean, answer = _prefix_and_answer(example.clean_prefix, example.clean_answer, example, tokenizer)
    if example.roles and len(example.roles) != len(clean):
        raise DataError(
            f"{example.where}: {len(example.roles)} roles for {len(clean)} tokens {_show(clean, tokenizer)}"
        )
    if example.patch_prefix is None or example.patch_answer is None:
        return TokenExample(example, clean, answer)
    patch, patch_answer = _prefix_and_answer(example.patch_prefix, example.patch_answer, example, tokenizer)
    if len(clean) != len(patch):
        raise DataError(
            f"{example.where}: clean_prefix has {len(clean)} tokens and patch_prefix {len(patch)}; they must agree"
        )
    return TokenExample(example, clean, answer, patch, patch_answer)


def _prefix_and_answer(prefix: str, answer: str, example: Example, tokenizer: Any) -> tuple[tuple[int, ...], int]:
    """Tokens of the prefix, and of the answer as it stands behind it (a tokenizer may add a space to a lone answer)."""
    start = _ids(prefix, tokenizer)
    whole = _ids(prefix + answer, tokenizer)
    rest = whole[len(start) :]
    if whole[: len(start)] != start or not rest:
        raise DataError(f"{example.where}: the answer {answer!r} merges with its prefix; does it lack a leading space?")
    if len(rest) > 1:
        raise _SeveralTokensError(
            f"{example.where}: the answer {answer!r} is {len(rest)} tokens {_show(rest, tokenizer)}; it must be one"
        )
    if rest[0] == getattr(tokenizer, "unk_token_id", None):
        raise DataError(f"{example.where}: the answer {answer!r} is not in the model's vocabulary")
    return start, rest[0]


def _ids(text: str, tokenizer: Any) -> tuple[int, ...]:
    ids = list(tokenizer(text)["input_ids"])
    if ids and ids[-1] == tokenizer.eos_token_id and ids[-1] != tokenizer.bos_token_id:
        ids.pop()  # some tokenizers close every text
    return tuple(ids)


def _show(ids: Sequence[int], tokenizer: Any) -> str:
    return str(list(tokenizer.convert_ids_to_tokens(list(ids))))


def demand_equal_length(examples: Sequence[TokenExample]) -> None:
    """Demand that all examples are equally long, as keeping positions needs.

    Raises:
        DataError: they are not; the lines that differ from the most frequent length are named.

    """
    usual = Counter(len(e.clean) for e in examples).most_common(1)[0][0]
    odd = [e for e in examples if len(e.clean) != usual]
    if odd:
        named = "; ".join(f"{e.example.where} has {len(e.clean)}" for e in odd[:3])
        more = f"; and {len(odd) - 3} more" if len(odd) > 3 else ""
        raise DataError(
            f"positions are kept, but not all prompts have {usual} tokens: {named}{more}; mend them or sum positions"
        )


def resample(examples: Sequence[TokenExample], seed: int) -> list[TokenExample]:
    """Give each example, as its other input, the clean input of one of another item that is equally long.

    Raises:
        DataError: all examples of one length are of one item.

    """
    rng = random.Random(seed)
    found = []
    for example in examples:
        others = [e for e in examples if len(e.clean) == len(example.clean) and e.example.item != example.example.item]
        if not others:
            raise DataError(
                f"{example.example.where}: no example of another item is as long, so none can be drawn for it"
            )
        found.append(replace(example, patch=rng.choice(others).clean))
    return found


def batches(
    examples: Sequence[TokenExample], size: int | Callable[[int], int], device: torch.device | str = "cpu"
) -> list[Batch]:
    """Group examples of equal length, those of one item side by side, into batches of at most `size` (of a length)."""
    numbers = {item: n for n, item in enumerate(dict.fromkeys(e.example.item for e in examples))}
    by_length: dict[int, list[int]] = defaultdict(list)
    for index in sorted(range(len(examples)), key=lambda i: numbers[examples[i].example.item]):
        by_length[len(examples[index].clean)].append(index)
    found = []
    for length, indices in by_length.items():
        most = size if isinstance(size, int) else size(length)
        for start in range(0, len(indices), most):
            found.append(_batch(examples, indices[start : start + most], numbers, device))
    return found


def _batch(
    examples: Sequence[TokenExample], indices: list[int], numbers: dict[str, int], device: torch.device | str
) -> Batch:
    chosen = [examples[i] for i in indices]
    is_pair, has_answers = chosen[0].patch is not None, chosen[0].patch_answer is not None
    return Batch(
        clean=torch.tensor([e.clean for e in chosen], device=device),
        clean_answer=torch.tensor([e.clean_answer for e in chosen], device=device),
        patch=torch.tensor([e.patch for e in chosen], device=device) if is_pair else None,
        patch_answer=torch.tensor([e.patch_answer for e in chosen], device=device) if has_answers else None,
        indices=torch.tensor(indices, device=device),
        items=torch.tensor([numbers[e.example.item] for e in chosen], device=device),
    )
