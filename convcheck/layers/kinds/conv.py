"""Convolutions as numbers: torch.nn.Conv1d, Conv2d, Conv3d."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from convcheck.errors import ShapeError
from convcheck.layers.axis_map import AxisMap, LengthFunction, spatial
from convcheck.layers.base import Layer, Roundings, batch_of, untested_patch
from convcheck.layers.initialisation import Init, uniform_by_fan_in
from convcheck.layers.shape_checks import check_channels, too_short
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.layers.text.notation import axis_formulas, compact, indivisible, label
from convcheck.sizes.patterns import KERNEL_AXES, SPACE_AXES, Group, Shape, Shapes
from convcheck.sizes.windows import Window, span


@dataclass(frozen=True)
class Conv(Layer):
    """`y[o, n] = b[o] + sum over i, k of W[o, i, k] * x[i, s*n + d*k - p]`."""

    in_channels: int
    out_channels: int
    kernel_size: Shape
    stride: Shape
    padding: Shape | str
    dilation: Shape
    groups: int
    bias: bool
    padding_mode: str

    MIXES_CHANNELS = True
    ADJUSTABLE = ("padding", "stride")
    SIGNATURE = (
        Argument("in_channels", read.whole(1)),
        Argument("out_channels", read.whole(1)),
        Argument("kernel_size", read.per_axis(1)),
        Argument("stride", read.per_axis(1, short=True), 1),
        Argument("padding", read.padding, 0),
        Argument("dilation", read.per_axis(1, short=True), 1),
        Argument("groups", read.whole(1), 1),
        Argument("bias", read.flag, True),
        Argument("padding_mode", read.padding_mode, "zeros"),
    )

    @classmethod
    def completed(cls, arguments: dict[str, object]) -> dict[str, object]:
        padding, kernel = arguments["padding"], arguments["kernel_size"]
        if arguments["padding_mode"] == "zeros" and isinstance(padding, tuple) and isinstance(kernel, tuple):
            return {**arguments, "padding": padding * len(kernel) if len(padding) == 1 else padding}
        return arguments

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        yield from indivisible(self.in_channels, self.out_channels, self.groups)
        if len(self.padding) < self.dims and isinstance(self.padding, tuple):
            yield (
                "padding",
                f"padding is {self.padding} and padding_mode {self.padding_mode!r}, with which torch pads the "
                f"last axis only; it must be a whole number at least 0, or {self.dims} of them",
            )
        if self.padding == "same" and any(step != 1 for step in self.stride):
            pads = ", ".join(map(str, self.pads))
            yield (
                "padding",
                f"padding='same' needs stride 1, and stride is {self.stride}; torch refuses it too. Written out, it "
                f"pads by (before, after) {pads}; `convcheck shape --same` says more, for the layer without it",
            )

    @property
    def pads(self) -> tuple[tuple[int, int], ...]:
        """The padding of every axis in numbers, (before, after). An odd 'same' puts one more behind, as torch does."""
        if self.padding == "valid":
            return ((0, 0),) * self.dims
        if isinstance(self.padding, str):
            totals = [span(k, d) - 1 for k, d in zip(self.kernel_size, self.dilation, strict=True)]
            return tuple((total // 2, total - total // 2) for total in totals)
        return tuple((pad, pad) for pad in self.padding)

    @property
    def windows(self) -> tuple[Window, ...]:
        """The window of every spatial axis."""
        axes = zip(self.kernel_size, self.stride, self.dilation, self.pads, strict=True)
        return tuple(Window(kernel, stride, dilation, *pads) for kernel, stride, dilation, pads in axes)

    def parameters(self) -> dict[str, Shape]:
        weight = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
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
        outer = ("g", "o") if self.groups > 1 else ("o",)
        return (outer, ("i",), *((axis,) for axis in KERNEL_AXES[self.dims]))

    def untested(self, shape: Shape) -> Iterator[str]:
        yield from untested_patch(self.in_channels // self.groups, math.prod(self.kernel_size))

    def output_shape(self, shape: Shape) -> Shape:
        dims, windows = self.dims, self.windows
        check_channels(shape, dims, self.in_channels, self.kind)
        space = shape[-dims:]
        for axis, length, window in zip(SPACE_AXES[dims], space, windows, strict=True):
            self._check_axis(axis, length, window)
        outputs = (window.outputs(length) for length, window in zip(space, windows, strict=True))
        return (*shape[: -dims - 1], self.out_channels, *outputs)

    def axis_map(self, rank: int) -> AxisMap | None:
        # Padding that copies the input needs as much of it.
        least = {"reflect": 1, "circular": 0}.get(self.padding_mode)
        functions = [
            LengthFunction(window.outputs, 1 if least is None else max(1, max(window.before, window.after) + least))
            for window in self.windows
        ]
        return spatial(rank, functions, (self.in_channels, self.out_channels))

    def most_padding(self, _window: Window, length: int) -> int | None:
        return {"reflect": length - 1, "circular": length}.get(self.padding_mode)

    def padding_fill(self) -> str | None:
        return self.padding_mode

    def _check_axis(self, axis: str, length: int, window: Window) -> None:
        widest = max(window.before, window.after)
        limit = self.most_padding(window, length)
        if limit is not None and widest > limit:
            need = max(widest + length - limit, span(window.kernel, window.dilation) - window.before - window.after)
            raise ShapeError(
                f"padding_mode={self.padding_mode!r} cannot pad axis {axis} of length {length} by {widest}; "
                f"it reaches {limit} at most; for this padding {axis} must be at least {need}"
            )
        if window.outputs(length) < 1:
            raise too_short(axis, length, window)

    def explain(self, shape: Shape) -> Iterator[str]:
        output = self.output_shape(shape)
        yield f"o: out_channels = {self.out_channels}"
        axes = zip(self.windows, shape[-self.dims :], strict=True)
        yield from axis_formulas([window.formula(length) for window, length in axes], output)

    def axis_windows(self, shape: Shape) -> tuple[Window, ...]:
        return self.windows

    def macs(self, shape: Shape) -> int:
        output = self.output_shape(shape)
        positions = batch_of(shape, self.dims + 1) * math.prod(output[-self.dims :])
        return positions * math.prod(self.parameters()["weight"])

    def im2col_size(self, shape: Shape) -> int:
        if set(self.kernel_size) == set(self.stride) == {1} and not any(map(sum, self.pads)):
            return 0
        # Groups come one after the other, and so do the images under a dilated kernel.
        images = 1 if set(self.dilation) == {1} else batch_of(shape, self.dims + 1)
        return self.macs(shape) // self.out_channels // max(1, images)

    def example_inputs(self) -> Shapes:
        space = []
        for window in self.windows:
            needed = {"reflect": window.after + 1, "circular": window.after}.get(self.padding_mode, 1)
            space.append(max(window.example_length(), needed))
        return ((2, self.in_channels, *space),)

    def roundings(self) -> Roundings:
        # One accumulation in at least float32, bias included, rounded once.
        return Roundings()

    def __str__(self) -> str:
        return compact(
            self.kind,
            [self.in_channels, self.out_channels],
            {
                "kernel_size": (self.kernel_size, None),
                "stride": (self.stride, None),
                "padding": (self.padding, (0,) * self.dims),
                "dilation": (self.dilation, (1,) * self.dims),
                "groups": (self.groups, 1),
                "bias": (self.bias, True),
                "padding_mode": (self.padding_mode, "zeros"),
            },
        )

    def label(self) -> str:
        ones, zeros = (1,) * self.dims, (0,) * self.dims
        mode = "" if self.padding_mode == "zeros" else self.padding_mode
        return label(
            [self.kind, self.in_channels, self.out_channels, ("k", self.kernel_size, None), ("s", self.stride, ones)]
            + [("p", self.padding, zeros), ("", mode, ""), ("d", self.dilation, ones), ("g", self.groups, 1)]
            + [("", "" if self.bias else "nobias", "")]
        )
