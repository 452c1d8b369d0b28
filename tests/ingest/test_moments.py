"""Means and their standard errors over items: by hand, and against the formula with all values kept."""

from __future__ import annotations

import math

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
