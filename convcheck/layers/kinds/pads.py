"""Padding by itself: torch.nn.ZeroPad1d to 3d, and of reflected, repeated, circular and constant values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from convcheck.errors import ShapeError
from convcheck.layers.axis_map import AxisMap, LengthFunction, spatial
from convcheck.layers.counted import Counted
from convcheck.layers.shape_checks import check_rank, say_rank
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument, BadValueError
from convcheck.layers.text.notation import axis_formulas
from convcheck.sizes.limits import MAX_INT64
from convcheck.sizes.patterns import SPACE_AXES, Shape, Shapes
from convcheck.sizes.terms import parenthesize
from convcheck.sizes.windows import Window


def _pads(value: object, dims: int) -> object:
    """Read one whole number, or two for every axis, from the last one on; what is below 0 cuts off."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * (2 * dims)
    legal = (isinstance(pad, int) and not isinstance(pad, bool) and abs(pad) <= MAX_INT64 for pad in values)
    if len(values) != 2 * dims or not all(legal):
        raise BadValueError(f"a whole number, or {2 * dims} of them, two for every axis from the last one on")
    return values


_FILLS = {
    "Zero": "zeros",
    "Constant": "zeros",
    "Reflection": "reflect",
    "Replication": "replicate",
    "Circular": "circular",
}


@dataclass(frozen=True)
class Pad(Counted):
    """The input with `padding` before and after every spatial axis: (left, right, top, bottom, front, back)."""

    padding: Shape

    SIGNATURE: ClassVar[tuple[Argument, ...]] = (Argument("padding", _pads),)
    LEADING: ClassVar[tuple[str, ...]] = ("padding",)

    @property
    def pads(self) -> tuple[tuple[int, int], ...]:
        """What is added before and after every spatial axis, from the first one on."""
        pairs = list(zip(self.padding[::2], self.padding[1::2], strict=True))
        return tuple(reversed(pairs))

    def padding_fill(self) -> str:
        """Return what stands beside the input, as padding modes of torch call it."""
        return _FILLS[self.kind.partition("Pad")[0]]

    def output_shape(self, shape: Shape) -> Shape:
        fill = self.padding_fill()
        if fill != "zeros":
            check_rank(shape, self.dims, "channels", self.kind)
        elif len(shape) < self.dims:
            raise ShapeError(f"{self.kind} pads the last {self.dims} axes; {say_rank(shape)}")
        lengths = []
        for axis, length, (before, after) in zip(SPACE_AXES[self.dims], shape[-self.dims :], self.pads, strict=True):
            most = {"reflect": length - 1, "circular": length}.get(fill)
            if most is not None and (most < before or most < after):
                raise ShapeError(
                    f"{self.kind} pads axis {axis} of length {length} by {(before, after)}; it takes up to {most} there"
                )
            lengths.append(length + before + after)
            if lengths[-1] < 1:
                raise ShapeError(
                    f"{self.kind} cuts {-before - after} off axis {axis} of length {length}; nothing is left"
                )
            if fill == "circular" and (min(before, 0) + min(after, 0) <= -length):
                raise ShapeError(f"{self.kind} cuts all {length} positions off axis {axis} before it pads")
        return (*shape[: -self.dims], *lengths)

    def explain(self, shape: Shape) -> Iterator[str]:
        output = self.output_shape(shape)
        axes = zip(shape[-self.dims :], self.pads, strict=True)
        yield from axis_formulas(
            [f"{parenthesize(length)} + {before} + {after}" for length, (before, after) in axes], output
        )

    def axis_map(self, rank: int) -> AxisMap | None:
        fill, functions = self.padding_fill(), []
        for before, after in self.pads:
            least = {"reflect": max(before, after) + 1, "circular": max(before, after)}.get(fill, 1)
            functions.append(LengthFunction(partial(Window(1, 1, 1, before, after).outputs), max(1, least)))
        return spatial(rank, functions, None)

    def axis_windows(self, *_shapes: Shape) -> tuple[Window, ...]:
        # What is cut off moves the others, which windows do not say.
        if min(self.padding) < 0:
            return ()
        return tuple(Window(1, 1, 1, before, after) for before, after in self.pads)

    def example_inputs(self) -> Shapes:
        return ((2, 3, *(max(abs(before), abs(after)) + 3 for before, after in self.pads)),)


@dataclass(frozen=True)
class ConstantPad(Pad):
    """The same with a value of one's own."""

    value: float

    SIGNATURE = (*Pad.SIGNATURE, Argument("value", read.number()))
    LEADING = ()
    PRINTED = ("padding", "value")
