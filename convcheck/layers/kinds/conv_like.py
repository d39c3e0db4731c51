"""Convolutions of timm: with standardised weights, or with TensorFlow's padding, which its print leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from convcheck.layers.initialisation import Init
from convcheck.layers.kinds.conv import Conv
from convcheck.layers.kinds.pool import AvgPool
from convcheck.layers.shape_checks import check_channels, check_rank
from convcheck.layers.text.notation import axis_formulas
from convcheck.sizes.patterns import Shape
from convcheck.sizes.windows import Window, along


@dataclass(frozen=True)
class ConvLike(Conv):
    """A convolution whose kernel is standardised before it is used. Shapes and counts are those of a Conv2d."""

    DIMS = 2
    COUNTED_ONLY = True

    def parameters(self) -> dict[str, Shape]:
        # The scaled ones learn how large each standardised kernel is.
        gain = {"gain": (self.out_channels, 1, 1, 1)} if self.kind.startswith("Scaled") else {}
        return super().parameters() | gain

    def initial_values(self) -> Mapping[str, Init]:
        """Return nothing: timm fills them in its own way."""
        return {}


@dataclass(frozen=True)
class ConvSame(ConvLike):
    """With as much padding as makes `ceil(length / stride)` outputs, whatever the length; more of it behind."""

    def output_shape(self, shape: Shape) -> Shape:
        check_channels(shape, self.dims, self.in_channels, self.kind)
        outputs = (-(-length // step) for length, step in zip(shape[-self.dims :], self.stride, strict=True))
        return (*shape[: -self.dims - 1], self.out_channels, *outputs)

    def explain(self, shape: Shape) -> Iterator[str]:
        output = self.output_shape(shape)
        yield f"o: out_channels = {self.out_channels}"
        axes = zip(shape[-self.dims :], self.stride, strict=True)
        yield from axis_formulas([f"ceil({length} / {step})" for length, step in axes], output)

    def axis_windows(self, shape: Shape) -> tuple[Window, ...]:
        axes = zip(self.kernel_size, self.stride, self.dilation, shape[-self.dims :], strict=True)
        return tuple(_window(kernel, step, dilation, length) for kernel, step, dilation, length in axes)


@dataclass(frozen=True)
class AvgPoolSame(AvgPool):
    """The same for averages."""

    DIMS = 2
    COUNTED_ONLY = True

    def output_shape(self, shape: Shape) -> Shape:
        check_rank(shape, self.dims, "channels", self.kind)
        strides = along(self.stride, self.dims)
        return (
            *shape[: -self.dims],
            *(-(-length // s) for length, s in zip(shape[-self.dims :], strides, strict=True)),
        )

    def explain(self, shape: Shape) -> Iterator[str]:
        output = self.output_shape(shape)
        axes = zip(shape[-self.dims :], along(self.stride, self.dims), strict=True)
        yield from axis_formulas([f"ceil({length} / {step})" for length, step in axes], output)

    def axis_windows(self, shape: Shape) -> tuple[Window, ...]:
        sizes = zip(along(self.kernel_size, 2), along(self.stride, 2), shape[-self.dims :], strict=True)
        return tuple(_window(kernel, step, 1, length) for kernel, step, length in sizes)


def _window(kernel: int, stride: int, dilation: int, length: int) -> Window:
    """Return the window with TensorFlow's padding; of a formula, that of a length without a remainder."""
    reach = dilation * (kernel - 1) + 1
    left = (length - 1) % stride + 1 if isinstance(length, int) else stride
    total = max(0, reach - left)
    return Window(kernel, stride, dilation, total // 2, total - total // 2)
