"""Windows that are read as axes or added up, and pixels in channels."""

from __future__ import annotations

from collections.abc import Mapping

import sympy
from torch.utils._sympy.functions import FloorDiv

from convcheck.all_sizes.layout import merged, viewed
from convcheck.all_sizes.pieces import ONE, axis_of
from convcheck.all_sizes.polynomials import Size
from convcheck.all_sizes.readers.contraction import per_axis, windows
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value


def unfold(call: Call) -> Value:
    """Windows along an axis: their entries are the last axis."""
    value: Value = call["self"]
    axis = call.axis("dimension" if "dimension" in call.arguments else "dim", value.rank)
    size, step = int(call["size"]), int(call["step"])
    value = windows(value, axis, sympy.Integer(size), call.shape[axis], step, 0, 1)
    order = list(range(value.rank))
    return value.permuted([*order[: axis + 1], *order[axis + 2 :], axis + 1])


def im2col(call: Call) -> Value:
    """Windows of all axes behind the channels: `[b, (c k...), (n...)]`."""
    value: Value = call["self"]
    dims, counts = 2, _counts(call, call["self"].shape[-2:])
    batched = value if value.rank == dims + 2 else value.with_one(0)
    kernel, dilation, padding, stride = _options(call, dims)
    for axis in range(dims):
        place = 2 + 2 * axis
        batched = windows(
            batched, place, sympy.Integer(kernel[axis]), counts[axis], stride[axis], padding[axis], dilation[axis]
        )
    batched = batched.permuted([0, 1, 3, 5, 2, 4])
    shape = call.shape if value.rank == dims + 2 else (sympy.Integer(1), *call.shape)
    result = viewed(batched, shape)
    return result if value.rank == dims + 2 else result.without_one(0)


def col2im(call: Call) -> Value:
    """Windows added up where they came from: `[b, (c k...), (n...)]` to `[b, c, ...]`."""
    value: Value = call["self"]
    is_batched, dims = value.rank == 3, 2
    shape = call.shape if is_batched else (sympy.Integer(1), *call.shape)
    value = value if is_batched else value.with_one(0)
    outputs = shape[2:]
    counts = _counts(call, outputs)
    kernel, dilation, padding, stride = _options(call, dims)
    if not value.sizes.same(value.size(2), sympy.prod(counts)):
        raise CannotProve(f"{value.size(2)} windows where {sympy.prod(counts)} fit")
    taps = [sympy.Integer(one) for one in kernel]
    value = viewed(value, [shape[0], shape[1], *taps, *counts])
    value = value.permuted([0, 1, 2, 4, 3, 5])
    for axis in range(dims):
        place = 2 + axis
        value = _added(value, place, taps[axis], outputs[axis], stride[axis], padding[axis], dilation[axis])
    return value if is_batched else value.without_one(0)


def _added(value: Value, axis: int, kernel: Size, outputs: Size, stride: int, padding: int, dilation: int) -> Value:
    """Return (tap, window) axes as one, of outputs: what falls on an output is added up."""
    value = value.flat(axis + 1)
    window = value.axes[axis + 1] != ONE
    value = merged(value, axis, 2)
    out, taps = axis_of(outputs), axis_of(kernel)
    m = "n0" if out != ONE else "0"
    k = f"n{len(out[0])}" if taps != ONE else "0"
    place = f"({m} + {padding} - {dilation}*{k})"
    where = f"{place} mod {stride} = 0" + ("" if window else f" and {place} = 0")
    index = [*([k] if taps != ONE else []), *([f"floor({place} / {stride})"] if window else [])]
    return value.indexed(axis, [out, taps], index, where).summed(axis + 1)


def _options(call: Call, dims: int) -> list[list[int]]:
    names = ("kernel_size", "dilation", "padding", "stride")
    return [[int(one) for one in per_axis(call[name], dims)] for name in names]


def _counts(call: Call, lengths: tuple[Size, ...]) -> list[Size]:
    """Return how many windows fit along every axis."""
    kernel, dilation, padding, stride = _options(call, len(lengths))
    counts = []
    for n, size in enumerate(lengths):
        room = size + 2 * padding[n] - dilation[n] * (kernel[n] - 1) - 1
        counts.append(call.sizes.size(FloorDiv(room, stride[n]) + 1))
    if not all(call.sizes.implies(">", one) for one in counts):
        raise CannotProve("windows that may be larger than the input")
    return counts


def pixel_shuffle(call: Call) -> Value:
    """Channels to pixels: `... (c r s) h w -> ... c (h r) (w s)`."""
    value: Value = call["self"]
    r, (*others, c, h, w) = call.size("upscale_factor"), call.shape
    n = len(others)
    h, w = value.shape[-2:]
    value = viewed(value, [*others, c, r, r, h, w])
    value = value.permuted([*range(n), n, n + 3, n + 1, n + 4, n + 2])
    return viewed(value, call.shape)


def pixel_unshuffle(call: Call) -> Value:
    """Pixels to channels: `... c (h r) (w s) -> ... (c r s) h w`."""
    value: Value = call["self"]
    r, (*others, _, h, w) = call.size("downscale_factor"), call.shape
    n = len(others)
    value = viewed(value, [*others, value.size(n), h, r, w, r])
    value = value.permuted([*range(n), n, n + 2, n + 4, n + 1, n + 3])
    return viewed(value, call.shape)


def channel_shuffle(call: Call) -> Value:
    """Channels of groups in turn: `b (g c) ... -> b (c g) ...`."""
    value: Value = call["self"]
    groups = call.size("groups")
    ratio = value.sizes.ratio(value.size(1), groups)
    if ratio is None:
        raise CannotProve(f"{value.size(1)} channels in {groups} groups")
    value = viewed(value, [value.size(0), groups, ratio, *value.shape[2:]])
    return viewed(value.permuted([0, 2, 1, *range(3, value.rank)]), call.shape)


READERS: Mapping[str, Reader] = {
    "unfold": unfold,
    "im2col": im2col,
    "col2im": col2im,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "channel_shuffle": channel_shuffle,
}
