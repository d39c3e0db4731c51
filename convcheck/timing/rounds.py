"""Times two sides in turn, by torch's Timer, so that what else the machine does falls on both."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch.utils.benchmark import Timer, set_torch_threads, timer

from convcheck.results import Sides

BLOCK = 0.01
"""Seconds that a block of calls takes at least, beside which the clock's own error is small."""

SECONDS = 1.0
"""How long all rounds take, about, where the fewest do not take longer."""

FEWEST, MOST = 9, 101
"""Rounds: with the fewest, the interval of a ratio leaves its extremes out."""


ALIKE = 2
"""Sides whose blocks differ in length by no more than this factor get as many calls a block."""

GROWTH = 10
"""By how much a first look is made longer, step by step."""


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
    looks = [_look(timer) for timer in timers]
    numbers = [max(1, math.ceil(BLOCK / seconds)) for seconds in looks]
    # The first calls of a block meet what the other side left in the caches: alike where sides take about as long.
    if max(numbers) <= ALIKE * min(numbers):
        numbers = [max(numbers)] * 2
    total = sum(number * seconds for number, seconds in zip(numbers, looks, strict=True))
    rounds = min(max(FEWEST, math.ceil(SECONDS / total)), MOST)
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for side in (0, 1) if number % 2 else (1, 0):
            seconds[side].append(timers[side].timeit(numbers[side]).median)
    return Sides(*seconds)


def _look(timer: Timer) -> float:
    """Return the seconds of a call, about: of a block that is long enough, since a few calls take longer each.

    Every length is timed twice, since what interrupts a single call may take longer than a block.
    """
    number = 1
    while True:
        # A coarse clock may see none pass.
        seconds = max(min(float(timer.timeit(number).median) for _ in range(2)), 1e-9)
        wanted = math.ceil(BLOCK / seconds)
        if wanted <= number:
            return seconds
        number = min(wanted, GROWTH * number)
