"""The sizes of windows along one axis. All lengths are in positions.

Formulas: torch.nn.Conv2d, torch.nn.ConvTranspose2d and torch.nn.MaxPool2d, section "Shape"; V. Dumoulin and F. Visin,
"A guide to convolution arithmetic for deep learning", 2016, relationships 6, 8 and 14.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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


Step = Window | TransposedWindow
"""What a layer does along one axis."""
