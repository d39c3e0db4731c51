"""Counts how the error of two outputs is spread, slice by slice, while they are compared."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from convcheck.proof.pictures.output_layout import OutputLayout, layout_of
from convcheck.results.pictures import Histogram, Spread, Strip
from convcheck.sizes.patterns import Shape

ROWS, COLUMNS = 12, 40
"""In how many blocks the positions of a channel are taken together at most: what a terminal has room for."""

MOST_BLOCKS = 1 << 22
"""How many blocks of all channels are kept; of more channels there is no strip."""

FARTHEST = 80
"""Half decades to either side of the bound that are counted one by one; what lies farther is counted there."""


class Watch:
    """What was seen of outputs of one shape. It adds up and takes the largest, so slices come in any order."""

    def __init__(self, shape: Shape, layout: OutputLayout) -> None:
        self._shape, self._layout = shape, layout
        self._zeros = self._endless = 0
        self._halves = torch.zeros(2 * FARTHEST + 1, dtype=torch.int64)
        features = 1 if layout.features is None else shape[layout.features]
        self._channels = torch.zeros(features, dtype=torch.float64)
        lengths = [shape[axis] for axis in layout.space]
        sizes = [min(n, most) for n, most in zip(reversed(lengths), (COLUMNS, ROWS), strict=False)][::-1]
        self._blocks: Tensor | None = None
        count = 1 if layout.channel is None else shape[layout.channel]
        if sizes and count * math.prod(sizes) <= MOST_BLOCKS:
            self._blocks = torch.zeros(count, *sizes, dtype=torch.float64)

    def see(self, start: Shape, error: Tensor, limit: Tensor) -> None:
        """Take a slice whose first entry is at `start`: its errors and their bounds, float64, of one shape."""
        ratio = torch.where(error == 0, 0.0, error / limit)
        known = ratio.isfinite()
        positive = ratio[known & (ratio > 0)]
        self._zeros += int((ratio == 0).sum())
        self._endless += ratio.numel() - int(known.sum())
        halves = (2 * positive.log10()).ceil().clamp(-FARTHEST, FARTHEST).long()
        self._halves += torch.bincount(halves + FARTHEST, minlength=len(self._halves))
        ratio = torch.where(known, ratio, math.inf)
        if self._layout.features is not None:
            axis = self._layout.features
            others = [other for other in range(ratio.dim()) if other != axis]
            largest = ratio.amax(others) if others else ratio
            places = slice(start[axis], start[axis] + len(largest))
            self._channels[places] = torch.maximum(self._channels[places], largest)
        if self._blocks is not None:
            self._see_blocks(self._blocks, start, ratio)

    def _see_blocks(self, blocks: Tensor, start: Shape, ratio: Tensor) -> None:
        channel, space = self._layout.channel, self._layout.space
        wanted = [*([] if channel is None else [channel]), *space]
        others = [axis for axis in range(ratio.dim()) if axis not in wanted]
        pooled = ratio.amax(others, keepdim=True) if others else ratio
        pooled = pooled.permute(*wanted, *others).reshape([pooled.shape[axis] for axis in wanted])
        if channel is None:
            pooled = pooled[None]
        for number, axis in enumerate(space, start=1):
            count = blocks.shape[number]
            pooled = _in_blocks(pooled, number, start[axis], self._shape[axis], count)
        first = 0 if channel is None else start[channel]
        here = slice(first, first + len(pooled))
        blocks[here] = torch.maximum(blocks[here], pooled)

    def spread(self) -> Spread:
        """Return what was seen."""
        counts = {number - FARTHEST: count for number, count in enumerate(self._halves.tolist()) if count}
        channels = () if self._layout.features is None else tuple(self._channels.tolist())
        return Spread(Histogram(self._zeros, counts, self._endless), channels, self._strip())

    def _strip(self) -> Strip | None:
        """Return where errors lie in the channel that has the largest."""
        if self._blocks is None:
            return None
        layout, worst = self._layout, int(self._blocks.flatten(1).amax(1).argmax())
        blocks = self._blocks[worst]
        return Strip(
            channel=None if layout.channel is None else worst,
            axes=tuple(layout.names[axis] for axis in layout.space),
            lengths=tuple(self._shape[axis] for axis in layout.space),
            blocks=tuple(map(tuple, (blocks if blocks.dim() > 1 else blocks[None]).tolist())),
        )


def watch_of(names: tuple[str, ...], output: Tensor) -> Watch:
    """Return what watches errors of an output whose axes have these names."""
    shape = tuple(output.shape)
    return Watch(shape, layout_of(names, shape))


def _in_blocks(values: Tensor, axis: int, start: int, length: int, count: int) -> Tensor:
    """Return the largest of each of `count` blocks of an axis of `length`, of which `values` has those from `start`."""
    blocks = values.new_zeros([*values.shape[:axis], count, *values.shape[axis + 1 :]])
    stop = start + values.shape[axis]
    for block in range(start * count // length, (stop - 1) * count // length + 1):
        # Position p is in block p * count // length.
        first, last = -(-block * length // count), -(-(block + 1) * length // count)
        first, last = max(first, start), min(last, stop)
        blocks.select(axis, block).copy_(values.narrow(axis, first - start, last - first).amax(axis))
    return blocks
