"""Intervals hold the true ratio as often as they say, and what includes 1 is no difference."""

from __future__ import annotations

import math
import random

import pytest

from convcheck.timing.intervals import FEWEST, Said, Spread, middle_half, ratio_interval, say


def drawn(rounds: int, ratio: float, generator: random.Random) -> tuple[list[float], list[float]]:
    """Draw seconds of both sides: what a round suffers falls on both, and now and then on one alone."""
    loads = [generator.lognormvariate(0, 0.5) for _ in range(rounds)]

    def side(seconds: float) -> list[float]:
        hiccups = (1 + 5 * (generator.random() < 0.05) for _ in loads)
        return [
            seconds * load * hiccup * generator.lognormvariate(0, 0.05)
            for load, hiccup in zip(loads, hiccups, strict=True)
        ]

    return side(1e-3 * ratio), side(1e-3)


@pytest.mark.parametrize("rounds", [6, 9, 24, 101])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.02, 7.0])
def test_the_interval_holds_the_true_ratio_as_often_as_it_says(rounds: int, ratio: float) -> None:
    generator, runs = random.Random(0), 400
    intervals = [ratio_interval(*drawn(rounds, ratio, generator)) for _ in range(runs)]
    held = sum(interval.low <= ratio <= interval.high for interval in intervals)
    # Three standard deviations of a count of 95 %.
    assert held >= 0.95 * runs - 3 * math.sqrt(0.95 * 0.05 * runs)
    assert all(interval.low <= interval.median <= interval.high for interval in intervals)


@pytest.mark.parametrize("rounds", range(FEWEST, 102))
def test_the_interval_leaves_out_as_many_rounds_as_it_may_and_no_more(rounds: int) -> None:
    interval = ratio_interval([float(number) for number in range(1, rounds + 1)], [1.0] * rounds)

    def missed(below: int) -> float:
        """Return how likely fewer than `below` of the rounds are on one side of the median, or on the other."""
        return 2 * sum(math.comb(rounds, few) for few in range(below)) / 2**rounds

    assert missed(int(interval.low)) <= 0.05 < missed(int(interval.low) + 1)
    assert interval.high == rounds + 1 - interval.low


def test_more_rounds_make_an_interval_shorter() -> None:
    generator = random.Random(0)
    few, many = (ratio_interval(*drawn(rounds, 2.0, generator)) for rounds in (9, 101))
    assert many.high / many.low < few.high / few.low


def test_what_falls_on_both_sides_of_a_round_leaves_the_ratio_as_it_is() -> None:
    loads = [1.0, 9.0, 1.0, 4.0, 2.0, 30.0, 1.0, 1.0, 3.0]
    assert ratio_interval([3 * load for load in loads], [2 * load for load in loads]) == (1.5, 1.5, 1.5)


def test_identical_samples_are_no_difference() -> None:
    seconds = [1.0, 2.0, 1.5, 1.2, 3.0, 1.1, 1.3]
    assert say(ratio_interval(seconds, seconds)) is Said.NO_DIFFERENCE


@pytest.mark.parametrize("count", range(FEWEST))
def test_too_few_rounds_have_no_interval(count: int) -> None:
    with pytest.raises(ValueError, match="rounds; an interval takes"):
        ratio_interval([1.0] * count, [1.0] * count)


def test_rounds_are_pairs() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratio_interval([1.0] * 9, [1.0] * 8)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (1.01, 1.2, "faster"),
        (1.0, 1.2, "no difference"),
        (0.9, 1.1, "no difference"),
        (0.8, 1.0, "no difference"),
        (0.8, 0.99, "slower"),
    ],
)
def test_an_interval_that_holds_1_is_no_difference(low: float, high: float, said: str) -> None:
    assert say(Spread((low + high) / 2, low, high)) == said


def test_half_of_the_values_lie_between_the_quartiles() -> None:
    assert middle_half([5.0, 1.0, 2.0, 4.0, 3.0]) == (3.0, 2.0, 4.0)
