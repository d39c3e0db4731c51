"""Axes read in another order, or several times over."""

from __future__ import annotations

from collections.abc import Mapping

from convcheck.all_sizes.pieces import ONE, axis_of
from convcheck.all_sizes.polynomials import Size
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value


def flip(call: Call) -> Value:
    """Axes read from their end."""
    value: Value = call["self"]
    for number in call["dims"]:
        axis = number % value.rank
        (first, *others) = value.axes[axis]
        if others:
            value = value.flat(axis)
            (first,) = value.axes[axis]
        index = [f"{value.sizes.text(size)} - 1 - n{atom}" for atom, size in enumerate(first)]
        value = value.indexed(axis, [value.axes[axis]], index)
    return value


def roll(call: Call) -> Value:
    """Axes turned: what leaves at one end comes in at the other."""
    value: Value = call["self"]
    shifts, dims = _listed(call["shifts"]), _listed(call["dims"])
    if not dims:
        raise CannotProve("all axes as one")
    for shift, number in zip(shifts, dims, strict=True):
        axis = int(number) % value.rank  # type: ignore[call-overload]
        by, size = value.sizes.size(shift), value.size(axis)
        if value.axes[axis] == ONE or by == 0:
            continue
        if size.is_Integer and by.is_Integer:
            by = by % size
        value = value.flat(axis)
        if by.is_Integer and by < 0:
            by = size + by
        if not value.sizes.implies(">=", by) or not value.sizes.implies(">=", size - by):
            raise CannotProve(f"an axis of {size} turned by {by}")
        text, whole = value.sizes.text(by), value.sizes.text(size)
        cases = f"(n0 >= {text} and e = n0 - {text}) or (n0 < {text} and e = n0 - {text} + {whole})"
        value = value.indexed(axis, [value.axes[axis]], ["e"], cases)
    return value


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def repeat(call: Call) -> Value:
    """All entries along axes over and over."""
    value: Value = call["self"]
    times = [value.sizes.size(one) for one in call["repeats"]]
    while value.rank < len(times):
        value = value.with_one(0)
    for axis, often in enumerate(times):
        if often != 1:
            value = repeated(value, axis, often, first=True)
    return value


def repeated(value: Value, axis: int, often: Size, first: bool) -> Value:
    """Return the tensor with an axis repeated: all of it over and over, or (not `first`) every entry by itself."""
    if often == 0:
        return Value(value.sizes, (*value.axes[:axis], axis_of(often), *value.axes[axis + 1 :]), ())
    if len(value.axes[axis]) > 1:
        value = value.flat(axis)
    (old,) = value.axes[axis]
    index = [f"n{atom + first}" for atom in range(len(old))]
    return value.indexed(axis, [((often, *old) if first else (*old, often),)], index)


READERS: Mapping[str, Reader] = {
    "flip": flip,
    "roll": roll,
    "repeat": repeat,
}
