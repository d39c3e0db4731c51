"""Operators that move entries, copy them or leave some out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy
import torch

from convcheck.all_sizes.cuts import stacked
from convcheck.all_sizes.layout import alike_beside, viewed
from convcheck.all_sizes.pieces import ONE, axis_of, length
from convcheck.all_sizes.polynomials import Size
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value, joined
from convcheck.all_sizes.whole_numbers import cut_off, from_function, is_known


def same(call: Call) -> Value:
    """A copy, or the tensor itself."""
    value: Value = call["self"]
    return value


def to_copy(call: Call) -> Value:
    """A copy in another dtype, of floats or of whole numbers. Refuses floats made whole, and booleans of numbers."""
    value: Value = call["self"]
    old, new = call.node.args[0].meta["val"].dtype, call.node.meta["val"].dtype  # type: ignore[union-attr]
    if new in (torch.uint8, torch.int8, torch.int16, torch.float16, torch.bfloat16):
        raise CannotProve(f"from {old} to {new}")
    if (old.is_floating_point and not new.is_floating_point) or old.is_complex or new.is_complex:
        if new == torch.bool or not is_known(value):
            raise CannotProve(f"from {old} to {new}")
        return from_function(value, cut_off(value))
    if new == torch.bool and old != torch.bool:
        raise CannotProve(f"from {old} to {new}")
    return value


def view(call: Call) -> Value:
    """The same entries in the same order."""
    return viewed(call["self"], call.shape)


def permute(call: Call) -> Value:
    """Axes in another order."""
    value: Value = call["self"]
    return value.permuted([number % value.rank for number in call["dims"]])


def transpose(call: Call) -> Value:
    """Two axes swapped."""
    value: Value = call["self"]
    order = list(range(value.rank))
    one, other = call.axis("dim0", value.rank), call.axis("dim1", value.rank)
    order[one], order[other] = order[other], order[one]
    return value.permuted(order)


def t(call: Call) -> Value:
    """A matrix transposed."""
    value: Value = call["self"]
    return value.permuted(list(reversed(range(value.rank))))


def unsqueeze(call: Call) -> Value:
    """A new axis of length 1."""
    value: Value = call["self"]
    return value.with_one(call.axis("dim", value.rank + 1))


def squeeze(call: Call) -> Value:
    """Without axes of length 1: those that are always, and no other."""
    value: Value = call["self"]
    asked = call["dim"]
    if asked is None:
        axes = list(range(value.rank))
        if any(one != ONE and not value.sizes.implies(">", value.size(n) - 1) for n, one in enumerate(value.axes)):
            raise CannotProve("an axis whose length may be 1")
    else:
        axes = [number % value.rank for number in ([asked] if isinstance(asked, int) else asked)]
    for axis in sorted(axes, reverse=True):
        if value.axes[axis] == ONE:
            value = value.without_one(axis)
        elif not value.sizes.implies("!=", value.size(axis) - 1):
            raise CannotProve("an axis whose length may be 1")
    return value


def expand(call: Call) -> Value:
    """Copies along axes of length 1."""
    value: Value = call["self"]
    shape = call.shape
    while value.rank < len(shape):
        value = value.with_one(0)
    for axis, size in enumerate(shape):
        if value.axes[axis] == ONE and size != 1:
            value = value.expanded(axis, axis_of(size))
    return value


def select(call: Call) -> Value:
    """One entry along an axis."""
    value: Value = call["self"]
    axis = call.axis("dim", value.rank)
    index = entry_number(value, axis, call.size("index"))
    value = value.flat(axis)
    return value.indexed(axis, [], [value.sizes.text(index)] if value.axes[axis] != ONE else [])


def entry_number(value: Value, axis: int, index: Size) -> Size:
    """Return the number of an entry along an axis, counted from the front. Raises CannotProve if it may be missing."""
    if index.is_Integer and index < 0:
        index = value.size(axis) + index
    if not value.sizes.implies(">=", index) or not value.sizes.implies(">", value.size(axis) - index):
        raise CannotProve(f"entry {index} of {value.size(axis)}")
    return index


def slice_(call: Call) -> Value:
    """Every step-th entry along an axis, from a start on."""
    value: Value = call["self"]
    axis = call.axis("dim", value.rank)
    start, new = slice_start(call, value.size(axis)), call.shape[axis]
    return sliced(value, axis, start, new, int(call["step"]))


def sliced(value: Value, axis: int, start: Size, new: Size, step: int = 1) -> Value:
    """Return `new` entries along an axis, every step-th from `start` on, all of which are there."""
    if value.sizes.same(new, value.size(axis)) and (step == 1 or new == 1):
        return value
    parts = len(value.axes[axis])
    if parts > 1 and step == 1 and (cut := _between_segments(value, axis, start, new)) is not None:
        return cut
    if new == 0:
        return Value(value.sizes, (*value.axes[:axis], axis_of(new), *value.axes[axis + 1 :]), ())
    value = value.flat(axis)
    if value.axes[axis] == ONE:
        raise CannotProve("a slice of one entry")
    n = "n0" if new != 1 else "0"
    return value.indexed(axis, [axis_of(new)], [f"{value.sizes.text(start)} + {step}*{n}"])


def slice_start(call: Call, size: Any) -> Any:
    """Return where a slice of an axis of a length begins. Raises CannotProve where it is one or the other."""
    sizes = call.sizes
    start = sizes.size(0 if call["start"] is None else call["start"])
    if start.is_Integer and start >= 0:
        # Behind the end there is nothing to begin with.
        return start
    if sizes.implies(">=", start):
        return start
    if sizes.implies(">=", size + start) and sizes.implies(">", -start):
        return size + start
    if sizes.implies(">=", -size - start):
        return sympy.Integer(0)
    raise CannotProve(f"a slice from {start}", f"{sizes.spelled(size + start)} >= 0")


def _between_segments(value: Value, axis: int, start: Any, new: Any) -> Value | None:
    """Return whole segments of an axis, where a slice is made of these."""
    ends = [sympy.Integer(0)]
    for segment in value.axes[axis]:
        ends.append(sympy.expand(ends[-1] + length((segment,))))
    for first, low in enumerate(ends[:-1]):
        for last, high in enumerate(ends[first + 1 :], start=first + 1):
            if value.sizes.same(low, start) and value.sizes.same(high - low, new):
                return stacked([value.segment(axis, number) for number in range(first, last)], axis)
    return None


def cat(call: Call) -> Value:
    """Tensors one behind the other."""
    parts = list(call["tensors"])
    axis = call.axis("dim", parts[0].rank)
    return concatenated(parts, axis)


def concatenated(parts: list[Value], axis: int) -> Value:
    """Return tensors one behind the other: on one atom where that is linear, else as segments."""
    parts = alike_beside(parts, axis)
    if all(len(part.axes[axis]) == 1 and len(part.axes[axis][0]) <= 1 for part in parts):
        return joined(parts, axis)
    return stacked(parts, axis)


READERS: Mapping[str, Reader] = {
    **dict.fromkeys(("clone", "alias", "detach", "lift_fresh_copy"), same),
    **dict.fromkeys(("view", "_unsafe_view"), view),
    "_to_copy": to_copy,
    "permute": permute,
    "transpose.int": transpose,
    "t": t,
    "unsqueeze": unsqueeze,
    "squeeze": squeeze,
    "expand": expand,
    "select.int": select,
    "slice.Tensor": slice_,
    "cat": cat,
}
