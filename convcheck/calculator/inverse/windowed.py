"""Every kind of layer backwards: the input shapes from which an output of a given shape comes.

A set of shapes is a list of boxes, and a box holds the possible lengths of every axis, each independent of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, singledispatch

from convcheck.calculator.inverse.known_dims import Forms
from convcheck.calculator.inverse.monotone import Monotone
from convcheck.calculator.inverse.ranges import ANY, Lengths, divided, factors, holds, only, scaled, values
from convcheck.errors import ConvcheckError, UsageError
from convcheck.layers.base import Layer
from convcheck.layers.kinds.conv import Conv
from convcheck.layers.kinds.conv_transpose import ConvTranspose
from convcheck.layers.kinds.patches import Patchify, Unpatchify
from convcheck.layers.kinds.pixel_shuffle import PixelShuffle, PixelUnshuffle
from convcheck.layers.kinds.pool import AvgPool, Pool
from convcheck.layers.kinds.unfold import Fold, Unfold
from convcheck.sizes.patterns import SPACE_AXES
from convcheck.sizes.windows import TransposedWindow

Box = tuple[Lengths, ...]


class NoInputError(ConvcheckError):
    """No input gives this output, because of this."""


class CoupledError(ConvcheckError):
    """Lengths depend on one another, so whatever length cannot be taken for one of them."""


@singledispatch
def inputs_of(layer: Layer, box: Box, _before: Forms | None) -> list[Box]:
    """Return every input shape from which the layer makes an output in `box`, as boxes that are not empty.

    `_before` is what the layers before it can make, where that is known.

    Raises:
        NoInputError: there is none; with the reason.
        UsageError: this kind cannot be answered backwards.
        TooManyError: they are too many to be listed.
    """
    raise UsageError(f"{layer.kind} cannot be asked backwards; leave it out, and ask about what is before and after it")


def nonempty(layer: Layer, axes: Sequence[str], asked: Sequence[Lengths], found: Sequence[Lengths]) -> None:
    """Raise NoInputError if an axis of the input has no length that gives what is asked for."""
    for axis, wanted, lengths in zip(axes, asked, found, strict=True):
        if lengths == ():
            raise NoInputError(f"{layer.kind} gives {axis} = {say(wanted)} for no length of its input")


def say(lengths: Lengths) -> str:
    """Write lengths for a reason."""
    if lengths is None:
        return "any length"
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in lengths[:8]) + (
        ", ..." if len(lengths) > 8 else ""
    )


def rising(layer: Conv | ConvTranspose | Pool) -> tuple[Monotone, ...]:
    """Return the output's length as a function of the input's, for every spatial axis."""
    if isinstance(layer, ConvTranspose):
        return tuple(Monotone(spread.outputs) for spread in layer.spreads)
    if isinstance(layer, Conv):
        # Padding that copies the input needs as much of it.
        more = {"reflect": 1, "circular": 0}.get(layer.padding_mode)
        return tuple(
            Monotone(window.outputs, 1 if more is None else max(1, max(window.before, window.after) + more))
            for window in layer.windows
        )
    return tuple(
        Monotone(
            window.outputs_rounded_up if layer.ceil_mode else window.outputs,
            # As torch's AvgPool3d asks for.
            window.kernel if isinstance(layer, AvgPool) and layer.dims == 3 else 1,
        )
        for window in layer.windows
    )


def spatial(
    layer: Layer, box: Box, functions: Sequence[Monotone], channels: Callable[[Lengths], Lengths], made: object
) -> list[Box]:
    """Go back through functions of one axis each, batched or not; `made` is what its channels are called."""
    dims, axes = len(functions), SPACE_AXES[len(functions)]
    if len(box) not in (dims + 1, dims + 2):
        space = ", ".join(axes).upper()
        raise NoInputError(f"{layer.kind} gives [batch, {made}, {space}] or [{made}, {space}], not {len(box)} axes")
    before = channels(box[-dims - 1])
    if before == ():
        raise NoInputError(f"{layer.kind} gives {made} channels, not {say(box[-dims - 1])}")
    lengths = [function.before(asked) for function, asked in zip(functions, box[-dims:], strict=True)]
    nonempty(layer, axes, box[-dims:], lengths)
    return [(*box[: -dims - 1], before, *lengths)]


def fixed(made: int, taken: int) -> Callable[[Lengths], Lengths]:
    """Return what goes back from the channels that a layer makes to those it takes; to none from others."""
    return lambda lengths: only(taken) if holds(lengths, made) else ()


@inputs_of.register
def _(layer: Conv, box: Box, _before: Forms | None) -> list[Box]:
    back = fixed(layer.out_channels, layer.in_channels)
    return spatial(layer, box, rising(layer), back, layer.out_channels)


@inputs_of.register
def _(layer: ConvTranspose, box: Box, _before: Forms | None) -> list[Box]:
    back = fixed(layer.out_channels, layer.in_channels)
    return spatial(layer, box, rising(layer), back, layer.out_channels)


@inputs_of.register
def _(layer: Pool, box: Box, _before: Forms | None) -> list[Box]:
    return spatial(layer, box, rising(layer), lambda lengths: lengths, "channels")


@inputs_of.register
def _(layer: Patchify, box: Box, _before: Forms | None) -> list[Box]:
    return [_last(each, layer.dims) for each in inputs_of(layer.conv(), _first(box, layer.dims), None)]


@inputs_of.register
def _(layer: Unpatchify, box: Box, _before: Forms | None) -> list[Box]:
    turned, back = _first(box, layer.dims), fixed(layer.out_features, layer.in_features)
    asked = layer.output_spatial_shape
    if asked is None:
        functions = [Monotone(TransposedWindow(patch, step, 1, 0, 0).outputs) for patch, step in _patches(layer)]
    else:
        sizes = asked if isinstance(asked, tuple) else (asked,) * layer.dims
        # The one grid whose last patch ends less than a step before the size that is asked for.
        grids = [(size - patch) // step + 1 for size, (patch, step) in zip(sizes, _patches(layer), strict=True)]
        functions = [Monotone(partial(_always, size), max(1, n), n) for size, n in zip(sizes, grids, strict=True)]
    return [_last(each, layer.dims) for each in spatial(layer, turned, functions, back, layer.out_features)]


def _always(size: int, _length: int) -> int:
    return size


def _patches(layer: Unpatchify) -> list[tuple[int, int]]:
    return list(zip(layer.patch, layer.strides, strict=True))


def _first(box: Box, dims: int) -> Box:
    return (*box[: -dims - 1], *box[-1:], *box[-dims - 1 : -1])


def _last(box: Box, dims: int) -> Box:
    return (*box[: -dims - 1], *box[-dims:], box[-dims - 1])


@inputs_of.register
def _(layer: PixelShuffle, box: Box, _before: Forms | None) -> list[Box]:
    return _shuffled(layer, box, layer.upscale_factor, scaled, divided)


@inputs_of.register
def _(layer: PixelUnshuffle, box: Box, _before: Forms | None) -> list[Box]:
    return _shuffled(layer, box, layer.downscale_factor, divided, scaled)


_Times = Callable[[Lengths, int], Lengths]


def _shuffled(layer: Layer, box: Box, factor: int, channels: _Times, space: _Times) -> list[Box]:
    if len(box) < 3:
        raise NoInputError(f"{layer.kind} gives [..., channels, H, W], not {len(box)} axes")
    found = (channels(box[-3], factor**2), space(box[-2], factor), space(box[-1], factor))
    nonempty(layer, ("channels", "h", "w"), box[-3:], found)
    return [(*box[:-3], *found)]


@inputs_of.register
def _(layer: Unfold, box: Box, _before: Forms | None) -> list[Box]:
    if len(box) not in (2, 3):
        raise NoInputError(f"Unfold gives [batch, rows, columns] or [rows, columns], not {len(box)} axes")
    *batch, rows, columns = box
    channels = divided(rows, layer.taps)
    nonempty(layer, ("rows",), (rows,), (channels,))
    if columns is ANY:
        raise CoupledError
    found: list[Box] = []
    for count in values(columns):
        for windows in factors(count, (None, None)):
            space = [Monotone(w.outputs).reaching(only(n)) for w, n in zip(layer.windows, windows, strict=True)]
            if all(space):
                found.append((*batch, channels, *space))
    if not found:
        raise NoInputError(f"Unfold gives {say(columns)} columns for no height and width of its input")
    return found


@inputs_of.register
def _(layer: Fold, box: Box, _before: Forms | None) -> list[Box]:
    size = layer.output_size if isinstance(layer.output_size, tuple) else (layer.output_size,) * 2
    if len(box) not in (3, 4) or not all(map(holds, box[-2:], size)):
        raise NoInputError(f"Fold gives [batch, channels, {size[0]}, {size[1]}] or the same without a batch")
    return [(*box[:-3], scaled(box[-3], layer.taps), only(layer.columns))]
