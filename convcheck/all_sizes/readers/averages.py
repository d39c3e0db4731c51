"""Means of windows.

Refuses adaptive means where the lengths of windows differ, or may do.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import sympy

from convcheck.all_sizes.layout import aligned, viewed
from convcheck.all_sizes.new_values import constant, overlaid
from convcheck.all_sizes.pieces import ONE, axis_of
from convcheck.all_sizes.polynomials import Size
from convcheck.all_sizes.readers.contraction import per_axis, windows
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value


def avg_pool(call: Call) -> Value:
    """The mean of every window, with the zeros around or without them."""
    value: Value = call["self"]
    dims = int(call.name.split("avg_pool")[1][0])
    first = value.rank - dims
    kernel, padding = (per_axis(call[name], dims) for name in ("kernel_size", "padding"))
    stride = per_axis(call["stride"], dims) if call["stride"] else kernel
    includes = call["count_include_pad"] is not False
    lengths = value.shape[first:]
    for n in range(dims):
        place = first + 2 * n
        options = (int(stride[n]), int(padding[n]), 1)
        value = windows(value, place, sympy.Integer(int(kernel[n])), call.shape[first + n], *options)
    for n in reversed(range(dims)):
        value = value.summed(first + 2 * n + 1)
    if call["divisor_override"]:
        return value.times(1 / sympy.Integer(int(call["divisor_override"])))
    for n in range(dims):
        axis, pad = first + n, int(padding[n])
        count = _inverse_counts(call, axis, int(kernel[n]), int(stride[n]), pad, lengths[n], includes)
        one, other = aligned(value, count)
        value = one.product(other)
    return value


def _inverse_counts(call: Call, axis: int, kernel: int, stride: int, pad: int, size: Size, includes: bool) -> Value:
    """Return 1 over the entries of every window along an axis, which are fewer at the ends."""
    new = axis_of(call.shape[axis])
    axes = [ONE] * axis + [new] + [ONE] * (len(call.shape) - axis - 1)
    everywhere = constant(call.sizes, axes, sympy.Integer(1))
    n = "n0" if new != ONE else "0"
    start, text = f"({stride}*{n} - {pad})", call.sizes.text(size)
    end = f"min({start} + {kernel}, {text} + {pad})"
    count = f"{end} - {start}" if includes else f"min({end}, {text}) - max({start}, 0)"
    total = Value(call.sizes, everywhere.axes, ())
    for number in range(1, kernel + 1):
        part = everywhere.restricted(axis, 1, ["n0"] if new != ONE else [], f"{count} = {number}")
        total = overlaid(total, part.times(sympy.Rational(1, number)))
    return total


def adaptive_avg_pool(call: Call) -> Value:
    """The mean of every one of so many windows, all of one length."""
    value: Value = call["self"]
    dims = int(call.name.split("avg_pool")[1][0])
    first, parts = value.rank - dims, []
    for size, new in zip(value.shape[first:], call.shape[first:], strict=True):
        inner = value.sizes.ratio(size, new)
        if inner is None:
            raise CannotProve(f"{size} entries in {new} windows")
        parts.append((new, inner))
    value = viewed(value, [*value.shape[:first], *itertools.chain.from_iterable(parts)])
    for n, (_, inner) in reversed(list(enumerate(parts))):
        value = value.summed(first + 2 * n + 1).times(1 / inner)
    return value


READERS: Mapping[str, Reader] = {
    **dict.fromkeys((f"avg_pool{n}d" for n in (2, 3)), avg_pool),
    **dict.fromkeys((f"_adaptive_avg_pool{n}d" for n in (2, 3)), adaptive_avg_pool),
}
