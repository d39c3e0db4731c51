"""Receptive fields through chains of layers, along every spatial axis of the chain's input.

An output position is all channels at one place, so what mixes channels mixes whatever was moved into them. Which axes
of the input are spatial is said by the first layer that has such axes; for attention it is the sequence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from convcheck.layers.attention import DotProductAttention
from convcheck.layers.base import Layer
from convcheck.layers.batchnorm import BatchNorm
from convcheck.layers.conv import Conv
from convcheck.layers.conv_transpose import ConvTranspose
from convcheck.layers.multihead import MultiheadAttention
from convcheck.layers.patchify import Patchify, Unpatchify
from convcheck.layers.pixel_shuffle import PixelShuffle, PixelUnshuffle
from convcheck.layers.pool import Pool
from convcheck.layers.reading import field, jump
from convcheck.layers.sequential import Sequential
from convcheck.layers.through import pass_through
from convcheck.layers.tracks import Tracks
from convcheck.layers.unfold import Unfold
from convcheck.patterns import Shape, Shapes
from convcheck.records import record


@record
class Reach:
    """Along one axis of the input: how many positions an output reads, and how far apart those of neighbours begin.

    `field` counts from the first to the last one, for an output far from the borders. Where every output reads all
    positions that are read at all, `field` is the axis' length, and `jump` is None; both are None where the axes were
    moved so that it cannot be told.
    """

    field: int | None
    jump: Fraction | None


def reaches(layers: Sequence[Layer], inputs: Sequence[Shapes]) -> Iterator[tuple[Reach, ...]]:
    """Yield, for every layer of a chain, the reach of its outputs along each spatial axis of the chain's input.

    `inputs` are the shapes of the inputs of every layer. Of several inputs of attention, the axis is that of the keys;
    for products of matrices, nothing is yielded along any axis.
    """
    start = inputs[0][1 if len(inputs[0]) > 1 else 0]
    spatial = _spatial(layers, inputs, len(start))
    tracks = Tracks([((axis, ()),) for axis in range(len(start))], spatial)
    for layer, shapes in zip(layers, inputs, strict=True):
        _follow(tracks, layer, shapes)
        yield tuple(_reach(tracks, axis, start) for axis in sorted(spatial))


def _spatial(layers: Sequence[Layer], inputs: Sequence[Shapes], rank: int) -> frozenset[int]:
    tracks = Tracks([((axis, ()),) for axis in range(rank)])
    for layer, shapes in _leaves(layers, inputs):
        axes = _space(layer, shapes)
        if axes:
            return frozenset(origin for axis in axes for origin, _ in tracks.axes[axis])
        pass_through(tracks, layer, shapes)
    return frozenset()


def _leaves(layers: Sequence[Layer], inputs: Sequence[Shapes]) -> Iterator[tuple[Layer, Shapes]]:
    for layer, shapes in zip(layers, inputs, strict=True):
        if isinstance(layer, Sequential):
            within = layer.through(shapes[0])[:-1]
            yield from _leaves(layer.layers, [(shape,) for shape in within])
        else:
            yield layer, shapes


def _follow(tracks: Tracks, layer: Layer, shapes: Shapes) -> None:
    for leaf, taken in _leaves([layer], [shapes]):
        pass_through(tracks, leaf, taken)


def _space(layer: Layer, shapes: Shapes) -> range:
    """Return the axes of a layer's input that hold positions."""
    rank = len(shapes[0])
    match layer:
        case Conv() | ConvTranspose() | Pool() | PixelShuffle() | PixelUnshuffle() | Unfold():
            return range(rank - layer.dims, rank)
        case BatchNorm():
            return range(2, rank)
        case Patchify() | Unpatchify():
            return range(rank - layer.dims - 1, rank - 1)
        case MultiheadAttention():
            sequence = int(layer.batch_first and rank == 3)
            return range(sequence, sequence + 1)
        case DotProductAttention():
            return range(len(shapes[1]) - 2, len(shapes[1]) - 1)
    return range(0)


def _reach(tracks: Tracks, origin: int, start: Shape) -> Reach:
    paths = [path for axis in tracks.axes for track, path in axis if track == origin]
    if origin in tracks.unknown:
        return Reach(None, None)
    if origin in tracks.whole or len(paths) != 1:
        return Reach(start[origin], None)
    return Reach(field(paths[0]), jump(paths[0]))
