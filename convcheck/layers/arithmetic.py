"""The sizes of windows along one axis. All lengths are in positions.

Formulas: torch.nn.Conv2d, torch.nn.ConvTranspose2d and torch.nn.MaxPool2d, section "Shape"; V. Dumoulin and F. Visin,
"A guide to convolution arithmetic for deep learning", 2016, relationships 6, 8 and 14.
"""

from __future__ import annotations

import math
from typing import cast

from convcheck.layers.lengths import Length, UndecidedError, as_formula
from convcheck.layers.text import put
from convcheck.records import record


def span(kernel: int, dilation: int) -> int:
    """Return how many positions a dilated kernel reaches over."""
    return dilation * (kernel - 1) + 1


def along(value: int | tuple[int, ...], dims: int) -> tuple[int, ...]:
    """Return one number for every axis, where a single one may stand for all of them."""
    values = (value,) if isinstance(value, int) else value
    return values * dims if len(values) == 1 else values


@record
class Window:
    """A convolution along one axis; `before` and `after` are the padding on either side."""

    kernel: int
    stride: int
    dilation: int
    before: int
    after: int

    def outputs(self, length: int) -> int:
        """`floor((n + p - d*(k-1) - 1) / s) + 1`; below 1 where the kernel does not fit."""
        return (length + self.before + self.after - span(self.kernel, self.dilation)) // self.stride + 1

    def outputs_rounded_up(self, length: int) -> int:
        """`ceil((n + p - d*(k-1) - 1) / s) + 1`: a last window may reach beyond the end.

        Unless it would start there: a window starts in the input or in the padding before it.
        """
        # floor((n + before - 1) / s) + 1 windows begin before the end. Written as a floor, the ceiling is one of
        # n and a number, too, and the smaller number decides.
        up = self.before + self.after - span(self.kernel, self.dilation) + self.stride - 1
        return (length + min(up, self.before - 1)) // self.stride + 1

    def formula(self, length: int) -> str:
        """Write `outputs` with the numbers put in."""
        return f"floor({self._room(length)} / {self.stride}) + 1"

    def formula_rounded_up(self, length: int) -> str:
        """Write `outputs_rounded_up` with the numbers put in."""
        begin = f"ceil(({put(length)} + {self.before}) / {self.stride})"
        return f"min(ceil({self._room(length)} / {self.stride}) + 1, {begin})"

    def _room(self, length: int) -> str:
        pads = f"2*{self.before}" if self.before == self.after else f"{self.before} + {self.after}"
        return f"({put(length)} + {pads} - {self.dilation}*({self.kernel} - 1) - 1)"

    def several(self) -> int:
        """Return a length with three windows, and a remainder that the stride does not use up; at least 1."""
        reach = span(self.kernel, self.dilation) + 2 * self.stride + min(1, self.stride - 1)
        return max(1, reach - self.before - self.after)

    def dropped(self, length: int, outputs: int, mode: str) -> int:
        """Return how many trailing positions the first windows, `outputs` of them, never read.

        Neither directly nor as a copy in the padding.
        """
        formula = as_formula(length)
        if formula is not None:
            return self._dropped_by_formula(formula, outputs)
        begin, end = self.before, self.before + length
        total = end + self.after
        read = [at - begin for at in self._last(begin, end, outputs)]
        # Padding repeats positions of the input; of the copies in it, the one of the latest position counts.
        if mode == "circular":
            read += [at - begin + length for at in self._last(0, begin, outputs)]
            read += [at - end for at in self._last(end, total, outputs)]
        elif mode == "reflect":
            read += [begin - at for at in self._first(0, begin, outputs)]
            read += [2 * (length - 1) - (at - begin) for at in self._first(end, total, outputs)]
        elif mode == "replicate":
            read += [0 for _ in self._first(0, begin, outputs)]
            read += [length - 1 for _ in self._first(end, total, outputs)]
        return length - 1 - max(read, default=-1)

    def _dropped_by_formula(self, length: Length, outputs: int) -> int:
        """Return the same of a length that is not known. Raises UndecidedError where no one formula tells."""
        reach, all_windows = span(self.kernel, self.dilation), self.outputs(cast("int", length))
        if outputs == all_windows and self.dilation == 1 and self.kernel >= self.stride <= self.after + 1:
            return 0
        if self.before or self.after or not outputs == all_windows:
            raise UndecidedError(f"how many positions are never read depends on {length}")
        return cast("int", (length - reach) % self.stride)

    def _last(self, start: int, stop: int, outputs: int) -> list[int]:
        """Return the last padded position in [start, stop) that a window reads, in a list; an empty one if none is."""
        best = -1
        for tap in reversed(range(self.kernel)):
            window = min(outputs - 1, (stop - 1 - tap * self.dilation) // self.stride)
            if window >= 0:
                best = max(best, window * self.stride + tap * self.dilation)
            if best == stop - 1:
                break
        return [best] if best >= start else []

    def _first(self, start: int, stop: int, outputs: int) -> list[int]:
        """Return the first padded position in [start, stop) that a window reads, in a list; an empty one if none is."""
        best = stop
        for tap in range(self.kernel):
            window = max(0, -((tap * self.dilation - start) // self.stride))
            if window < outputs:
                best = min(best, window * self.stride + tap * self.dilation)
            if best == start:
                break
        return [best] if best < stop else []


@record
class Spread:
    """A transposed convolution along one axis: every input position is spread over `kernel` outputs."""

    kernel: int
    stride: int
    dilation: int
    padding: int
    output_padding: int

    def outputs(self, length: int) -> int:
        """`(n-1)*s - 2p + d*(k-1) + output_padding + 1`; below 1 where the padding cuts everything away."""
        return (length - 1) * self.stride - 2 * self.padding + span(self.kernel, self.dilation) + self.output_padding

    def formula(self, length: int) -> str:
        """Write `outputs` with the numbers put in."""
        return (
            f"({put(length)} - 1)*{self.stride} - 2*{self.padding} + {self.dilation}*({self.kernel} - 1) "
            f"+ {self.output_padding} + 1"
        )

    def overlap(self) -> int:
        """Return how many taps at most are added up in one output position.

        Taps j and j' can meet where d*(j-j') is a multiple of s, so every s/gcd(s, d)-th tap does.
        """
        return math.ceil(self.kernel / (self.stride // math.gcd(self.stride, self.dilation)))

    def dropped(self, length: int, outputs: int) -> int:
        """Return how many trailing positions never reach the first outputs, `outputs` of them."""
        if as_formula(length) is not None:
            if self.padding:
                raise UndecidedError(f"how many positions are never read depends on {length}")
            return 0
        last, end = -1, self.padding + outputs
        for tap in range(self.kernel):
            at = min(length - 1, (end - 1 - tap * self.dilation) // self.stride)
            if at * self.stride + tap * self.dilation >= self.padding:
                last = max(last, at)
            if last == length - 1:
                break
        return length - 1 - last
