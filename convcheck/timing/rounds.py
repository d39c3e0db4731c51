"""Times two sides in turn, by torch's Timer, so that what else the machine does falls on both."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch.utils.benchmark import Timer, set_torch_threads, timer

from convcheck.results import Sides

BLOCK = 0.005
"""Seconds that a block of calls takes at least, beside which the clock's own error is small."""

SECONDS = 1.0
"""How long all rounds take, about, where the fewest do not take longer."""

FEWEST, MOST = 9, 101
"""Rounds: with the fewest, the interval of a ratio leaves its extremes out."""


def first_call(run: Callable[[], object], threads: int) -> float:
    """Return the seconds of one call, without any before it."""
    with set_torch_threads(threads):
        start = timer()
        run()
        return float(timer() - start)


def interleaved(runs: Sides[Callable[[], object]], threads: int) -> Sides[list[float]]:
    """Return the seconds of a call of both sides, round by round; either one begins every other round.

    How many rounds there are depends on a first look at how long a call takes, and on nothing that is seen later.
    """
    timers = [Timer("run()", globals={"run": run}, num_threads=threads) for run in (runs.reference, runs.candidate)]
    looks = [timer.timeit(1).median for timer in timers]
    numbers = [max(1, math.ceil(BLOCK / seconds)) for seconds in looks]
    total = sum(number * seconds for number, seconds in zip(numbers, looks, strict=True))
    rounds = min(max(FEWEST, math.ceil(SECONDS / total)), MOST)
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for side in (0, 1) if number % 2 else (1, 0):
            seconds[side].append(timers[side].timeit(numbers[side]).median)
    return Sides(*seconds)
