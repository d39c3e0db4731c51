"""Which positions along an axis of a chain's input an output depends on, step by step.

Formulas: A. Araujo, W. Norris and J. Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019:
a layer adds (span - 1) * jump to the field, and multiplies the jump by its stride. A transposed layer divides the jump
by its stride; which positions its outputs read differs from one to the next, and repeats after `phases` outputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from convcheck.sizes.limits import MAX_PHASES
from convcheck.sizes.windows import Step, TransposedWindow, Window, span

Ends = tuple[int, int] | None
"""The first and the last position that an output reads; None where it reads none, as between spread inputs."""


class Bounds(NamedTuple):
    """Steps of one kind, which amount to one.

    Outputs that are w apart read inputs that are `stride * w + reach` apart at most, and `(w + reach) // stride` where
    inputs are `spread`.
    """

    spread: bool
    stride: int
    reach: int
    before: Bounds | None


@dataclass(frozen=True)
class Path:
    """What several steps along one axis amount to. `then` takes time that does not depend on how many they were.

    `ends` has those of as many outputs as it takes until the pattern repeats, `jump` further on for every output; None
    where these are too many. `bounds` has what is known then, the last step first.
    """

    jump: Fraction = Fraction(1)
    ends: tuple[Ends, ...] | None = ((0, 0),)
    bounds: Bounds | None = None

    @property
    def field(self) -> int:
        """The largest number of positions from the first to the last, both counted, far from the borders.

        Where the pattern repeats after hundreds of outputs only, it may be less than what is returned.
        """
        if self.ends is None:
            return self._at_most()
        return max((last - first + 1 for first, last in filter(None, self.ends)), default=0)

    def then(self, step: Step) -> Path:
        """Return the path with another step."""
        reach, spread, before = span(step.kernel, step.dilation) - 1, isinstance(step, TransposedWindow), self.bounds
        if before is None or before.spread != spread:
            bounds = Bounds(spread, step.stride, reach, before)
        elif spread:
            bounds = Bounds(spread, before.stride * step.stride, reach + step.stride * before.reach, before.before)
        else:
            bounds = Bounds(spread, before.stride * step.stride, before.stride * reach + before.reach, before.before)
        if isinstance(step, TransposedWindow):
            return Path(self.jump / step.stride, self._through_transposed(step), bounds)
        return Path(self.jump * step.stride, self._through_window(step), bounds)

    def _at_most(self) -> int:
        """Return an upper bound of the field, from the spans and strides of the steps alone."""
        width, bounds = 0, self.bounds
        while bounds is not None:
            width = (width + bounds.reach) // bounds.stride if bounds.spread else bounds.stride * width + bounds.reach
            bounds = bounds.before
        return width + 1

    def _through_window(self, step: Window) -> tuple[Ends, ...] | None:
        """Return the ends of what a window reads: output m reads the outputs s*m + d*k - p of the steps before."""
        if self.ends is None:
            return None
        # After so many taps, the pattern is at its beginning again.
        some, phases = min(step.kernel, len(self.ends)), len(self.ends) // math.gcd(len(self.ends), step.stride)
        starts = (step.stride * output - step.before for output in range(phases))
        return tuple(self._over(start, step.dilation, step.kernel, some) for start in starts)

    def _through_transposed(self, step: TransposedWindow) -> tuple[Ends, ...] | None:
        """Return the same for a spread input: output m reads all outputs n before it with s*n + d*k - p = m."""
        if self.ends is None or (phases := len(self.ends) * step.stride) > MAX_PHASES:
            return None
        # Taps of one output lie `apart`, and are at inputs that lie `between`.
        common = math.gcd(step.stride, step.dilation)
        apart, between = step.stride // common, step.dilation // common
        taps = {step.dilation * tap % step.stride: tap for tap in range(min(step.kernel, apart))}
        ends: list[Ends] = []
        for output in range(phases):
            shifted = output + step.padding
            tap = taps.get(shifted % step.stride)
            if tap is None:
                ends.append(None)
                continue
            count = (step.kernel - 1 - tap) // apart + 1
            low = (shifted - step.dilation * (tap + (count - 1) * apart)) // step.stride
            ends.append(self._over(low, between, count, min(count, len(self.ends))))
        return tuple(ends)

    def _over(self, start: int, by: int, count: int, some: int) -> Ends:
        """Return the ends of what `count` outputs read together, `by` apart from `start` on.

        The first is among the first `some`, and the last among the last, since all else is further on.
        """
        first = [ends[0] for ends in self._ends(range(start, start + some * by, by))]
        if not first:
            return None
        end = start + count * by
        return min(first), max(ends[1] for ends in self._ends(range(end - some * by, end, by)))

    def _ends(self, outputs: range) -> Iterator[tuple[int, int]]:
        assert self.ends is not None
        phases = len(self.ends)
        period = int(self.jump * phases)
        for output in outputs:
            ends = self.ends[output % phases]
            if ends is not None:
                yield ends[0] + output // phases * period, ends[1] + output // phases * period


START = Path()
"""No step yet: every output is a position of the input."""
