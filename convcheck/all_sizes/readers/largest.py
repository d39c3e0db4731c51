"""The largest entry of a set: along axes, or of a window. Its place is not read.

Sets of equal entries have the same largest one, in whatever order they stand.
"""

from __future__ import annotations

from collections.abc import Mapping

from convcheck.all_sizes.new_values import constant
from convcheck.all_sizes.operators import finite_part
from convcheck.all_sizes.readers.contraction import per_axis, windows
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value


def axes_of(call: Call, rank: int) -> list[int]:
    """Return the axes that were asked for, counted from the front: all if none were."""
    asked = call["dim"]
    if asked is None or asked == []:
        return list(range(rank))
    return sorted(axis % rank for axis in ([asked] if isinstance(asked, int) else asked))


def _last(value: Value, axes: list[int]) -> Value:
    return value.permuted([*(axis for axis in range(value.rank) if axis not in axes), *axes])


def largest(call: Call, value: Value, inside: Value, count: int) -> Value:
    """Return the largest entries along the last axes, of those that are inside and not minus infinity."""
    if value.infinite:
        value, finite = finite_part(value)
        inside = inside.product(finite)
    return call.sources.largest(value, inside, count)


def along(call: Call, value: Value, keep: bool) -> Value:
    """Return the largest entries along the axes of a call."""
    axes = axes_of(call, value.rank)
    moved = _last(value, axes)
    result = largest(call, moved, constant(value.sizes, moved.axes, 1), len(axes))
    for axis in axes if keep else ():
        result = result.with_one(axis)
    return result


def amax(call: Call) -> Value:
    """The largest entry along axes."""
    return along(call, call["self"], bool(call["keepdim"]))


def amin(call: Call) -> Value:
    """The smallest entry along axes."""
    value: Value = call["self"]
    return along(call, value.times(-1), bool(call["keepdim"])).times(-1)


def max_dim(call: Call) -> tuple[Value, None]:
    """The largest entry along an axis."""
    return amax(call), None


def min_dim(call: Call) -> tuple[Value, None]:
    """The smallest entry along an axis."""
    return amin(call), None


def max_pool(call: Call) -> tuple[Value, None]:
    """The largest entry of every window; what is padded is no entry."""
    value: Value = call["self"]
    name = call.name.partition(".")[0]
    dims = next(number for number in (1, 2, 3) if f"{number}d" in name)
    first = value.rank - dims
    inside = constant(value.sizes, value.axes, 1)
    kernel = per_axis(call["kernel_size"], dims)
    stride = per_axis(call["stride"] or kernel, dims)
    padding, dilation = (per_axis(call[one], dims) for one in ("padding", "dilation"))
    for axis in range(dims):
        place = first + 2 * axis
        options = (call.sizes.size(kernel[axis]), call.shape[first + axis])
        numbers = (int(stride[axis]), int(padding[axis]), int(dilation[axis]))
        value = windows(value, place, *options, *numbers)
        inside = windows(inside, place, *options, *numbers)
    taps = [first + 2 * axis + 1 for axis in range(dims)]
    return largest(call, _last(value, taps), _last(inside, taps), dims), None


def adaptive_max_pool(call: Call) -> tuple[Value, None]:
    """The largest entry of all positions. Refuses more than one output."""
    value: Value = call["self"]
    dims = len(call["output_size"])
    if any(call.sizes.size(one) != 1 for one in call["output_size"]):
        raise CannotProve("to more than one output")
    result = largest(call, value, constant(value.sizes, value.axes, 1), dims)
    for _ in range(dims):
        result = result.with_one(result.rank)
    return result, None


READERS: Mapping[str, Reader] = {
    "amax": amax,
    "amin": amin,
    "max.dim": max_dim,
    "min.dim": min_dim,
    "max.default": amax,
    "min.default": amin,
    "max_pool2d_with_indices": max_pool,
    "max_pool3d_with_indices": max_pool,
    "adaptive_max_pool2d": adaptive_max_pool,
    "adaptive_max_pool3d": adaptive_max_pool,
}
