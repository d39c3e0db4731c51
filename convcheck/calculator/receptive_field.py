"""Which input positions one output position depends on, along one axis and through any number of layers.

Formulas: A. Araujo, W. Norris and J. Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019:
a layer adds (span - 1) * jump to the field, and multiplies the jump by its stride. A transposed layer divides the jump
by its stride; which positions its outputs read differs from one to the next, so they are followed, and the most counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from convcheck.sizes.windows import Step, TransposedWindow, Window, span

_MOST_PHASES = 512
"""Output positions that are looked at one by one. After so many, most chains repeat themselves."""

_MOST_PARTS = 50_000
"""Runs of positions that are followed before a bound has to do."""

Run = tuple[int, int]
"""From the first to the last of neighbouring positions."""


class _TooManyError(Exception):
    """There are more runs of positions than are followed."""


def jump(path: Iterable[Step]) -> Fraction:
    """Return how far apart, in positions of the input, the windows of two neighbouring outputs begin."""
    found = Fraction(1)
    for step in path:
        found *= Fraction(1, step.stride) if isinstance(step, TransposedWindow) else step.stride
    return found


def field(path: Iterable[Step]) -> int:
    """Return the receptive field: from the first to the last input that an output depends on, both counted.

    It is the largest of any output far from the borders. Where the pattern repeats after hundreds of outputs only, or
    is of thousands of holes, it may be less than what is returned.
    """
    steps = list(path)
    period = _period(steps)
    if all(isinstance(step, Window) for step in steps) or period > _MOST_PHASES:
        # Of windows alone, this is no bound but the number itself: all of them have a first and a last tap.
        return _at_most(steps)
    try:
        parts = [0]
        return max(_read(steps, phase, parts) for phase in range(period))
    except _TooManyError:
        return _at_most(steps)


def _period(steps: Sequence[Step]) -> int:
    """Return after how many outputs the inputs that are read have the same pattern again."""
    period, distance = 1, Fraction(1)
    for step in reversed(steps):
        distance *= Fraction(1, step.stride) if isinstance(step, TransposedWindow) else step.stride
        period = math.lcm(period, distance.denominator)
    return period


def _read(steps: Sequence[Step], output: int, parts: list[int]) -> int:
    """Return from where to where one output reads, 0 if it reads nothing. `parts` counts what was followed."""
    runs = [(output, output)]
    for step in reversed(steps):
        inputs: list[Run] = []
        for run in runs:
            for found in (
                _through_spread(step, run) if isinstance(step, TransposedWindow) else _through_window(step, run)
            ):
                inputs.append(found)
                parts[0] += 1
                if parts[0] > _MOST_PARTS:
                    raise _TooManyError
        runs = _merged(inputs)
    return runs[-1][1] - runs[0][0] + 1 if runs else 0


def _through_window(step: Window, run: Run) -> Iterator[Run]:
    """Yield the inputs that neighbouring outputs read: output m reads s*m + d*k - p."""
    first, last = (step.stride * end - step.before for end in run)
    if step.dilation == 1 and (step.kernel >= step.stride or first == last):
        yield first, last + step.kernel - 1
    elif step.stride == 1:
        yield from ((first + tap, last + tap) for tap in _taps(step))
    else:
        yield from ((at + tap, at + tap) for at in range(first, last + 1, step.stride) for tap in _taps(step))


def _through_spread(step: TransposedWindow, run: Run) -> Iterator[Run]:
    """Yield the inputs that neighbouring outputs read: output m reads all n with s*n + d*k - p = m."""
    if step.dilation == 1:
        ends = [(run[0] + step.padding - step.kernel + 1, run[1] + step.padding)]
    else:
        ends = [(run[0] + step.padding - tap, run[1] + step.padding - tap) for tap in _taps(step)]
    for low, high in ends:
        first, last = -(-low // step.stride), high // step.stride
        if first <= last:
            yield first, last


def _taps(step: Step) -> range:
    if step.kernel > _MOST_PARTS:
        raise _TooManyError
    return range(0, step.dilation * step.kernel, step.dilation)


def _merged(runs: list[Run]) -> list[Run]:
    found: list[Run] = []
    for first, last in sorted(runs):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def _at_most(steps: Sequence[Step]) -> int:
    """Return a bound, from the number of positions alone that are read of each layer."""
    width = 0
    for step in reversed(steps):
        reach = span(step.kernel, step.dilation) - 1
        width = step.stride * width + reach if isinstance(step, Window) else (width + reach) // step.stride
    return width + 1
