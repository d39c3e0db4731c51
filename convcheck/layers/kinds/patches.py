"""convcheck's own channels-last layers: Patchify, a strided convolution, and Unpatchify, a transposed one."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from convcheck.errors import ShapeError
from convcheck.layers.axis_map import AxisMap, LengthFunction, counted, spatial
from convcheck.layers.base import Layer, Roundings
from convcheck.layers.initialisation import ZEROS, Init, uniform_by_fan_in
from convcheck.layers.kinds.conv import Conv
from convcheck.layers.kinds.conv_transpose import ConvTranspose
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.layers.text.notation import axis_formulas, compact, label
from convcheck.sizes.patterns import SPACE_AXES, Group, Shape, Shapes
from convcheck.sizes.windows import TransposedWindow, Window

if TYPE_CHECKING:
    from convcheck.sizes.axis_origins import AxisOrigins

INITIALISATIONS = ("default", "zeros", "fan_in")

_SIGNATURE = (
    Argument("in_features", read.whole(1)),
    Argument("out_features", read.whole(1)),
    Argument("data_dim", read.one_of(1, 2, 3)),
    Argument("patch_size", read.few(1)),
    Argument("stride", read.optional(read.few(1)), None),
    Argument("bias", read.flag, True),
    Argument("weight_init", read.one_of(*INITIALISATIONS), "default"),
)


@dataclass(frozen=True)
class _Patches(Layer):
    """What both have in common."""

    in_features: int
    out_features: int
    data_dim: int
    patch_size: int | Shape
    stride: int | Shape | None
    bias: bool
    weight_init: str

    @property
    def dims(self) -> int:
        return self.data_dim

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        for name in ("patch_size", "stride"):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != self.data_dim:
                legal = f"it must be one number{f' or {self.data_dim} of them' * (self.data_dim > 1)}"
                yield name, f"{name} is {value}, {len(value)} numbers, and data_dim is {self.data_dim}; {legal}"

    @property
    def patch(self) -> Shape:
        """The patch's length along every axis."""
        return self._along_axes(self.patch_size)

    @property
    def strides(self) -> Shape:
        """The stride along every axis."""
        return self._along_axes(self.patch_size if self.stride is None else self.stride)

    def _along_axes(self, value: int | Shape) -> Shape:
        return value if isinstance(value, tuple) else (value,) * self.data_dim

    @abstractmethod
    def conv(self, shape: Shape = ()) -> Conv | ConvTranspose:
        """Return the convolution that it wraps, on channels first, for an input of `shape` or, without one, for any.

        Raises:
            ShapeError: the output cannot have the size that is asked for.
        """

    def parameters(self) -> dict[str, Shape]:
        return {f"conv.{name}": shape for name, shape in self.conv().parameters().items()}

    def parameter_axes(self, name: str) -> tuple[Group, ...]:
        return self.conv().parameter_axes(name.removeprefix("conv."))

    def axis_periods(self) -> Mapping[str, int]:
        return self.conv().axis_periods()

    def axis_sizes(self) -> dict[str, int]:
        return self.conv().kernel_axes()

    def untested(self, shape: Shape) -> Iterator[str]:
        return self.conv().untested(shape)

    def axis_windows(self, shape: Shape) -> Sequence[Window | TransposedWindow]:
        return self.conv(shape).axis_windows(shape)

    def output_shape(self, shape: Shape) -> Shape:
        first = self.channels_first(shape)
        return self._channels_last(self.conv(shape).output_shape(first))

    def axis_map(self, rank: int) -> AxisMap | None:
        functions = [LengthFunction(window.outputs) for window in self.axis_windows(())]
        return spatial(rank, functions, (self.in_features, self.out_features), channels_last=True)

    def explain(self, shape: Shape) -> Iterator[str]:
        output = self.output_shape(shape)
        axes = zip(self.axis_windows(shape), shape[-self.dims - 1 : -1], strict=True)
        yield from axis_formulas([window.formula(length) for window, length in axes], output[:-1])
        yield f"o: out_features = {self.out_features}"

    def macs(self, shape: Shape) -> int:
        first = self.channels_first(shape)
        return self.conv(shape).macs(first)

    def im2col_size(self, shape: Shape) -> int:
        first = self.channels_first(shape)
        return self.conv(shape).im2col_size(first)

    def example_inputs(self) -> Shapes:
        return (self._channels_last(self.conv().example_inputs()[0]),)

    def roundings(self) -> Roundings:
        return self.conv().roundings()

    def axes(self, rank: int, channels: str) -> tuple[str, ...]:
        return counted(rank, (*SPACE_AXES[self.dims], channels))

    def initial_values(self) -> Mapping[str, Init]:
        shapes = self.parameters()
        if self.weight_init == "default":
            return uniform_by_fan_in(shapes)
        inputs = self.in_features * math.prod(self.patch)
        weight = ZEROS if self.weight_init == "zeros" else Init("normal", std=math.sqrt(2 / inputs))
        return {name: weight if name == "conv.weight" else ZEROS for name in shapes}

    def channels_first(self, shape: Shape) -> Shape:
        """Return the shape with channels before the spatial axes.

        Raises:
            ShapeError: the rank or the channels are not the layer's.
        """
        if len(shape) not in (self.dims + 1, self.dims + 2) or shape[-1] != self.in_features:
            space = ", ".join(axis.upper() for axis in SPACE_AXES[self.dims])
            raise ShapeError(
                f"{self.kind} takes channels last, [batch, {space}, {self.in_features}] or "
                f"[{space}, {self.in_features}]; this is {list(shape)}"
            )
        return (*shape[: -self.dims - 1], shape[-1], *shape[-self.dims - 1 : -1])

    def _channels_last(self, shape: Shape) -> Shape:
        return (*shape[: -self.dims - 1], *shape[-self.dims :], shape[-self.dims - 1])

    def space(self, shape: Shape) -> range:
        return range(len(shape) - self.dims - 1, len(shape) - 1)

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        origins.step_along(len(shape) - 1, self.axis_windows(shape))
        origins.mix(len(shape) - 1)

    def _written(self, more: dict[str, tuple[object, object]]) -> str:
        usual = {"stride": (self.stride, None), "bias": (self.bias, True), "weight_init": (self.weight_init, "default")}
        named = {"data_dim": (self.data_dim, ""), "patch_size": (self.patch_size, "")}
        given = {name: pair for name, pair in {**usual, **more}.items() if pair[0] != pair[1]}
        return compact(self.kind, [self.in_features, self.out_features], {**named, **given})

    def __str__(self) -> str:
        return self._written({})

    def label(self) -> str:
        stride = self.stride if self.stride is not None else self.patch_size
        return label(
            [f"{self.kind}{self.dims}d", self.in_features, self.out_features, ("p", self.patch_size, None)]
            + [("s", stride, self.patch_size), ("", "" if self.bias else "nobias", "")]
        )


