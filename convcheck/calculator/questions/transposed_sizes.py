"""Which output sizes may be asked of a transposed layer?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from convcheck.calculator.answers import AllSizes, Sizes
from convcheck.calculator.inverse.chain import forwards, layers_of
from convcheck.calculator.inverse.ranges import Ranges, joined
from convcheck.errors import ShapeError, UsageError
from convcheck.layers import Layer
from convcheck.sizes.patterns import SPACE_AXES, Shape
from convcheck.sizes.windows import TransposedWindow


def sizes_for(layers: Sequence[Layer], input: Shape) -> AllSizes:
    """Return what every transposed layer of a chain may give for its input, with all else as it is.

    Raises:
        UsageError: no layer is a transposed one.
        ShapeError: a layer cannot take what it gets.
    """
    chain = list(layers_of(layers))
    shapes, fault = forwards(chain, input)
    if fault is not None:
        raise ShapeError(fault)
    sizes: list[Sizes] = []
    for number, (layer, shape, output) in enumerate(zip(chain, shapes, shapes[1:], strict=False), start=1):
        if {"output_padding", "output_spatial_shape"} & {*layer.ADJUSTABLE}:
            sizes += _sizes(number, layer, shape, output)
    if not sizes:
        raise UsageError("--sizes is about transposed layers, such as ConvTranspose2d or Unpatchify; there is none")
    return AllSizes("sizes", tuple(sizes))


def _sizes(number: int, layer: Layer, shape: Shape, output: Shape) -> Iterator[Sizes]:
    axes = zip(SPACE_AXES[layer.dims], layer.space(shape), layer.axis_windows(shape), strict=True)
    for name, axis, window in axes:
        assert isinstance(window, TransposedWindow), f"{layer} says that its output's size may be chosen"
        by_padding, by_size = size_ranges(window, shape[axis])
        extra: Ranges = ((0, max(window.stride, window.dilation) - 1),)
        if "output_padding" not in layer.ADJUSTABLE:
            # Its forward takes the size itself.
            extra = by_padding = ()
        yield Sizes(number, str(layer), name, shape[axis], output[axis], extra, by_padding, by_size)


def size_ranges(spread: TransposedWindow, length: int) -> tuple[Ranges, Ranges]:
    """Return the output lengths that output_padding can give, and those that forward's `output_size` takes.

    output_padding is less than stride or dilation. `output_size` is from the length without output_padding on, and less
    than a stride longer, as in torch.nn.modules.conv._ConvTransposeNd._output_padding.
    """
    least = spread.outputs(length) - spread.output_padding
    most = max(spread.stride, spread.dilation)
    return joined([(max(1, least), least + most - 1)]), joined([(max(1, least), least + spread.stride - 1)])
