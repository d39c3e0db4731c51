"""Small functions that candidates are made of. Those whose arguments are numbers are unfolded in code to take away."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def pad(x: Tensor, pads: Sequence[tuple[int, int]], mode: str = "zeros") -> Tensor:
    """Pad the last axes as a convolution with this `padding_mode` does; one (before, after) for each of them.

    Every mode of torch pads its one to three last axes of a batched input, or of an unbatched one.
    """
    widths = tuple(width for axis in reversed(pads) for width in axis)
    if not any(widths):
        return x
    if mode == "zeros":
        return functional.pad(x, widths)
    return functional.pad(x, widths, mode=mode)


def windows(x: Tensor, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Tensor:
    """Return a view of all windows that a convolution reads: `[..., *space] -> [..., *outputs, *kernel]`.

    A window spans `dilation * (kernel - 1) + 1` positions, of which every `dilation`-th is one of its taps.
    """
    for taps, step, gap in zip(kernel, stride, dilation, strict=True):
        x = x.unfold(-len(kernel), gap * (taps - 1) + 1, step)
        if gap > 1:
            x = x[..., ::gap]
    return x


def fold(x: Tensor, stride: Sequence[int], blocks: Sequence[int]) -> Tensor:
    """Add overlapping windows up: `[..., *grid, *kernel]` to `[..., *((grid + blocks - 1) * stride)]`.

    Tap k of the window at n is added to position `stride * n + k`. Along every axis the kernel is as long as `blocks`
    strides.
    """
    for kernels, step, count in zip(range(len(stride), 0, -1), stride, blocks, strict=True):
        # Block t of the window at n is added to block n + t.
        first, *others = torch.unflatten(x, -kernels, (count, step)).unbind(-kernels - 1)
        before = [0, 0] * (2 * kernels - 1)
        x = functional.pad(first, (*before, 0, count - 1)) if others else first
        for t, block in enumerate(others, start=1):
            x = x + functional.pad(block, (*before, t, count - 1 - t))
        x = x.movedim(-kernels, 1 - 2 * kernels).flatten(-2 * kernels, 1 - 2 * kernels)
    return x


def crop(x: Tensor, multiple: Sequence[int]) -> Tensor:
    """Drop the trailing positions that a convolution with this stride and kernel never reads.

    Of each of the last axes the largest multiple of its entry in `multiple` remains. A convolution drops
    the rest silently; space-to-depth does not.
    """
    for axis, step in enumerate(multiple, start=-len(multiple)):
        if step > 1:
            x = x.narrow(axis, 0, x.shape[axis] // step * step)
    return x


def fit_to_blocks(x: Tensor, kernel: Sequence[int], stride: Sequence[int], blocks: Sequence[int]) -> Tensor:
    """Cut every one of the last axes, or fill it up with zeros, to the blocks of one stride that windows touch.

    A window touches `blocks`, which is `ceil(kernel / stride)`, of them. A negative pad is a crop.
    """
    for axis, k, s, b in zip(range(-len(kernel), 0), kernel, stride, blocks, strict=True):
        x = functional.pad(x, (*[0] * (-2 * axis - 1), ((x.shape[axis] - k) // s + b) * s - x.shape[axis]))
    return x


def subsample(x: Tensor, stride: Sequence[int]) -> Tensor:
    """Keep every stride-th position of the last axes, from the first on; one stride for each of them."""
    every: Any = (..., *(slice(None, None, step) for step in stride))
    if max(stride) > 1:
        x = x[every]
    return x


def regroup(
    x: Tensor,
    lost: Sequence[int],
    splits: Sequence[tuple[int, Sequence[int]]],
    places: tuple[int, ...],
    joins: Sequence[tuple[int, int]],
    made: Sequence[int],
) -> Tensor:
    """Squeeze axes of length 1, split axes, permute all, join axes from a first to a last, and make new ones."""
    for axis in lost:
        x = x.squeeze(axis)
    for axis, sizes in splits:
        x = torch.unflatten(x, axis, sizes)
    x = x.permute(places)
    for first, last in joins:
        x = x.flatten(first, last)
    for axis in made:
        x = x.unsqueeze(axis)
    return x


def zeros_between(x: Tensor, factors: Sequence[int]) -> Tensor:
    """Put `factor - 1` zeros between the entries of the last axes; one factor for each of them."""
    for axis, factor in enumerate(factors, start=-len(factors)):
        if factor > 1:
            # Zeros behind every entry, of which those behind the last are cut.
            widths = (*[0] * (-2 * axis - 1), factor - 1)
            x = functional.pad(x.unsqueeze(axis), widths).flatten(axis - 1, axis)
            x = x.narrow(axis, 0, x.shape[axis] - factor + 1)
    return x


def dot_products(rows: Tensor, others: Tensor, at_once: int = 2**26) -> Tensor:
    """Multiply every row with every other one and sum: `[..., l, n]` and `[..., s, n]` to `[..., l, s]`.

    Leading axes broadcast. No more than `at_once` bytes of products, or one row's, are in memory together: the output
    is made in halves until a part is small enough.
    """
    lead = torch.broadcast_shapes(rows.shape[:-2], others.shape[:-2])  # type: ignore[no-untyped-call]  # torch's own
    rows, others = rows.expand(*lead, *rows.shape[-2:]), others.expand(*lead, *others.shape[-2:])
    outputs = [*lead, rows.shape[-2], others.shape[-2]]
    if math.prod(outputs) * rows.shape[-1] * rows.element_size() <= at_once or max(outputs) == 1:
        # [l, 1, n] * [1, s, n], summed over n
        return (rows[..., :, None, :] * others[..., None, :, :]).sum(-1)
    longest = max(outputs)
    axis = outputs.index(longest) - len(outputs)
    halves = []
    for start, count in ((0, longest // 2), (longest // 2, longest - longest // 2)):
        some_rows = rows if axis == -1 else rows.narrow(axis, start, count)
        some_others = others if axis == -2 else others.narrow(-2 if axis == -1 else axis, start, count)
        halves.append(dot_products(some_rows, some_others, at_once))
    return torch.cat(halves, axis)
