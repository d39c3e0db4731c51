"""The sizes of windows along one axis. All lengths are in positions.

Formulas: torch.nn.Conv2d and torch.nn.ConvTranspose2d, section "Shape"; V. Dumoulin and F. Visin,
"A guide to convolution arithmetic for deep learning", 2016, relationships 6, 8 and 14.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


def span(kernel: int, dilation: int) -> int:
    """Return how many positions a dilated kernel reaches over."""
    return dilation * (kernel - 1) + 1


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

    def reads(self, padded: int, outputs: int) -> bool:
        """Tell whether some window reads the position `padded`, counted from the start of the padding."""
        for tap in range(self.kernel):
            start, rest = divmod(padded - tap * self.dilation, self.stride)
            if start < 0:
                return False
            if rest == 0 and start < outputs:
                return True
        return False

    def dropped(self, length: int, mode: str) -> int:
        """Return how many trailing positions no window reads, neither directly nor as a copy in the padding."""
        outputs = self.outputs(length)
        last = (outputs - 1) * self.stride + span(self.kernel, self.dilation) - 1 - self.before
        unread = max(0, length - 1 - last)
        for back in range(unread):
            if any(self.reads(copy, outputs) for copy in self._copies(length - 1 - back, length, mode)):
                return back
        return unread

    def _copies(self, position: int, length: int, mode: str) -> list[int]:
        """Where the padding repeats one of the input's positions, counted from the start of the padding."""
        total = length + self.before + self.after
        found: list[int] = []
        if mode == "circular":
            found = [self.before + position - length, self.before + position + length]
        elif mode == "reflect":
            found = [self.before - position, self.before + 2 * (length - 1) - position]
        elif mode == "replicate" and position == length - 1:
            found = list(range(self.before + length, total))
        inside = range(self.before, self.before + length)
        return [at for at in found if 0 <= at < total and at not in inside]


@dataclass(frozen=True)
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

    def overlap(self) -> int:
        """Return how many taps at most are added up in one output position.

        Taps j and j' can meet where d*(j-j') is a multiple of s, so every s/gcd(s, d)-th tap does.
        """
        return math.ceil(self.kernel / (self.stride // math.gcd(self.stride, self.dilation)))

    def dropped(self, length: int) -> int:
        """Return how many trailing positions are spread over nothing but cut-away padding."""
        outputs = self.outputs(length)
        for back in range(length):
            start = (length - 1 - back) * self.stride - self.padding
            first = max(0, -(start // self.dilation))
            if first < self.kernel and start + first * self.dilation < outputs:
                return back
        return length
