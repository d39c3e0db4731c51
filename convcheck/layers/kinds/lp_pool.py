"""Pooling by a norm: torch.nn.LPPool1d, 2d, 3d."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from convcheck.layers.axis_map import AxisMap, LengthFunction, spatial
from convcheck.layers.counted import Counted
from convcheck.layers.shape_checks import check_rank, too_short
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.layers.text.notation import axis_formulas
from convcheck.sizes.patterns import SPACE_AXES, Shape, Shapes
from convcheck.sizes.windows import Window, along


@dataclass(frozen=True)
class LPPool(Counted):
    """`(sum over k of x[s*n + k] ** p) ** (1 / p)`, channel by channel; p is `norm_type`."""

    norm_type: float
    kernel_size: int | Shape
    stride: int | Shape | None
    ceil_mode: bool

    SIGNATURE = (
        Argument("norm_type", read.number()),
        Argument("kernel_size", read.as_given(1, short=False)),
        Argument("stride", read.optional(read.as_given(1, short=False)), None),
        Argument("ceil_mode", read.strict_flag, False),
    )
    PRINTED = ("norm_type", "kernel_size", "stride", "ceil_mode")

    @property
    def windows(self) -> tuple[Window, ...]:
        """The window of every spatial axis."""
        kernels = along(self.kernel_size, self.dims)
        strides = kernels if self.stride is None else along(self.stride, self.dims)
        return tuple(Window(kernel, stride, 1, 0, 0) for kernel, stride in zip(kernels, strides, strict=True))

    def outputs_of(self, window: Window, length: int) -> int:
        return window.outputs_rounded_up(length) if self.ceil_mode else window.outputs(length)

    def output_shape(self, shape: Shape) -> Shape:
        check_rank(shape, self.dims, "channels", self.kind)
        lengths = []
        for axis, length, window in zip(SPACE_AXES[self.dims], shape[-self.dims :], self.windows, strict=True):
            lengths.append(self.outputs_of(window, length))
            # Along three axes, torch asks for as many positions as the kernel has.
            if lengths[-1] < 1 or (self.dims == 3 and length < window.kernel):
                raise too_short(axis, length, window, window.stride - 1 if self.ceil_mode and self.dims < 3 else 0)
        return (*shape[: -self.dims], *lengths)

    def explain(self, shape: Shape) -> Iterator[str]:
        output = self.output_shape(shape)
        write = Window.formula_rounded_up if self.ceil_mode else Window.formula
        axes = zip(self.windows, shape[-self.dims :], strict=True)
        yield from axis_formulas([write(window, length) for window, length in axes], output)

    def axis_windows(self, *_shapes: Shape) -> tuple[Window, ...]:
        return self.windows

    def axis_map(self, rank: int) -> AxisMap | None:
        from functools import partial

        least = [window.kernel if self.dims == 3 else 1 for window in self.windows]
        axes = zip(self.windows, least, strict=True)
        return spatial(rank, [LengthFunction(partial(self.outputs_of, window), low) for window, low in axes], None)

    def example_inputs(self) -> Shapes:
        return ((2, 3, *(window.example_length() for window in self.windows)),)
