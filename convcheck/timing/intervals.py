"""Medians and intervals of what was timed. Imports no torch."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

CONFIDENCE = 0.95
"""How often an interval holds the true median of the ratios, at least."""

FEWEST = 6
"""Rounds without which not even the least and the largest ratio hold the median so often."""


class Spread(NamedTuple):
    """A median, and two values around it."""

    median: float
    low: float
    high: float


class Said(StrEnum):
    """What an interval says of the candidate."""

    FASTER = "faster"
    SLOWER = "slower"
    NO_DIFFERENCE = "no difference"


def middle_half(values: Sequence[float]) -> Spread:
    """Return the median, and the quartiles, between which half of the values lie."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


def ratio_interval(references: Sequence[float], candidates: Sequence[float]) -> Spread:
    """Return the median of reference / candidate, round by round, with its 95 % interval.

    The interval is that of order statistics, which holds whatever the ratios are distributed like (David and Nagaraja,
    Order Statistics, 7.1).

    Raises:
        ValueError: there are fewer rounds than FEWEST, or not as many of both.
    """
    ratios = sorted(ours / theirs for ours, theirs in zip(references, candidates, strict=True))
    place = _rank(len(ratios))
    return Spread(statistics.median(ratios), ratios[place - 1], ratios[-place])


def _rank(count: int) -> int:
    """Return the largest k with which the k-th value from below and from above enclose the median often enough."""
    if count < FEWEST:
        raise ValueError(f"{count} rounds; an interval takes {FEWEST}")
    # The median is outside where fewer than k of the values are on one side of it, each by chance.
    missed, place = 0.0, 0
    while True:
        missed += 2 * math.comb(count, place) / 2**count
        if missed > 1 - CONFIDENCE:
            return place
        place += 1


def say(ratio: Spread) -> Said:
    """Return what a ratio with its interval says; an interval that holds 1 says nothing."""
    if ratio.low <= 1 <= ratio.high:
        return Said.NO_DIFFERENCE
    return Said.FASTER if ratio.low > 1 else Said.SLOWER
