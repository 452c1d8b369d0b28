"""Means and their standard errors over items: by hand, and against the formula with all values kept."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from circuit_atlas.ingest.moments import ItemMoments


def gather(values: Tensor, items: Tensor, batch: int) -> ItemMoments:
    moments = ItemMoments()
    for some, whose in zip(values.split(batch), items.split(batch), strict=True):
        moments.add(some, whose)
    return moments


def literal_error(values: Tensor, items: Tensor) -> Tensor:
    """Cluster-robust standard error of the mean: residuals summed item by item, squared, summed."""
    residuals = values.double() - values.double().mean(0)
    numbers = items.unique().tolist()
    squares = sum((residuals[items == number].sum(0) ** 2 for number in numbers), torch.zeros(values.shape[1:]))
    return (len(numbers) / (len(numbers) - 1) * squares).sqrt() / len(values)


def test_one_example_an_item_is_the_usual_standard_error() -> None:
    """Values 1, 2, 3, 6: mean 3, variance (4 + 1 + 0 + 9) / 3, over 4 examples."""
    moments = gather(torch.tensor([1.0, 2.0, 3.0, 6.0]), torch.arange(4), 2)

    assert float(moments.mean()) == 3.0
    assert float(moments.standard_error()) == pytest.approx(math.sqrt(14 / 3 / 4))


def test_examples_of_one_item_count_together() -> None:
    """Items {1, 3}, {5}: mean 3, residuals of the items -2 and 2, so sqrt(2/1 · (4 + 4)) / 3."""
    moments = gather(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([7, 7, 9]), 3)

    assert float(moments.mean()) == 3.0
    assert float(moments.standard_error()) == pytest.approx(4 / 3)


def test_repeating_every_example_does_not_make_the_mean_more_certain() -> None:
    values, items = torch.tensor([1.0, 2.0, 6.0]), torch.arange(3)
    once = gather(values, items, 3)
    tenfold = gather(values.repeat_interleave(10), items.repeat_interleave(10), 7)

    assert float(tenfold.standard_error()) == pytest.approx(float(once.standard_error()))


@pytest.mark.parametrize("batch", [1, 3, 4, 25])
def test_any_batching_gives_the_formula(batch: int) -> None:
    generator = torch.Generator().manual_seed(batch)
    items = torch.randint(0, 6, (25,), generator=generator).sort().values
    values = torch.randn(25, 2, 3, generator=generator) + items[:, None, None]
    moments = gather(values, items, batch)

    torch.testing.assert_close(moments.mean(), values.double().mean(0))
    torch.testing.assert_close(moments.standard_error(), literal_error(values, items))


def test_a_single_item_has_no_standard_error() -> None:
    moments = gather(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([5, 5]), 1)

    assert moments.mean().tolist() == [2.0, 3.0]
    assert moments.standard_error().isnan().all()


def test_equal_values_have_an_error_of_zero_and_not_of_rounding() -> None:
    moments = gather(torch.full((9,), 0.1), torch.arange(3).repeat_interleave(3), 2)

    assert float(moments.standard_error()) == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("examples_an_item", [1, 3])
def test_intervals_cover_what_they_say(examples_an_item: int) -> None:
    # 40 items about a known mean, with noise of item and of example; a thousand data sets at once.
    n_sets, n_items, truth = 1_000, 40, 0.7
    generator = torch.Generator().manual_seed(2)
    of_item = torch.randn(n_items, 1, n_sets, generator=generator)
    of_example = torch.randn(n_items, examples_an_item, n_sets, generator=generator)
    values = (truth + of_item + 0.5 * of_example).flatten(0, 1)
    items = torch.arange(n_items).repeat_interleave(examples_an_item)

    moments = ItemMoments()
    moments.add(values[:50], items[:50])  # an item may go on in the next batch
    moments.add(values[50:], items[50:])
    covered = (moments.mean() - truth).abs() <= 1.96 * moments.standard_error()

    assert 0.90 <= float(covered.double().mean()) <= 0.98
    # Taking repeated examples for independent would not: that is why items are the unit.
    naive = values.std(0) / len(values) ** 0.5
    if examples_an_item > 1:
        assert float(((values.mean(0) - truth).abs() <= 1.96 * naive).double().mean()) < 0.90


@pytest.mark.parametrize("told", [False, True])
def test_examples_of_an_item_may_come_in_any_order(told: bool) -> None:
    generator = torch.Generator().manual_seed(4)
    items = torch.randint(0, 5, (23,), generator=generator)
    values = torch.randn(23, 3, generator=generator) + items[:, None]
    moments = ItemMoments(Counter(items.tolist()) if told else None)
    for some, whose in zip(values.split(4), items.split(4), strict=True):
        moments.add(some, whose)

    torch.testing.assert_close(moments.mean(), values.double().mean(0))
    torch.testing.assert_close(moments.standard_error(), literal_error(values, items))
