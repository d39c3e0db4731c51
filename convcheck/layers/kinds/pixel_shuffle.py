"""Depth to space and back, as numbers: torch.nn.PixelShuffle, PixelUnshuffle."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from convcheck.errors import ShapeError, multiples
from convcheck.layers.axis_map import AxisMap, numbered
from convcheck.layers.base import untested_patch
from convcheck.layers.shape_checks import say_rank
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.layers.text.notation import axis_formulas, label
from convcheck.layers.weightless import Weightless
from convcheck.sizes.limits import MAX_INT64
from convcheck.sizes.patterns import SPACE_AXES, Shape, Shapes
from convcheck.sizes.terms import parenthesize
from convcheck.sizes.windows import TransposedWindow, Window


@dataclass(frozen=True)
class PixelShuffle(Weightless):
    """`y[..., c, r*h + i, r*w + j] = x[..., r*r*c + r*i + j, h, w]`, with any number of leading axes."""

    upscale_factor: int

    DIMS = 2
    MIXES_CHANNELS = True
    SIGNATURE = (Argument("upscale_factor", read.whole(1)),)

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        yield from _too_large("upscale_factor", self.upscale_factor)

    def output_shape(self, shape: Shape) -> Shape:
        area = self.upscale_factor**2
        _check_rank(shape, self.kind)
        *batch, channels, height, width = shape
        if channels % area:
            raise ShapeError(
                f"{self.kind} takes channels in multiples of upscale_factor^2, which is {area}; "
                f"{list(shape)} has {channels}; {multiples(channels, area)}"
            )
        return (*batch, channels // area, self.upscale_factor * height, self.upscale_factor * width)

    def axis_map(self, rank: int) -> AxisMap | None:
        return _shuffle(rank, self.upscale_factor)

    def explain(self, shape: Shape) -> Iterator[str]:
        output, factor = self.output_shape(shape), self.upscale_factor
        yield f"o: {parenthesize(shape[-3])} / {factor}**2 = {output[-3]}"
        yield from axis_formulas([f"{parenthesize(length)} * {factor}" for length in shape[-2:]], output)

    def axis_windows(self, shape: Shape) -> list[TransposedWindow]:
        return [TransposedWindow(self.upscale_factor, self.upscale_factor, 1, 0, 0)] * 2

    def untested(self, shape: Shape) -> Iterator[str]:
        yield from untested_patch(shape[-3] // self.upscale_factor**2, self.upscale_factor**2)

    def example_inputs(self) -> Shapes:
        return ((2, 2 * self.upscale_factor**2, 3, 4),)

    def __str__(self) -> str:
        return f"PixelShuffle(upscale_factor={self.upscale_factor})"

    def label(self) -> str:
        return label([self.kind, self.upscale_factor])


@dataclass(frozen=True)
class PixelUnshuffle(Weightless):
    """`y[..., r*r*c + r*i + j, h, w] = x[..., c, r*h + i, r*w + j]`, with any number of leading axes."""

    downscale_factor: int

    DIMS = 2
    SIGNATURE = (Argument("downscale_factor", read.whole(1)),)

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        yield from _too_large("downscale_factor", self.downscale_factor)

    def output_shape(self, shape: Shape) -> Shape:
        factor = self.downscale_factor
        _check_rank(shape, self.kind)
        for axis, length in zip(SPACE_AXES[2], shape[-2:], strict=True):
            if length % factor:
                raise ShapeError(
                    f"axis {axis} of length {length} is not a multiple of downscale_factor, which is {factor}; "
                    f"{multiples(length, factor)}"
                )
        *batch, channels, height, width = shape
        return (*batch, channels * factor**2, height // factor, width // factor)

    def axis_map(self, rank: int) -> AxisMap | None:
        back = _shuffle(rank, self.downscale_factor)
        return back and back._replace(source=back.target, target=back.source)

    def explain(self, shape: Shape) -> Iterator[str]:
        output, factor = self.output_shape(shape), self.downscale_factor
        yield f"o: {parenthesize(shape[-3])} * {factor}**2 = {output[-3]}"
        yield from axis_formulas([f"{parenthesize(length)} / {factor}" for length in shape[-2:]], output)

    def axis_windows(self, shape: Shape) -> list[Window]:
        return [Window(self.downscale_factor, self.downscale_factor, 1, 0, 0)] * 2

    def untested(self, shape: Shape) -> Iterator[str]:
        yield from untested_patch(shape[-3], self.downscale_factor**2)

    def example_inputs(self) -> Shapes:
        return ((2, 3, 2 * self.downscale_factor, 3 * self.downscale_factor),)

    def __str__(self) -> str:
        return f"PixelUnshuffle(downscale_factor={self.downscale_factor})"

    def label(self) -> str:
        return label([self.kind, self.downscale_factor])


def _too_large(name: str, factor: int) -> Iterator[tuple[str, str]]:
    if factor**2 > MAX_INT64:
        yield name, f"{name} is {factor} and torch squares it, in 64 bits; it must be at most {math.isqrt(MAX_INT64)}"


def _check_rank(shape: Shape, kind: str) -> None:
    if len(shape) < 3:
        raise ShapeError(f"{kind} takes [..., channels, H, W]; {say_rank(shape)}")


def _shuffle(rank: int, factor: int) -> AxisMap | None:
    if rank < 3:
        return None
    lead = numbered(rank - 3)
    blocks = (("channels", "i", "j"), ("h",), ("w",))
    return AxisMap((*lead, *blocks), (*lead, ("channels",), ("h", "i"), ("w", "j")), {"i": factor, "j": factor})
