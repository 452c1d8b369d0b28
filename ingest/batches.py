"""Examples in batches of equally long ones, so that nothing is ever padded."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from circuit_atlas.errors import DataError
from circuit_atlas.ingest.examples import Example


@dataclass(frozen=True)
class TokenExample:
    """One example as token ids.

    Attributes:
        example: what it was made from.
        clean: the prompt; where whole answers are read, with all tokens of the clean answer but its last.
        clean_answer: first token of the right answer; -1 where none is read.
        patch: the counterfactual, with the same tokens behind it.
        patch_answer: first token of its answer.
        clean_set: tokens that are right, where there are several.
        patch_set: likewise.
        whole: all tokens of the clean answer, where it is read whole.
        places: number of the role of each position, where nodes are aligned by role.

    """

    example: Example
    clean: tuple[int, ...]
    clean_answer: int
    patch: tuple[int, ...] | None = None
    patch_answer: int | None = None
    clean_set: tuple[int, ...] = ()
    patch_set: tuple[int, ...] = ()
    whole: tuple[int, ...] = ()
    places: tuple[int, ...] = ()


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
        clean_set: ids of all right answers of each example, -1 behind them; None: `clean_answer` alone.
        patch_set: likewise.
        targets: id that each position is to predict, -1 where none is read; None: `clean_answer` at the last position.
        places: number of the role of each position, where nodes are aligned by role; None: a position is its own place.
        reference: log-probabilities at the last position of the clean input, where the metric compares with them.

    """

    clean: Int[Tensor, "batch pos"]
    clean_answer: Int[Tensor, " batch"]
    patch: Int[Tensor, "batch pos"] | None
    patch_answer: Int[Tensor, " batch"] | None
    indices: Int[Tensor, " batch"]
    items: Int[Tensor, " batch"]
    clean_set: Int[Tensor, "batch answer"] | None = None
    patch_set: Int[Tensor, "batch answer"] | None = None
    targets: Int[Tensor, "batch pos"] | None = None
    places: Int[Tensor, "batch pos"] | None = None
    reference: Float[Tensor, "batch d_vocab"] | None = None

    def repeat(self, times: int) -> Batch:
        """Return the batch `times` times over, one after the other."""
        return self.take(torch.arange(len(self.clean), device=self.clean.device).repeat(times))

    def take(self, rows: Int[Tensor, " row"]) -> Batch:
        """Return some rows, in the order given; a row may come several times."""
        taken: dict[str, Any] = {name: None if t is None else t[rows] for name, t in vars(self).items()}
        return Batch(**taken)

    def to(self, device: torch.device | str) -> Batch:
        """Return it on another device."""
        moved: dict[str, Any] = {name: None if t is None else t.to(device) for name, t in vars(self).items()}
        return Batch(**moved)


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
            f"positions are kept, but not all prompts have {usual} tokens: {named}{more}; mend them, or let "
            "nodes act at every position (sum) or at the role of each token (role), not at their own (keep)"
        )


def demand_context(examples: Sequence[TokenExample], most: int | None) -> None:
    """Demand that no example has more tokens than the model reads (None: unknown).

    Raises:
        DataError: one has; its line is named.

    """
    for one in examples:
        if most is not None and len(one.clean) > most:
            raise DataError(
                f"{one.example.where}: {len(one.clean)} tokens, but the model's context holds {most}; shorten it"
            )


def demand_unequal_answers(examples: Sequence[TokenExample]) -> None:
    """Demand that the answers of each pair are different tokens, as a difference between them needs.

    Raises:
        DataError: those of one are the same; its line is named.

    """
    for one in examples:
        clean, patch = set(one.clean_set or (one.clean_answer,)), set(one.patch_set or (one.patch_answer,))
        if clean == patch:
            raise DataError(
                f"{one.example.where}: clean_answer and patch_answer are the same, so their logit difference is always "
                "zero; mend the line, or take a metric of one answer, such as negative-logit"
            )


def resample(examples: Sequence[TokenExample], seed: int) -> list[TokenExample]:
    """Give each example, as its other input, the clean input of one of another item that is equally long.

    Raises:
        DataError: all examples of one length are of one item.

    """
    rng = random.Random(seed)
    found = []
    for example in examples:
        alike = [e for e in examples if (len(e.clean), len(e.whole)) == (len(example.clean), len(example.whole))]
        others = [e for e in alike if e.example.item != example.example.item]
        if not others:
            raise DataError(
                f"{example.example.where}: no example of another item is as long, so none can be drawn for it"
            )
        prompt = len(example.clean) - max(0, len(example.whole) - 1)
        found.append(replace(example, patch=rng.choice(others).clean[:prompt] + example.clean[prompt:]))
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
    has_sets, is_whole = any(e.clean_set or e.patch_set for e in examples), bool(chosen[0].whole)
    return Batch(
        clean=torch.tensor([e.clean for e in chosen], device=device),
        clean_answer=torch.tensor([e.clean_answer for e in chosen], device=device),
        patch=torch.tensor([e.patch for e in chosen], device=device) if is_pair else None,
        patch_answer=torch.tensor([e.patch_answer for e in chosen], device=device) if has_answers else None,
        indices=torch.tensor(indices, device=device),
        items=torch.tensor([numbers[e.example.item] for e in chosen], device=device),
        clean_set=_filled([e.clean_set or (e.clean_answer,) for e in chosen], device) if has_sets else None,
        patch_set=_filled([e.patch_set or (e.patch_answer or 0,) for e in chosen], device)
        if has_sets and has_answers
        else None,
        targets=torch.tensor([(-1,) * (len(e.clean) - len(e.whole)) + e.whole for e in chosen], device=device)
        if is_whole
        else None,
        places=torch.tensor([e.places for e in chosen], device=device) if chosen[0].places else None,
    )


def _filled(rows: Sequence[tuple[int, ...]], device: torch.device | str) -> Int[Tensor, "batch answer"]:
    """Rows as one tensor, -1 behind the shorter."""
    width = max(map(len, rows))
    return torch.tensor([(*row, *(-1,) * (width - len(row))) for row in rows], device=device)


def with_places(examples: Sequence[TokenExample], roles: Sequence[str]) -> list[TokenExample]:
    """Number the role of each position, by the place of its name in `roles`.

    Raises:
        DataError: an example does not name the role of each of its tokens.

    """
    number = {role: place for place, role in enumerate(roles)}
    found = []
    for one in examples:
        if len(one.example.roles) != len(one.clean):
            raise DataError(
                f"{one.example.where}: positions are aligned by role, but it has no 'roles': name one for each of its "
                f"{len(one.clean)} tokens, or sum positions"
            )
        found.append(replace(one, places=tuple(number[role] for role in one.example.roles)))
    return found


def roles_of(examples: Sequence[TokenExample]) -> list[str]:
    """All roles in the order in which they first come."""
    return list(dict.fromkeys(role for one in examples for role in one.example.roles))
