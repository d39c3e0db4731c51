"""The formula of an output's shape with the numbers put in, one line an axis.

A line is `axis: formula = length`. What is right of the colon is true as arithmetic, with torch's names of arguments
for their values, and `floor`, `ceil` and `min` of quotients. The formulas are those of torch.nn, section "Shape" of
every layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from convcheck.layers.arithmetic import Spread, Window, along
from convcheck.layers.base import Layer
from convcheck.layers.conv import Conv
from convcheck.layers.conv_transpose import ConvTranspose
from convcheck.layers.flatten import Flatten, Unflatten
from convcheck.layers.linear import Linear
from convcheck.layers.patchify import Patchify, Unpatchify
from convcheck.layers.pixel_shuffle import PixelShuffle, PixelUnshuffle
from convcheck.layers.pool import Pool
from convcheck.layers.rearrange import Rearrange
from convcheck.layers.sequential import Sequential
from convcheck.layers.unfold import Fold, Unfold
from convcheck.patterns import SPACE_AXES, Shape

T = TypeVar("T")


def explain(layer: Layer, *shapes: Shape) -> Iterator[str]:
    """Yield how the axes of the output come about; nothing where the output is shaped as an input is.

    Axes are called as everywhere here: `o` the output's channels, `l`, `h w` or `t h w` space; others are counted.

    Raises:
        ShapeError: the layer cannot take inputs of these shapes.
    """
    shape, output = shapes[0], layer.output_shape(*shapes)
    match layer:
        case Sequential():
            for number, (each, taken) in enumerate(zip(layer.layers, layer.through(shape), strict=False)):
                yield from (f"{number}.{line}" for line in explain(each, taken))
        case Conv():
            yield f"o: out_channels = {layer.out_channels}"
            yield from _per_axis(shape, layer.windows, output, gathered)
        case ConvTranspose():
            yield f"o: out_channels = {layer.out_channels}"
            yield from _per_axis(shape, layer.spreads, output, spread_out)
        case Patchify():
            yield from _per_axis(shape[:-1], layer.conv().windows, output[:-1], gathered)
            yield f"o: out_features = {layer.out_features}"
        case Unpatchify():
            yield from _per_axis(shape[:-1], layer.conv(shape).spreads, output[:-1], spread_out)
            yield f"o: out_features = {layer.out_features}"
        case Pool():
            yield from _per_axis(shape, layer.windows, output, gathered_up if layer.ceil_mode else gathered)
        case Linear():
            yield f"o: out_features = {layer.out_features}"
        case PixelShuffle():
            factor = layer.upscale_factor
            yield f"o: {put(shape[-3])} / {factor}**2 = {output[-3]}"
            yield from _per_axis(shape, [factor] * 2, output, lambda each, length: f"{put(length)} * {each}")
        case PixelUnshuffle():
            factor = layer.downscale_factor
            yield f"o: {put(shape[-3])} * {factor}**2 = {output[-3]}"
            yield from _per_axis(shape, [factor] * 2, output, lambda each, length: f"{put(length)} / {each}")
        case Unfold():
            counts = [window.outputs(length) for window, length in zip(layer.windows, shape[-2:], strict=True)]
            yield f"axis {len(shape) - 3}: {_times([shape[-3], *_kernel(layer)])} = {output[-2]}"
            # Places of windows, which the output has as one axis.
            yield from _per_axis(shape, layer.windows, counts, gathered)
            yield f"axis {len(shape) - 2}: {_times(counts)} = {output[-1]}"
        case Fold():
            yield f"o: {put(shape[-2])} / ({_times(_kernel(layer))}) = {output[-3]}"
            for axis, length in zip(SPACE_AXES[2], output[-2:], strict=True):
                yield f"{axis}: output_size = {length}"
        case Flatten():
            start, end = layer.start_dim % len(shape), layer.end_dim % len(shape)
            yield f"axis {start}: {_times(shape[start : end + 1])} = {output[start]}"
        case Unflatten():
            dim = layer.dim % len(shape)
            for at, length in enumerate(layer.unflattened_size, start=dim):
                rest = [each for each in layer.unflattened_size if each != -1] or [1]
                split = f"{put(shape[dim])} / ({_times(rest)})" if length == -1 else str(length)
                yield f"axis {at}: {split} = {output[at]}"
        case Rearrange():
            pattern = layer.for_rank(len(shape))
            sizes = pattern.sizes(shape, dict(layer.lengths))
            for group, length in zip(pattern.target, output, strict=True):
                if len(group) > 1:
                    yield f"({' '.join(group)}): {_times(sizes[axis] for axis in group)} = {length}"


def gathered(window: Window, length: int) -> str:
    """Write how many windows there are."""
    return f"floor({_room(window, length)} / {window.stride}) + 1"


def gathered_up(window: Window, length: int) -> str:
    """Write how many windows there are, where the last one may reach beyond the end, but not begin there."""
    begin = f"ceil(({put(length)} + {window.before}) / {window.stride})"
    return f"min(ceil({_room(window, length)} / {window.stride}) + 1, {begin})"


def _room(window: Window, length: int) -> str:
    pads = f"2*{window.before}" if window.before == window.after else f"{window.before} + {window.after}"
    return f"({put(length)} + {pads} - {window.dilation}*({window.kernel} - 1) - 1)"


def spread_out(spread: Spread, length: int) -> str:
    """Write how many positions a transposed layer makes."""
    return (
        f"({put(length)} - 1)*{spread.stride} - 2*{spread.padding} + {spread.dilation}*({spread.kernel} - 1) "
        f"+ {spread.output_padding} + 1"
    )


def put(length: int) -> str:
    """Write a length into a formula; one that is a formula itself stands in brackets."""
    text = str(length)
    return text if text.isalnum() else f"({text})"


def _times(lengths: Iterable[int]) -> str:
    return " * ".join(map(put, lengths))


def _kernel(layer: Unfold | Fold) -> Shape:
    return along(layer.kernel_size, 2)


def _per_axis(
    shape: Shape, parts: Iterable[T], outputs: Iterable[int], write: Callable[[T, int], str]
) -> Iterator[str]:
    """Yield a line for each of the last axes, of which every one has a part of the layer."""
    each = list(parts)
    dims = len(each)
    for axis, length, part, output in zip(SPACE_AXES[dims], shape[-dims:], each, [*outputs][-dims:], strict=True):
        yield f"{axis}: {write(part, length)} = {output}"
