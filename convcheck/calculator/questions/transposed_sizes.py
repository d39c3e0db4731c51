"""Which output sizes may be asked of a transposed layer?"""

from __future__ import annotations

from collections.abc import Sequence

from convcheck.calculator.answers import AllSizes, Sizes
from convcheck.calculator.inverse import Ranges, layers_of
from convcheck.calculator.inverse.ranges import joined
from convcheck.errors import ShapeError, UsageError
from convcheck.layers import ConvTranspose, Layer, Unpatchify
from convcheck.sizes.patterns import SPACE_AXES, Shape
from convcheck.sizes.windows import TransposedWindow


def sizes_for(layers: Sequence[Layer], input: Shape) -> AllSizes:
    """Return what every transposed layer of a chain may give for its input, with all else as it is.

    Raises:
        UsageError: no layer is a transposed one.
        ShapeError: a layer cannot take what it gets.
    """
    found: list[Sizes] = []
    shape = input
    each = list(layers_of(layers))
    for number, layer in enumerate(each, start=1):
        try:
            output = layer.output_shape(shape)
        except ShapeError as error:
            raise ShapeError(f"layer {number}, {layer}: {error}" if len(each) > 1 else f"{layer}: {error}") from None
        if isinstance(layer, (ConvTranspose, Unpatchify)):
            found += _sizes(number, layer, shape, output)
        shape = output
    if not found:
        raise UsageError("--sizes is about transposed layers, such as ConvTranspose2d or Unpatchify; there is none")
    return AllSizes("sizes", tuple(found))


def _sizes(number: int, layer: ConvTranspose | Unpatchify, shape: Shape, output: Shape) -> list[Sizes]:
    dims = layer.dims
    if isinstance(layer, Unpatchify):
        # Its forward takes the size itself; there is no output_padding.
        space, made = shape[-dims - 1 : -1], output[-dims - 1 : -1]
        spreads = [
            TransposedWindow(patch, step, 1, 0, 0) for patch, step in zip(layer.patch, layer.strides, strict=True)
        ]
    else:
        space, made, spreads = shape[-dims:], output[-dims:], list(layer.spreads)
    found = []
    for axis, length, size, spread in zip(SPACE_AXES[dims], space, made, spreads, strict=True):
        by_padding, by_size = size_ranges(spread, length)
        extra: Ranges = ((0, max(spread.stride, spread.dilation) - 1),)
        if isinstance(layer, Unpatchify):
            extra = by_padding = ()
        found.append(Sizes(number, str(layer), axis, length, size, extra, by_padding, by_size))
    return found


def size_ranges(spread: TransposedWindow, length: int) -> tuple[Ranges, Ranges]:
    """Return the output lengths that output_padding can give, and those that forward's `output_size` takes.

    output_padding is less than stride or dilation. `output_size` is from the length without output_padding on, and less
    than a stride longer, as in torch.nn.modules.conv._ConvTransposeNd._output_padding.
    """
    least = spread.outputs(length) - spread.output_padding
    most = max(spread.stride, spread.dilation)
    return joined([(max(1, least), least + most - 1)]), joined([(max(1, least), least + spread.stride - 1)])
