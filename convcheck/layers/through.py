"""What every kind of layer does to the places that the axes of its input hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from convcheck.layers.arithmetic import Spread, Window
from convcheck.layers.base import Layer
from convcheck.layers.batchnorm import BatchNorm
from convcheck.layers.conv import Conv
from convcheck.layers.conv_transpose import ConvTranspose
from convcheck.layers.elementwise import Elementwise, Softmax
from convcheck.layers.flatten import Flatten, Unflatten
from convcheck.layers.linear import Linear
from convcheck.layers.multihead import MultiheadAttention
from convcheck.layers.patchify import Patchify, Unpatchify
from convcheck.layers.pixel_shuffle import PixelShuffle, PixelUnshuffle
from convcheck.layers.pool import Pool
from convcheck.layers.reading import Gather, Step
from convcheck.layers.rearrange import Rearrange
from convcheck.layers.tracks import Axis, Tracks
from convcheck.layers.unfold import Fold, Unfold
from convcheck.patterns import Shape, Shapes


def pass_through(tracks: Tracks, layer: Layer, shapes: Shapes) -> None:
    """Let the tracks of a layer's input become those of its output. `layer` is no chain."""
    shape = shapes[0]
    rank = len(shape)
    match layer:
        case Elementwise():
            pass
        case Conv() | ConvTranspose() | Patchify() | Unpatchify():
            last = rank - int(isinstance(layer, (Patchify, Unpatchify)))
            _stride(tracks, last, _steps(layer))
            tracks.mix(last if last < rank else rank - layer.dims - 1)
        case Pool():
            _stride(tracks, rank, list(map(Gather.of, layer.windows)))
        case PixelShuffle():
            _stride(tracks, rank, [Spread(layer.upscale_factor, layer.upscale_factor, 1, 0, 0)] * 2)
            tracks.mix(rank - 3)
        case PixelUnshuffle():
            _stride(tracks, rank, [Gather(layer.downscale_factor - 1, layer.downscale_factor, 0)] * 2)
        case Unfold():
            _stride(tracks, rank, list(map(Gather.of, layer.windows)))
            tracks.axes[-2:] = [tracks.joined(tracks.axes[-2:])]
        case Fold():
            tracks.forget(rank - 1)
            tracks.axes.append(())
        case BatchNorm() if not layer.track_running_stats:
            for axis in range(rank):
                tracks.read_all(axis)
        case BatchNorm():
            pass
        case Softmax():
            tracks.read_all(layer.dim % rank)
        case Linear():
            tracks.mix(rank - 1)
        case Flatten():
            start, end = layer.start_dim % rank, layer.end_dim % rank
            tracks.axes[start : end + 1] = [tracks.joined(tracks.axes[start : end + 1])]
        case Unflatten():
            _unflatten(tracks, layer, layer.dim % rank)
        case Rearrange():
            tracks.axes = list(_rearranged(tracks, layer, shape))
        case MultiheadAttention() if len(shapes) == 1:
            tracks.mix(int(layer.batch_first and rank == 3))
            tracks.mix(rank - 1)
        case _:
            # Several inputs: of the axes of one of them, every output reads all that it reads any of.
            for axis in range(len(tracks.axes)):
                tracks.mix(axis)
            tracks.axes = [()] * len(layer.output_shape(*shapes))


def _steps(layer: Conv | ConvTranspose | Patchify | Unpatchify) -> Sequence[Step]:
    match layer:
        case Conv():
            return [Gather.of(window) for window in layer.windows]
        case ConvTranspose():
            return layer.spreads
        case Patchify():
            return [Gather.of(window) for window in layer.conv().windows]
    sizes = zip(layer.patch, layer.steps, strict=True)
    return [Spread(patch, stride, 1, 0, 0) for patch, stride in sizes]


def _stride(tracks: Tracks, end: int, steps: Sequence[Step]) -> None:
    """Take a step along each of the axes that end before `end`."""
    for axis, step in zip(range(end - len(steps), end), steps, strict=True):
        tracks.step(axis, step)


def _unflatten(tracks: Tracks, layer: Unflatten, axis: int) -> None:
    sizes = layer.unflattened_size
    if len(sizes) > 1:
        tracks.forget(axis)
    tracks.axes[axis : axis + 1] = [tracks.axes[axis] if len(sizes) == 1 else () for _ in sizes]


def _rearranged(tracks: Tracks, layer: Rearrange, shape: Shape) -> Iterator[Axis]:
    """Yield the axes of a rearranged tensor.

    `(h p)` on the left are blocks: h holds the places of blocks of p positions, and p what is within them. `(h p)` on
    the right is the reverse, where p was part of another axis on the left.
    """
    pattern = layer.for_rank(len(shape))
    sizes = pattern.sizes(shape, dict(layer.lengths))
    places: dict[str, Axis] = {}
    parts = {axis for group in pattern.source if len(group) > 1 for axis in group}
    inner: dict[str, str] = {}
    for number, group in enumerate(pattern.source):
        if len(group) > 1:
            block = math.prod(sizes[axis] for axis in group[1:])
            tracks.step(number, Gather.of(Window(block, block, 1, 0, 0)))
            inner |= dict.fromkeys(group[1:], group[0])
        places |= {axis: tracks.axes[number] if axis == group[0] else () for axis in group}
    for group in pattern.target:
        first, rest = group[:1], group[1:]
        if any(inner.get(axis) in group and places[inner[axis]] for axis in group):
            # What is within blocks is put beside the blocks again, in whatever order.
            tracks.unknown |= {origin for axis in group for origin, _ in places[axis]}
            yield ()
        elif rest and all(axis in parts and not places[axis] for axis in rest) and len(places[first[0]]) == 1:
            block = math.prod(sizes[axis] for axis in rest)
            ((origin, path),) = places[first[0]]
            yield ((origin, (*path, Spread(block, block, 1, 0, 0))),)
        else:
            yield tracks.joined([places[axis] for axis in group]) if group else ()
