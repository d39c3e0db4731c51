"""Which padding, output_padding or stride of one layer makes this output of this input?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from convcheck.calculator.answers import AxisChange, Change, Changes, Near, OpenRanges
from convcheck.calculator.inverse import Box, Monotone, Ranges, TooManyError, holds, layers_of, only, through
from convcheck.calculator.inverse.ranges import MOST, common, values
from convcheck.calculator.questions.transposed_sizes import size_ranges, sizes_for
from convcheck.calculator.questions.writing import as_given, pasted
from convcheck.errors import ShapeError
from convcheck.layers import Conv, ConvTranspose, Layer, Pool, Unpatchify
from convcheck.sizes.patterns import SPACE_AXES, Shape
from convcheck.sizes.windows import TransposedWindow, Window, span

_FARTHEST = 2**62
"""A padding or stride beyond which none is looked for."""


def changes_for(layers: Sequence[Layer], input: Shape, output: Shape) -> Changes:
    """Return what the layers, one after the other, make of an input, and which change of one of them gives `output`.

    Raises:
        UsageError, TooManyError: a layer cannot be asked backwards.
        ShapeError: a layer cannot take what it gets, and no change mends it.
    """
    each = list(layers_of(layers))
    shapes, fault = _forwards(each, input)
    gives = shapes[-1] if fault is None else None
    found: list[Change] = []
    if gives != output:
        # Of each layer, its outputs from which the ones after it make what is asked for.
        wanted = through(each, [tuple(map(only, output))], len(input))[0][1:]
        for number, (layer, shape, boxes) in enumerate(zip(each, shapes, wanted, strict=False), start=1):
            found += (change for box in boxes for change in _changed(number, layer, shape, box))
    done = [change for change in found if change.layer is not None]
    if fault is not None and not done:
        raise ShapeError(fault)
    return Changes("changes", tuple(map(str, layers)), input, output, gives, fault, tuple(done or found))


def _forwards(layers: Sequence[Layer], input: Shape) -> tuple[list[Shape], str | None]:
    """Return the input of every layer that has one and the output, and why a layer cannot take what it gets."""
    shapes = [input]
    for number, layer in enumerate(layers, start=1):
        try:
            shapes.append(layer.output_shape(shapes[-1]))
        except ShapeError as error:
            return shapes, f"layer {number}, {layer}: {error}" if len(layers) > 1 else f"{layer}: {error}"
    return shapes, None


def _changed(number: int, layer: Layer, shape: Shape, box: Box) -> Iterator[Change]:
    """Yield what gives an output in the box for an input of this shape, along every axis, or comes close to it."""
    if isinstance(layer, Unpatchify):
        yield from _asked_for(number, layer, shape, box)
    if not isinstance(layer, (Conv, ConvTranspose, Pool)):
        return
    dims = layer.dims
    if len(shape) not in (dims + 1, dims + 2):
        return
    channels = shape[-dims - 1] if isinstance(layer, Pool) else layer.out_channels
    takes = isinstance(layer, Pool) or shape[-dims - 1] == layer.in_channels
    kept = (*shape[: -dims - 1], channels)
    if not takes or len(box) != len(shape) or not all(map(holds, box[:-dims], kept)):
        return
    wanted = [lengths or () for lengths in box[-dims:]]
    space = shape[-dims:]
    if isinstance(layer, ConvTranspose):
        axes = [_of_spread(*each) for each in zip(layer.spreads, space, wanted, strict=True)]
    else:
        axes = [_of_window(layer, *each) for each in zip(layer.windows, space, wanted, strict=True)]
    named = dict(zip(SPACE_AXES[dims], axes, strict=True))
    if all(axis.padding or axis.pairs or axis.stride for axis in axes):
        yield Change(number, named, pasted(_rewritten(layer, axes)), _output_size(layer, space, wanted))
    else:
        yield Change(number, named, None)


def _asked_for(number: int, layer: Unpatchify, shape: Shape, box: Box) -> Iterator[Change]:
    """Yield the layer with an output_spatial_shape that is in the box, where that may be asked for."""
    dims = layer.dims
    if len(shape) != len(box) or not holds(box[-1], layer.out_features):
        return
    try:
        sizes = sizes_for([layer], shape).sizes
    except ShapeError:
        # What it asks for now does not fit, which is no reason to ask for nothing else.
        plain = replace(layer, output_spatial_shape=None)
        if not _forwards([plain], shape)[1]:
            yield from _asked_for(number, plain, shape, box)
        return
    fits = [common(size.by_output_size, asked or ()) for size, asked in zip(sizes, box[-dims - 1 : -1], strict=True)]
    if all(fits) and all(map(holds, box[: -dims - 1], shape[: -dims - 1])):
        least = tuple(ranges[0][0] for ranges in fits)
        written = replace(layer, output_spatial_shape=as_given(least, layer.output_spatial_shape))
        named = dict(zip(SPACE_AXES[dims], (AxisChange(output_size=ranges) for ranges in fits), strict=True))
        yield Change(number, named, pasted(written, "convcheck"))


def _of_window(layer: Conv | Pool, window: Window, length: int, wanted: Ranges) -> AxisChange:
    """Return every symmetric padding, or else every stride, for which a window gives a length that is wanted."""
    least = window.kernel if layer.kind == "AvgPool3d" else 1
    if length < least:
        return AxisChange()

    def outputs(window: Window) -> int:
        rounded_up = isinstance(layer, Pool) and layer.ceil_mode
        return window.outputs_rounded_up(length) if rounded_up else window.outputs(length)

    most = _FARTHEST
    if isinstance(layer, Pool):
        most = window.kernel // 2
    elif layer.padding_mode in ("reflect", "circular"):
        most = length - (layer.padding_mode == "reflect")
    paddings = Monotone(lambda pad: outputs(replace(window, before=pad, after=pad)), 0, most)
    if found := paddings.reaching(wanted):
        return AxisChange(padding=found)
    near = _near("padding", paddings, wanted)
    if max(window.before, window.after) > most or (isinstance(layer, Conv) and layer.padding == "same"):
        return AxisChange(nearest=near)
    # With ceil_mode a window may stick out at the end, by less than a stride.
    reach = span(window.kernel, window.dilation) - window.before - window.after
    strides = Monotone(lambda step: outputs(replace(window, stride=step)), max(1, 1 + reach - length), _FARTHEST, True)
    return AxisChange(stride=_open(strides.reaching(wanted)), nearest=(*near, *_near("stride", strides, wanted)))


def _near(argument: str, function: Monotone, wanted: Ranges) -> tuple[Near, ...]:
    """Return the arguments on either side of the one that would give the lengths that are wanted, if there were one."""
    beside = function.beside(wanted[0][0]) if wanted else ()
    return tuple(Near(argument, value, function.of(value)) for value in beside if function.of(value) >= 1)


def _of_spread(spread: TransposedWindow, length: int, wanted: Ranges) -> AxisChange:
    """Return every legal padding with output_padding, or else every stride, that gives a length that is wanted."""
    limit = max(spread.stride, spread.dilation)
    # Of the pairs, one in two has the right parity, whatever the length.
    if (many := limit * sum(last - first + 1 for first, last in wanted)) > 2 * MOST:
        raise TooManyError(f"{many} pairs of a length and an output_padding would have to be tried")
    whole = replace(spread, padding=0, output_padding=0).outputs(length)
    pairs = [
        ((whole + extra - asked) // 2, extra)
        for asked in values(wanted)
        for extra in range(limit)
        if whole + extra >= asked and (whole + extra - asked) % 2 == 0
    ]
    if pairs:
        return AxisChange(pairs=tuple(sorted(set(pairs))))
    # What is shorter, padding cuts to; so the stride has to be longer, and leaves room for output_padding.
    strides = Monotone(lambda step: replace(spread, stride=step).outputs(length), spread.stride, _FARTHEST)
    paddings = Monotone(lambda pad: replace(spread, padding=pad).outputs(length), 0, _FARTHEST, True)
    near = *_near("padding", paddings, wanted), *_near("stride", strides, wanted)
    return AxisChange(stride=_open(strides.reaching(wanted)), nearest=near)


def _open(ranges: Ranges) -> OpenRanges:
    return tuple((first, None if last == _FARTHEST else last) for first, last in ranges)


def _rewritten(layer: Conv | ConvTranspose | Pool, axes: Sequence[AxisChange]) -> Layer:
    """Return the layer with one of the changes along every axis: the one nearest to what is there."""
    if isinstance(layer, ConvTranspose):
        own = zip(layer.padding, layer.output_padding, strict=True)
        # The least change of the padding, and then of the output_padding.
        pairs = [
            min(axis.pairs, key=lambda pair, at=at: (abs(pair[0] - at[0]), abs(pair[1] - at[1])), default=at)  # type: ignore[misc]
            for axis, at in zip(axes, own, strict=True)
        ]
        strides = tuple(_nearest(axis.stride, step) for axis, step in zip(axes, layer.stride, strict=True))
        paddings, extras = (tuple(each) for each in zip(*pairs, strict=True))
        return replace(layer, stride=strides, padding=paddings, output_padding=extras)
    windows = layer.windows
    paddings = tuple(_nearest(axis.padding, window.before) for axis, window in zip(axes, windows, strict=True))
    strides = tuple(_nearest(axis.stride, window.stride) for axis, window in zip(axes, windows, strict=True))
    if isinstance(layer, Conv):
        return replace(layer, stride=strides, padding=paddings)
    return replace(layer, stride=as_given(strides, layer.stride), padding=as_given(paddings, layer.padding))


def _nearest(ranges: OpenRanges, value: int) -> int:
    """Return the number in the ranges that is nearest to a value; the value itself where there are no ranges."""
    ends = [max(first, value if last is None else min(last, value)) for first, last in ranges]
    return min(ends, key=lambda end: abs(end - value), default=value)


def _output_size(layer: Layer, space: Shape, wanted: Sequence[Ranges]) -> Shape | None:
    """Return what forward's `output_size` has to be for what is wanted, where torch takes that as the layer is."""
    if not isinstance(layer, ConvTranspose):
        return None
    sizes = []
    for spread, length, asked in zip(layer.spreads, space, wanted, strict=True):
        _, by_size = size_ranges(spread, length)
        fits = [size for size in values(by_size) if holds(asked, size)]
        sizes += fits[:1]
    return tuple(sizes) if len(sizes) == len(space) else None