@dataclass(frozen=True)
class Patchify(_Patches):
    """`[b, *space, i] -> [b, *grid, o]`: a convolution without padding, channels last."""

    SIGNATURE = _SIGNATURE

    def conv(self, _shape: Shape = ()) -> Conv:
        ones, zeros = (1,) * self.dims, (0,) * self.dims
        channels = (self.in_features, self.out_features)
        return Conv(f"Conv{self.dims}d", *channels, self.patch, self.strides, zeros, ones, 1, self.bias, "zeros")


@dataclass(frozen=True)
class Unpatchify(_Patches):
    """`[b, *grid, i] -> [b, *space, o]`: a transposed convolution without padding, channels last.

    Several sizes share one grid, since a convolution drops the remainder; `output_spatial_shape` asks for one of them.
    """

    output_spatial_shape: int | Shape | None

    ADJUSTABLE = ("output_spatial_shape",)
    SIGNATURE = (*_SIGNATURE, Argument("output_spatial_shape", read.optional(read.few(1)), None))

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        yield from super().inconsistencies()
        asked = self.output_spatial_shape
        if isinstance(asked, tuple) and len(asked) != self.data_dim:
            legal = f"it must be one number{f' or {self.data_dim} of them' * (self.data_dim > 1)}"
            yield "output_spatial_shape", f"output_spatial_shape is {asked}, and data_dim is {self.data_dim}; {legal}"

    def conv(self, shape: Shape = ()) -> ConvTranspose:
        ones, zeros = (1,) * self.dims, (0,) * self.dims
        channels = (self.in_features, self.out_features)
        kind = f"ConvTranspose{self.dims}d"
        plain = ConvTranspose(kind, *channels, self.patch, self.strides, zeros, zeros, 1, self.bias, ones, "zeros")
        if self.output_spatial_shape is None or not shape:
            return plain
        least = plain.output_shape(self.channels_first(shape))[-self.dims :]
        asked = self._along_axes(self.output_spatial_shape)
        for axis, wanted, low, step in zip(SPACE_AXES[self.dims], asked, least, self.strides, strict=True):
            if not low <= wanted < low + step:
                raise ShapeError(
                    f"output_spatial_shape asks for {wanted} on axis {axis}, and a grid of "
                    f"{list(shape[-self.dims - 1 : -1])} has {low} to {low + step - 1} there"
                )
        more = tuple(wanted - low for wanted, low in zip(asked, least, strict=True))
        return replace(plain, output_padding=more)

    def axis_map(self, rank: int) -> AxisMap | None:
        if self.output_spatial_shape is None:
            return super().axis_map(rank)
        functions = [LengthFunction(partial(_always, size), max(1, grid), grid) for size, grid in self._grids()]
        return spatial(rank, functions, (self.in_features, self.out_features), channels_last=True)

    def _grids(self) -> list[tuple[int, int]]:
        """Return, for every axis, the size asked for and the one grid whose last patch ends less than a step before."""
        axes = zip(self._along_axes(self.output_spatial_shape or ()), self.patch, self.strides, strict=True)
        return [(size, (size - patch) // step + 1) for size, patch, step in axes]

    def example_inputs(self) -> Shapes:
        if self.output_spatial_shape is None:
            return super().example_inputs()
        return ((2, *(max(1, grid) for _, grid in self._grids()), self.in_features),)

    def label(self) -> str:
        return label([super().label(), ("to", self.output_spatial_shape, None)])

    def __str__(self) -> str:
        return self._written({"output_spatial_shape": (self.output_spatial_shape, None)})


def _always(size: int, _length: int) -> int:
    return size
