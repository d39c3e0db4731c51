"""Transposed convolutions as numbers: torch.nn.ConvTranspose1d, ConvTranspose2d, ConvTranspose3d."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from convcheck.errors import ShapeError
from convcheck.layers.axis_map import AxisMap, LengthFunction, spatial
from convcheck.layers.base import Layer, Roundings, batch_of, untested_patch
from convcheck.layers.initialisation import Init, uniform_by_fan_in
from convcheck.layers.shape_checks import check_channels
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.layers.text.notation import axis_formulas, compact, indivisible, label
from convcheck.sizes.patterns import KERNEL_AXES, SPACE_AXES, Group, Shape, Shapes
from convcheck.sizes.windows import TransposedWindow


@dataclass(frozen=True)
class ConvTranspose(Layer):
    """`y[o, m] = b[o] + sum over i, n, k with s*n + d*k - p = m of W[i, o, k] * x[i, n]`."""

    in_channels: int
    out_channels: int
    kernel_size: Shape
    stride: Shape
    padding: Shape
    output_padding: Shape
    groups: int
    bias: bool
    dilation: Shape
    padding_mode: str

    MIXES_CHANNELS = True
    ADJUSTABLE = ("padding", "output_padding", "stride")
    SIGNATURE = (
        Argument("in_channels", read.whole(1)),
        Argument("out_channels", read.whole(1)),
        Argument("kernel_size", read.per_axis(1)),
        Argument("stride", read.per_axis(1, short=True), 1),
        Argument("padding", read.per_axis(0, short=True), 0),
        Argument("output_padding", read.per_axis(0, short=True), 0),
        Argument("groups", read.whole(1), 1),
        Argument("bias", read.flag, True),
        Argument("dilation", read.per_axis(1, short=True), 1),
        Argument("padding_mode", read.only_zeros, "zeros"),
    )

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        yield from indivisible(self.in_channels, self.out_channels, self.groups)
        # torch checks this when the layer runs, and not at all on the meta device.
        axes = zip(SPACE_AXES[self.dims], self.output_padding, self.stride, self.dilation, strict=True)
        for axis, extra, stride, dilation in axes:
            if extra >= max(stride, dilation):
                yield (
                    "output_padding",
                    f"output_padding is {extra} on axis {axis}; it must be smaller than stride ({stride}) "
                    f"or dilation ({dilation}), so {max(stride, dilation) - 1} at most",
                )

    @property
    def spreads(self) -> tuple[TransposedWindow, ...]:
        """The spread of every spatial axis."""
        axes = zip(self.kernel_size, self.stride, self.dilation, self.padding, self.output_padding, strict=True)
        return tuple(TransposedWindow(*numbers) for numbers in axes)

    def parameters(self) -> dict[str, Shape]:
        weight = (self.in_channels, self.out_channels // self.groups, *self.kernel_size)
        return {"weight": weight, **({"bias": (self.out_channels,)} if self.bias else {})}

    def axis_sizes(self) -> dict[str, int]:
        return {"g": self.groups, **self.kernel_axes()}

    def kernel_axes(self) -> dict[str, int]:
        """Return the kernel's length along every axis, as `{"kh": 16, "kw": 16}`."""
        return dict(zip(KERNEL_AXES[self.dims], self.kernel_size, strict=True))

    def initial_values(self) -> Mapping[str, Init]:
        return uniform_by_fan_in(self.parameters())

    def parameter_axes(self, name: str) -> tuple[Group, ...]:
        if name == "bias":
            return super().parameter_axes(name)
        outer = ("g", "i") if self.groups > 1 else ("i",)
        return (outer, ("o",), *((axis,) for axis in KERNEL_AXES[self.dims]))

    def axis_periods(self) -> Mapping[str, int]:
        return dict(zip(SPACE_AXES[self.dims], self.stride, strict=True))

    def untested(self, shape: Shape) -> Iterator[str]:
        yield from untested_patch(self.out_channels // self.groups, math.prod(self.kernel_size))

    def output_shape(self, shape: Shape) -> Shape:
        check_channels(shape, self.dims, self.in_channels, self.kind)
        outputs = []
        for axis, length, spread in zip(SPACE_AXES[self.dims], shape[-self.dims :], self.spreads, strict=True):
            outputs.append(spread.outputs(length))
            if outputs[-1] < 1:
                need = length + math.ceil((1 - outputs[-1]) / spread.stride)
                raise ShapeError(
                    f"axis {axis} of length {length} would grow to {outputs[-1]}: padding {spread.padding} cuts "
                    f"{2 * spread.padding} positions away; {axis} must be at least {need}"
                )
        return (*shape[: -self.dims - 1], self.out_channels, *outputs)

    def axis_map(self, rank: int) -> AxisMap | None:
        functions = [LengthFunction(spread.outputs) for spread in self.spreads]
        return spatial(rank, functions, (self.in_channels, self.out_channels))

    def explain(self, shape: Shape) -> Iterator[str]:
        output = self.output_shape(shape)
        yield f"o: out_channels = {self.out_channels}"
        axes = zip(self.spreads, shape[-self.dims :], strict=True)
        yield from axis_formulas([spread.formula(length) for spread, length in axes], output)

    def axis_windows(self, shape: Shape) -> tuple[TransposedWindow, ...]:
        return self.spreads

    def macs(self, shape: Shape) -> int:
        self.output_shape(shape)
        positions = batch_of(shape, self.dims + 1) * math.prod(shape[-self.dims :])
        return positions * math.prod(self.parameters()["weight"])

    def im2col_size(self, shape: Shape) -> int:
        # Groups and images come one after the other.
        return self.macs(shape) // self.in_channels // max(1, batch_of(shape, self.dims + 1))

    def example_inputs(self) -> Shapes:
        space = [3 + math.ceil(2 * spread.padding / spread.stride) for spread in self.spreads]
        return ((2, self.in_channels, *space),)

    def roundings(self) -> Roundings:
        # torch's CPU kernel rounds each tap's product to the dtype, adds the taps up in that dtype, and the bias last.
        return Roundings(math.prod(spread.overlap() for spread in self.spreads), bias_apart=self.bias)

    def __str__(self) -> str:
        return compact(
            self.kind,
            [self.in_channels, self.out_channels],
            {
                "kernel_size": (self.kernel_size, None),
                "stride": (self.stride, None),
                "padding": (self.padding, (0,) * self.dims),
                "dilation": (self.dilation, (1,) * self.dims),
                "output_padding": (self.output_padding, (0,) * self.dims),
                "groups": (self.groups, 1),
                "bias": (self.bias, True),
            },
        )

    def label(self) -> str:
        ones, zeros = (1,) * self.dims, (0,) * self.dims
        return label(
            [self.kind, self.in_channels, self.out_channels, ("k", self.kernel_size, None), ("s", self.stride, ones)]
            + [("p", self.padding, zeros), ("op", self.output_padding, zeros), ("d", self.dilation, ones)]
            + [("g", self.groups, 1), ("", "" if self.bias else "nobias", "")]
        )
