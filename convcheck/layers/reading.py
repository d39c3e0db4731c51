"""Which input positions one output position depends on, along one axis and through any number of layers.

Formulas: A. Araujo, W. Norris and J. Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019:
a layer adds (span - 1) * jump to the field, and multiplies the jump by its stride. A transposed layer divides the jump
by its stride; how many positions its outputs read differs from one to the next, and the largest number counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction

from convcheck.layers.arithmetic import Spread, Window, span
from convcheck.records import record

_MOST_PHASES = 512
"""Output positions that are looked at one by one. After so many, most chains repeat themselves."""


@record
class Gather:
    """Output m reads the inputs from `stride * m - before` to `reach` positions further on."""

    reach: int
    stride: int
    before: int

    @classmethod
    def of(cls, window: Window) -> Gather:
        """Return what a window reads, whatever is between its taps."""
        return cls(span(window.kernel, window.dilation) - 1, window.stride, window.before)

    def then(self, after: Gather) -> Gather:
        """Return both as one, `after` reading this one's outputs."""
        return Gather(
            self.reach + self.stride * after.reach, self.stride * after.stride, self.before + self.stride * after.before
        )

    def read(self, first: int, last: int) -> tuple[int, int]:
        """Return the first and the last input that outputs from `first` to `last` read."""
        return self.stride * first - self.before, self.stride * last - self.before + self.reach


Step = Gather | Spread


def jump(path: Iterable[Step]) -> Fraction:
    """Return how far apart, in positions of the input, the windows of two neighbouring outputs begin."""
    found = Fraction(1)
    for step in path:
        found *= Fraction(1, step.stride) if isinstance(step, Spread) else step.stride
    return found


def field(path: Iterable[Step]) -> int:
    """Return the receptive field: from the first to the last input that an output depends on, both counted.

    It is the largest of any output far from the borders. Where dilated transposed layers leave holes, or the pattern
    repeats after hundreds of outputs only, it may be less than what is returned.
    """
    steps = list(_joined(path))
    period = _period(steps)
    holes = (step.stride // math.gcd(step.stride, step.dilation) for step in steps if isinstance(step, Spread))
    if max(period, *holes, 1) > _MOST_PHASES:
        return _at_most(steps)
    return max(_read(steps, phase) for phase in range(period))


def _joined(path: Iterable[Step]) -> Iterator[Step]:
    """Yield the steps, with every run of windows as one."""
    run: Gather | None = None
    for step in path:
        if isinstance(step, Gather):
            run = step if run is None else run.then(step)
            continue
        if run is not None:
            yield run
        run = None
        yield step
    if run is not None:
        yield run


def _period(steps: list[Step]) -> int:
    """Return after how many outputs the inputs that are read have the same pattern again."""
    period, distance = 1, Fraction(1)
    for step in reversed(steps):
        distance *= Fraction(1, step.stride) if isinstance(step, Spread) else step.stride
        period = math.lcm(period, distance.denominator)
    return period


def _read(steps: list[Step], output: int) -> int:
    """Return how many positions one output reads, holes between them counted; 0 if it reads none."""
    first = last = output
    for step in reversed(steps):
        if isinstance(step, Gather):
            first, last = step.read(first, last)
            continue
        ends = _spread_to(step, first, last)
        if ends is None:
            return 0
        first, last = ends
    return last - first + 1


def _spread_to(step: Spread, first: int, last: int) -> tuple[int, int] | None:
    """Return the first and the last input that reach the outputs from `first` to `last`, if any does.

    Input n reaches the outputs s*n + d*k - p: the first one does by its last tap that hits, and the last by its first.
    """
    # Taps further apart than this hit the same outputs again.
    taps = min(step.kernel, step.stride // math.gcd(step.stride, step.dilation))
    low = _hit(step, first, last, range(step.kernel - 1, step.kernel - 1 - taps, -1))
    high = _hit(step, first, last, range(taps))
    if not low or not high:
        return None
    return min(low), max(high)


def _hit(step: Spread, first: int, last: int, taps: range) -> tuple[int, int] | None:
    for tap in taps:
        shift = step.padding - step.dilation * tap
        low, high = -(-(first + shift) // step.stride), (last + shift) // step.stride
        if low <= high:
            return low, high
    return None


def _at_most(steps: list[Step]) -> int:
    """Return a bound, from the number of positions alone that are read of each layer."""
    width = 0
    for step in reversed(steps):
        if isinstance(step, Gather):
            width = step.stride * width + step.reach
        else:
            width = (width + span(step.kernel, step.dilation) - 1) // step.stride
    return width + 1
