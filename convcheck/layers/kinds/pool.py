"""Pooling as numbers: torch.nn.MaxPool1d, MaxPool2d, MaxPool3d, AvgPool1d, AvgPool2d, AvgPool3d."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from convcheck.errors import NotPrintedError, ShapeError
from convcheck.layers.axis_map import AxisMap, LengthFunction, spatial
from convcheck.layers.base import Roundings
from convcheck.layers.shape_checks import check_rank, too_short
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.layers.text.notation import axis_formulas, compact, label
from convcheck.layers.weightless import Weightless
from convcheck.sizes.patterns import SPACE_AXES, Shape, Shapes
from convcheck.sizes.windows import Window, along

Size = int | Shape
"""As it was given, since so torch prints it: one number for all axes, one in a tuple, or one for every axis."""


@dataclass(frozen=True)
class Pool(Weightless):
    """Every channel by itself: windows of an input of any number of channels, batched or not."""

    kernel_size: Size
    stride: Size
    padding: Size
    ceil_mode: bool

    ADJUSTABLE = ("padding", "stride")

    @classmethod
    def completed(cls, arguments: dict[str, object]) -> dict[str, object]:
        stride = arguments["stride"]
        return {**arguments, "stride": arguments["kernel_size"] if stride is None else stride}

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        for axis, window in zip(SPACE_AXES[self.dims], self.windows, strict=True):
            if window.before > window.kernel // 2:
                yield (
                    "padding",
                    f"padding is {window.before} on axis {axis}; it must be at most half the kernel, "
                    f"which is {window.kernel}, so {window.kernel // 2} at most",
                )

    def dilations(self) -> Shape:
        """Return how far apart the taps of a window are, for every axis."""
        return (1,) * self.dims

    @property
    def windows(self) -> tuple[Window, ...]:
        """The window of every spatial axis."""
        kernels, strides, pads = (along(size, self.dims) for size in (self.kernel_size, self.stride, self.padding))
        axes = zip(kernels, strides, self.dilations(), pads, strict=True)
        return tuple(Window(kernel, stride, dilation, pad, pad) for kernel, stride, dilation, pad in axes)

    def axis_map(self, rank: int) -> AxisMap | None:
        return spatial(rank, [LengthFunction(partial(self.outputs_of, window)) for window in self.windows], None)

    def outputs_of(self, window: Window, length: int) -> int:
        return window.outputs_rounded_up(length) if self.ceil_mode else window.outputs(length)

    def most_padding(self, window: Window, _length: int) -> int | None:
        return window.kernel // 2

    def output_shape(self, shape: Shape) -> Shape:
        check_rank(shape, self.dims, "channels", self.kind)
        outputs = []
        for axis, length, window in zip(SPACE_AXES[self.dims], shape[-self.dims :], self.windows, strict=True):
            outputs.append(self.outputs_of(window, length))
            if outputs[-1] < 1:
                raise too_short(axis, length, window, window.stride - 1 if self.ceil_mode else 0)
        return (*shape[: -self.dims], *outputs)

    def explain(self, shape: Shape) -> Iterator[str]:
        output = self.output_shape(shape)
        write = Window.formula_rounded_up if self.ceil_mode else Window.formula
        axes = zip(self.windows, shape[-self.dims :], strict=True)
        yield from axis_formulas([write(window, length) for window, length in axes], output)

    def axis_windows(self, shape: Shape) -> tuple[Window, ...]:
        return self.windows

    def example_inputs(self) -> Shapes:
        return ((2, 3, *(window.example_length() for window in self.windows)),)

    def _words(self) -> list[object]:
        kernels, strides, pads = (along(size, self.dims) for size in (self.kernel_size, self.stride, self.padding))
        words: list[object] = [("k", kernels, None), ("s", strides, kernels), ("p", pads, (0,) * self.dims)]
        return [self.kind, *words, ("d", self.dilations(), (1,) * self.dims), ("", "ceil" * self.ceil_mode, "")]


@dataclass(frozen=True)
class MaxPool(Pool):
    """`y[n] = max over k of x[s*n + d*k - p]`, where padding is less than any number."""

    dilation: Size
    return_indices: bool

    SIGNATURE = (
        Argument("kernel_size", read.as_given(1, short=True)),
        Argument("stride", read.optional(read.as_given(1, short=True)), None),
        Argument("padding", read.as_given(0, short=True), 0),
        Argument("dilation", read.as_given(1, short=True), 1),
        Argument("return_indices", read.flag, False),
        Argument("ceil_mode", read.strict_flag, False),
    )

    def dilations(self) -> Shape:
        return along(self.dilation, self.dims)

    def padding_fill(self) -> str | None:
        return "-inf"

    def degree(self) -> int | None:
        """Return None: a maximum is no polynomial."""
        return None

    def __str__(self) -> str:
        # torch leaves out `return_indices`, without which a line could not be read back.
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        printed: dict[str, tuple[object, object]] = {name: (getattr(self, name), None) for name in names}
        return compact(self.kind, [], {**printed, "return_indices": (self.return_indices, False)})

    def label(self) -> str:
        return label([*self._words(), ("", "indices" * self.return_indices, "")])


@dataclass(frozen=True)
class _Average(Pool):
    """`y[n] = sum over k of x[s*n + k - p], divided by the number of positions in the window`.

    Where a window reaches beyond the padding, what is beyond does not count; without `count_include_pad`, no padding
    does.
    """

    count_include_pad: bool

    PADDING_CAVEAT = (
        "zeros of F.pad or ZeroPad count in an average, and TensorFlow leaves them out; of torch's layers, only "
        "padding with count_include_pad=False does so"
    )

    def padding_fill(self) -> str | None:
        return "zeros"

    def output_shape(self, shape: Shape) -> Shape:
        try:
            return super().output_shape(shape)
        except ShapeError as error:
            # Of what was pasted, it is one or the other.
            if self.ceil_mode or not self._fits_rounded_up(shape):
                raise
            raise NotPrintedError(f"{error}; with ceil_mode=True, which torch does not print, it would fit") from None

    def _fits_rounded_up(self, shape: Shape) -> bool:
        try:
            replace(self, ceil_mode=True).output_shape(shape)
        except ShapeError:
            return False
        return True

    def roundings(self) -> Roundings:
        # The sum is in at least float32, and so is the quotient, which is rounded once.
        return Roundings()

    def _hidden(self) -> dict[str, tuple[object, object]]:
        """Return what torch does not print, and without which a line could not be read back."""
        return {"ceil_mode": (self.ceil_mode, False), "count_include_pad": (self.count_include_pad, True)}

    def __str__(self) -> str:
        names = ("kernel_size", "stride", "padding")
        return compact(self.kind, [], {**{name: (getattr(self, name), None) for name in names}, **self._hidden()})

    def label(self) -> str:
        return label([*self._words(), ("", "" if self.count_include_pad else "nopad", "")])


@dataclass(frozen=True)
class AvgPool1d(_Average):
    """Averages along one axis. torch turns its sizes into tuples, and prints them so."""

    SIGNATURE = (
        Argument("kernel_size", read.per_axis(1)),
        Argument("stride", read.optional(read.per_axis(1)), None),
        Argument("padding", read.per_axis(0), 0),
        Argument("ceil_mode", read.strict_flag, False),
        Argument("count_include_pad", read.strict_flag, True),
    )


@dataclass(frozen=True)
class AvgPool(_Average):
    """Averages along two or three axes, where a divisor may be given in place of the number of positions."""

    divisor_override: int | None

    SIGNATURE = (
        Argument("kernel_size", read.as_given(1, short=True)),
        Argument("stride", read.optional(read.as_given(1, short=True)), None),
        Argument("padding", read.as_given(0, short=True), 0),
        Argument("ceil_mode", read.strict_flag, False),
        Argument("count_include_pad", read.strict_flag, True),
        Argument("divisor_override", read.optional(read.divisor), None),
    )

    def axis_map(self, rank: int) -> AxisMap | None:
        # Along three axes, torch asks for as many positions as the kernel has.
        least = [window.kernel if self.dims == 3 else 1 for window in self.windows]
        axes = zip(self.windows, least, strict=True)
        functions = [LengthFunction(partial(self.outputs_of, window), shortest) for window, shortest in axes]
        return spatial(rank, functions, None)

    def most_padding(self, window: Window, length: int) -> int | None:
        return super().most_padding(window, length) if self.dims == 2 or length >= window.kernel else -1

    def output_shape(self, shape: Shape) -> Shape:
        check_rank(shape, self.dims, "channels", self.kind)
        # torch asks for this along three axes alone, whatever the padding and ceil_mode.
        for axis, length, window in zip(SPACE_AXES[self.dims], shape[-self.dims :], self.windows, strict=True):
            if self.dims == 3 and length < window.kernel:
                raise ShapeError(
                    f"axis {axis} of length {length} is shorter than the kernel, which {self.kind} does not take even "
                    f"with padding; {axis} must be at least {window.kernel}"
                )
        return super().output_shape(shape)

    def example_inputs(self) -> Shapes:
        shape = super().example_inputs()[0]
        kernels = along(self.kernel_size, self.dims)
        return ((*shape[:2], *map(max, shape[2:], kernels)),)

    def _hidden(self) -> dict[str, tuple[object, object]]:
        divided = {} if self.divisor_override is None else {"divisor_override": (self.divisor_override, None)}
        return {**super()._hidden(), **divided}

    def label(self) -> str:
        divided = [] if self.divisor_override is None else [f"by{self.divisor_override}"]
        return "-".join([super().label(), *divided])
