"""im2col and its transpose as numbers: torch.nn.Unfold, Fold. Both take images, so there are two spatial axes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convcheck.errors import ShapeError, multiples
from convcheck.layers.axis_map import AxisMap, LengthFunction
from convcheck.layers.base import Roundings, untested_patch
from convcheck.layers.shape_checks import check_rank, say_rank, too_short
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.layers.text.notation import axis_formulas, compact, label
from convcheck.layers.weightless import Weightless
from convcheck.sizes.patterns import SPACE_AXES, Shape, Shapes
from convcheck.sizes.terms import parenthesize, times
from convcheck.sizes.windows import TransposedWindow, Window, along, span

if TYPE_CHECKING:
    from convcheck.sizes.axis_origins import AxisOrigins

Size = int | Shape
"""As it was given: one number for both axes, or two."""

_WINDOW = (
    Argument("kernel_size", read.as_given(1, short=False)),
    Argument("dilation", read.as_given(1, short=False), 1),
    Argument("padding", read.as_given(0, short=False), 0),
    Argument("stride", read.as_given(1, short=False), 1),
)


@dataclass(frozen=True)
class _Columns(Weightless):
    """What Unfold and Fold have in common: windows of an image, each written out as one column."""

    kernel_size: Size
    dilation: Size
    padding: Size
    stride: Size

    DIMS = 2

    @property
    def windows(self) -> tuple[Window, ...]:
        """The window of either axis of the image."""
        sizes = (along(size, 2) for size in (self.kernel_size, self.stride, self.dilation, self.padding))
        return tuple(
            Window(kernel, stride, dilation, pad, pad) for kernel, stride, dilation, pad in zip(*sizes, strict=True)
        )

    @property
    def taps(self) -> int:
        """The number of positions in a window."""
        return math.prod(window.kernel for window in self.windows)

    def _named(self) -> dict[str, tuple[object, object]]:
        names = ("kernel_size", "dilation", "padding", "stride")
        return {name: (getattr(self, name), None) for name in names}

    def _words(self) -> list[object]:
        kernel, stride, dilation, padding = (
            along(size, 2) for size in (self.kernel_size, self.stride, self.dilation, self.padding)
        )
        return [("k", kernel, None), ("s", stride, (1, 1)), ("p", padding, (0, 0)), ("d", dilation, (1, 1))]


@dataclass(frozen=True)
class Unfold(_Columns):
    """`y[(i, kh, kw), (h, w)] = x[i, s*h + d*kh - p, s*w + d*kw - p]`: every window becomes a column."""

    SIGNATURE = _WINDOW

    def output_shape(self, shape: Shape) -> Shape:
        check_rank(shape, 2, "channels", self.kind)
        *batch, channels, height, width = shape
        columns = 1
        for axis, length, window in zip(SPACE_AXES[2], (height, width), self.windows, strict=True):
            outputs = window.outputs(length)
            if outputs < 1:
                raise too_short(axis, length, window)
            columns *= outputs
        return (*batch, channels * self.taps, columns)

    def axis_map(self, rank: int) -> AxisMap | None:
        functions = {axis: LengthFunction(window.outputs) for axis, window in zip("hw", self.windows, strict=True)}
        batch = (("batch",),)[: rank - 3]
        source, target = (*batch, ("channels",), ("h",), ("w",)), (*batch, ("channels", "taps"), ("h", "w"))
        return AxisMap(source, target, {"taps": self.taps}, functions) if rank in (3, 4) else None

    def explain(self, shape: Shape) -> Iterator[str]:
        output = self.output_shape(shape)
        axes = list(zip(self.windows, shape[-2:], strict=True))
        counts = [window.outputs(length) for window, length in axes]
        kernel = along(self.kernel_size, 2)
        yield f"axis {len(shape) - 3}: {times([shape[-3], *kernel])} = {output[-2]}"
        # Places of windows, which the output has as one axis.
        yield from axis_formulas([window.formula(length) for window, length in axes], counts)
        yield f"axis {len(shape) - 2}: {times(counts)} = {output[-1]}"

    def axis_windows(self, shape: Shape) -> tuple[Window, ...]:
        return self.windows

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        origins.step_along(len(shape), self.windows)
        origins.axes[-2:] = [origins.joined(origins.axes[-2:])]

    def untested(self, shape: Shape) -> Iterator[str]:
        yield from untested_patch(shape[-3], self.taps)

    def example_inputs(self) -> Shapes:
        return ((2, 3, *(window.example_length() for window in self.windows)),)

    def __str__(self) -> str:
        return compact(self.kind, [], self._named())

    def label(self) -> str:
        return label([self.kind, *self._words()])


@dataclass(frozen=True)
class Fold(_Columns):
    """`y[i, m, n] = sum of x[(i, kh, kw), (h, w)] over all with s*h + d*kh - p = m and s*w + d*kw - p = n`.

    It is Unfold's transpose, and not its inverse where windows overlap.
    """

    output_size: Size

    SIGNATURE = (Argument("output_size", read.as_given(1, short=False)), *_WINDOW)

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        for axis, length, window in zip(SPACE_AXES[2], along(self.output_size, 2), self.windows, strict=True):
            if window.outputs(length) < 1:
                reach, pads = span(window.kernel, window.dilation), window.before + window.after
                yield (
                    "output_size",
                    f"output_size is {length} on axis {axis}, where no kernel fits that reaches over {reach} positions"
                    + (f", with {pads} of padding" if pads else "")
                    + f"; it must be at least {reach - pads}",
                )

    @property
    def columns(self) -> int:
        """The number of columns: as many as there are windows in the output."""
        sizes = zip(along(self.output_size, 2), self.windows, strict=True)
        return math.prod(window.outputs(length) for length, window in sizes)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) not in (2, 3):
            legal = f"channels*{self.taps}, {self.columns}"
            raise ShapeError(f"{self.kind} takes [batch, {legal}] or [{legal}]; {say_rank(shape)}")
        *batch, rows, columns = shape
        if rows % self.taps:
            raise ShapeError(
                f"{self.kind} takes rows in multiples of the kernel's {self.taps} positions; "
                f"{list(shape)} has {rows} on axis {len(shape) - 2}; {multiples(rows, self.taps)}"
            )
        if columns != self.columns:
            windows = " * ".join(
                str(window.outputs(length))
                for length, window in zip(along(self.output_size, 2), self.windows, strict=True)
            )
            raise ShapeError(
                f"{self.kind} takes {self.columns} columns, one for each of the {windows} windows in an output of "
                f"{list(along(self.output_size, 2))}; {list(shape)} has {columns}"
            )
        return (*batch, rows // self.taps, *along(self.output_size, 2))

    def axis_map(self, rank: int) -> AxisMap | None:
        known = {"taps": self.taps, "columns": self.columns, **dict(zip("hw", along(self.output_size, 2), strict=True))}
        batch = (("batch",),)[: rank - 2]
        source, target = (*batch, ("channels", "taps"), ("columns",)), (*batch, ("channels",), ("h",), ("w",))
        return AxisMap(source, target, known) if rank in (2, 3) else None

    def explain(self, shape: Shape) -> Iterator[str]:
        output = self.output_shape(shape)
        yield f"o: {parenthesize(shape[-2])} / ({times(along(self.kernel_size, 2))}) = {output[-3]}"
        yield from axis_formulas(["output_size"] * 2, output)

    def untested(self, shape: Shape) -> Iterator[str]:
        yield from untested_patch(shape[-2] // self.taps, self.taps)

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        # Of the columns' places, those of rows and columns of the image could be told apart, but are not.
        origins.forget(len(shape) - 1)
        origins.axes.append(())

    def example_inputs(self) -> Shapes:
        return ((2, 3 * self.taps, self.columns),)

    def roundings(self) -> Roundings:
        # torch's CPU kernel adds the taps up in the dtype; the first of them, to zero, needs no rounding.
        spreads = (TransposedWindow(window.kernel, window.stride, window.dilation, 0, 0) for window in self.windows)
        return Roundings(sums=math.prod(spread.overlap() for spread in spreads) - 1)

    def __str__(self) -> str:
        return compact(self.kind, [], {"output_size": (self.output_size, None), **self._named()})

    def label(self) -> str:
        return label([self.kind, ("", along(self.output_size, 2), None), *self._words()])
