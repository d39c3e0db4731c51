"""Slices of an output: what is compared entry by entry is compared in pieces that a processor's caches hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from torch import Tensor

from convcheck.proof.batch import PART
from convcheck.sizes.patterns import Shape

T = TypeVar("T", Tensor, float, Tensor | float)


class Slice(NamedTuple):
    """The entries `start` to `stop` along an axis, counted from the last one as -1. Whole axes lie before it."""

    axis: int
    start: int
    stop: int

    def of(self, values: T) -> T:
        """Return the part of a number, or of a tensor that broadcasts to the output."""
        if not isinstance(values, Tensor) or values.dim() < -self.axis or values.shape[self.axis] == 1:
            return values
        return values.narrow(self.axis, self.start, self.stop - self.start)

    def place(self, rank: int) -> Shape:
        """Return the index of its first entry in an output of so many axes."""
        return tuple(self.start if axis - rank == self.axis else 0 for axis in range(rank))


def slices(shape: Shape) -> Iterator[Slice]:
    """Yield slices of an output along its first axis of more than one entry, in order, each of `PART` values or so."""
    first = next((axis for axis, length in enumerate(shape) if length > 1), 0)
    if not shape:
        yield Slice(-1, 0, 1)
        return
    length = shape[first]
    step = max(1, PART * length // math.prod(shape))
    for start in range(0, length, step):
        yield Slice(first - len(shape), start, min(start + step, length))
