"""The sizes of windows along one axis. All lengths are in positions.

Formulas: torch.nn.Conv2d, torch.nn.ConvTranspose2d and torch.nn.MaxPool2d, section "Shape"; V. Dumoulin and F. Visin,
"A guide to convolution arithmetic for deep learning", 2016, relationships 6, 8 and 14.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

from convcheck.sizes.lengths import Length, UndecidedError, as_formula
from convcheck.sizes.residues import Residues, first_up_to, least
from convcheck.sizes.terms import parenthesize


def span(kernel: int, dilation: int) -> int:
    """Return how many positions a dilated kernel reaches over."""
    return dilation * (kernel - 1) + 1


def along(value: int | tuple[int, ...], dims: int) -> tuple[int, ...]:
    """Return one number for every axis, where a single one may stand for all of them."""
    values = (value,) if isinstance(value, int) else value
    return values * dims if len(values) == 1 else values


@dataclass(frozen=True)
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
        begin = f"ceil(({parenthesize(length)} + {self.before}) / {self.stride})"
        return f"min(ceil({self._room(length)} / {self.stride}) + 1, {begin})"

    def _room(self, length: int) -> str:
        pads = f"2*{self.before}" if self.before == self.after else f"{self.before} + {self.after}"
        return f"({parenthesize(length)} + {pads} - {self.dilation}*({self.kernel} - 1) - 1)"

    def example_length(self) -> int:
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
        best = self._furthest(stop - 1, outputs)
        return [best] if best is not None and best >= start else []

    def _first(self, start: int, stop: int, outputs: int) -> list[int]:
        """Return the first padded position in [start, stop) that a window reads, in a list; an empty one if none is."""
        # Counted from the last position that is read, the same ones are read in reverse.
        end = (outputs - 1) * self.stride + span(self.kernel, self.dilation) - 1
        best = self._furthest(end - start, outputs)
        return [end - best] if best is not None and end - best < stop else []

    def _furthest(self, limit: int, outputs: int) -> int | None:
        """Return the last padded position up to `limit` that one of so many windows reads.

        It is the largest `w*s + t*d <= limit` of a window w and a tap t.
        """
        if limit < 0 or outputs < 1:
            return None
        begin = (outputs - 1) * self.stride
        # The taps of the last window up to the limit; of each one after them, the window is the last one up to it.
        own = max(-1, min(self.kernel - 1, (limit - begin) // self.dilation))
        more = min(self.kernel - 1, limit // self.dilation) - own
        found = [begin + own * self.dilation] if own >= 0 else []
        if more > 0:
            found.append(limit - least(Residues(-self.dilation, limit - (own + 1) * self.dilation, self.stride), more))
        return max(found)


@dataclass(frozen=True)
class TransposedWindow:
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
            f"({parenthesize(length)} - 1)*{self.stride} - 2*{self.padding} + {self.dilation}*({self.kernel} - 1) "
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
        # Position n reaches output n*s + t*d - p by tap t. Up to tap `own` the last position of all does not go beyond
        # the outputs; of each later tap, the last position that does not is the earlier, the later the tap.
        end, begin = self.padding + outputs - 1, (length - 1) * self.stride
        own = max(-1, min(self.kernel - 1, (end - begin) // self.dilation))
        if own >= 0 and begin + own * self.dilation >= self.padding:
            return 0
        more = min(self.kernel - 1, end // self.dilation) - own
        after = Residues(-self.dilation, end - (own + 1) * self.dilation, self.stride)
        tap = first_up_to(after, outputs - 1, more)
        return length if tap is None else length - 1 - after.at(tap) // self.stride


Step = Window | TransposedWindow
"""What a layer does along one axis."""
