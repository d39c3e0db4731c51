"""Tensors in which some entries are overwritten by those of another: what writing to a view becomes.

Refuses starts and ends that are before or behind the end depending on the size.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from convcheck.all_sizes.layout import aligned, alike_beside
from convcheck.all_sizes.new_values import overlaid
from convcheck.all_sizes.pieces import ONE, axis_of
from convcheck.all_sizes.polynomials import Size
from convcheck.all_sizes.readers.movement import entry_number, slice_start
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.value import Value


def copy(call: Call) -> Value:
    """The entries of `src` in the shape of `self`."""
    target: Value = call["self"]
    blank = Value(target.sizes, target.axes, ())
    _, filled = aligned(blank, call["src"])
    return filled


def slice_scatter(call: Call) -> Value:
    """`self`, with every step-th entry along an axis from `src`."""
    value, src = call["self"], call["src"]
    axis = call.axis("dim", value.rank)
    start = slice_start(call, value.size(axis))
    return overwritten(value, src, axis, start, int(call["step"]))


def select_scatter(call: Call) -> Value:
    """`self`, with one entry along an axis from `src`."""
    value: Value = call["self"]
    axis = call.axis("dim", value.rank)
    index = entry_number(value, axis, call.size("index"))
    return overwritten(value, call["src"].with_one(axis), axis, index, 1)


def overwritten(value: Value, src: Value, axis: int, start: Size, step: int) -> Value:
    """Return `value` with entries `start`, `start + step` and so on along an axis from `src`, all of its length."""
    sizes, size, count = value.sizes, value.size(axis), src.size(axis)
    if count == 0:
        return value
    if step == 1 and sizes.same(size, count):
        return alike_beside([src, Value(sizes, value.axes, ())], -1)[0]
    value, src = value.flat(axis), src.flat(axis)
    value, src = alike_beside([value, src], axis)
    first = sizes.text(start)
    place = f"(n0 - {first})" if size != 1 else f"(0 - {first})"
    last = f"{step}*({sizes.text(sympy.expand(count))} - 1)"
    inside = f"0 <= {place} <= {last} and {place} mod {step} = 0"
    new = [axis_of(size)]
    outside = f"{place} < 0 or {place} > {last} or {place} mod {step} > 0"
    rest = value.indexed(axis, new, ["n0"] if value.axes[axis] != ONE else [], outside)
    index = [f"floor({place} / {step})"] if src.axes[axis] != ONE else []
    return overlaid(rest, src.indexed(axis, new, index, inside))


READERS: Mapping[str, Reader] = {
    "copy": copy,
    "slice_scatter": slice_scatter,
    "select_scatter": select_scatter,
}
