"""Steps of the sliders: round, even on a log scale, each keeping what the queries keep."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuit_atlas.dashboard.thresholds import first_step, kept, spell, steps

MAGNITUDES = st.lists(st.floats(1e-9, 1e9).map(lambda value: -value) | st.floats(1e-9, 1e9), max_size=40)


def test_steps_go_from_everything_to_nothing_by_round_numbers() -> None:
    assert steps([0.011, -0.03]) == [0.0, 0.0125, 0.016, 0.02, 0.025, 0.032]
    assert steps([1.0]) == [0.0, 1.0]
    assert steps([]) == steps([0.0]) == [0.0]


@given(MAGNITUDES)
def test_the_first_step_keeps_all_and_the_last_nothing(values: list[float]) -> None:
    options = steps(values)

    assert options == sorted(set(options))
    assert kept(values, options[0]) == len(values)
    assert not values or kept(values, options[-1]) == 0


@given(MAGNITUDES, st.integers(1, 40))
def test_at_first_as_many_are_drawn_as_wanted_but_never_none(values: list[float], wanted: int) -> None:
    step = first_step(values, wanted)

    assert step in steps(values)
    if values:
        assert kept(values, step) > 0
        lower = [option for option in steps(values) if option < step]
        assert not lower or kept(values, lower[-1]) > wanted


@pytest.mark.parametrize(("threshold", "words"), [(0.0, "all"), (0.0125, "0.0125"), (20.0, "20")])
def test_thresholds_are_spelled_as_short_as_can_be(threshold: float, words: str) -> None:
    assert spell(threshold) == words
