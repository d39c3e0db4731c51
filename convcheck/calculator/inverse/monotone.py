"""One axis backwards. A length is found by halving, with the very function that is used forwards."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

from convcheck.calculator.inverse.ranges import Lengths, Ranges, joined
from convcheck.sizes.limits import MAX_INT64


@dataclass(frozen=True)
class Monotone:
    """A function of whole numbers from `least` to `most` that never falls; or, where `falls`, never rises."""

    of: Callable[[int], int]
    least: int = 1
    most: int = MAX_INT64
    falls: bool = False

    def reaching(self, ranges: Ranges) -> Ranges:
        """Return every argument for which the function's value is in the ranges."""
        if self.falls:
            return self._turned().reaching(tuple((-last, -first) for first, last in reversed(ranges)))
        # What lies before the first argument that goes beyond the range gives what is in it, or less.
        return joined((self._first(first), self._first(last + 1) - 1) for first, last in ranges)

    def before(self, lengths: Lengths) -> Lengths:
        """Return every argument that gives one of these lengths; any, if any length will do."""
        return None if lengths is None else self.reaching(lengths)

    def beside(self, value: int) -> tuple[int, ...]:
        """Return the last argument for which the function stays on this side of a value, and the first beyond it.

        Where there is none on a side, it is left out.
        """
        if self.falls:
            return self._turned().beside(-value)
        first = self._first(value)
        return tuple(number for number in (first - 1, first) if self.least <= number <= self.most)

    def _turned(self) -> Monotone:
        return Monotone(lambda number: -self.of(number), self.least, self.most)

    def _first(self, value: int) -> int:
        """Return the first argument whose value is at least so much, or the one after `most`."""
        if self.most < self.least:
            return self.most + 1
        return self.least + bisect_left(range(self.least, self.most + 1), value, key=self.of)
