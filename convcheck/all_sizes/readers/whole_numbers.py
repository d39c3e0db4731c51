"""Whole numbers that are known at every place, comparisons of them, and booleans.

Refuses numbers that an input decides, and steps that depend on a size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import islpy as isl
import sympy

from convcheck.all_sizes.layout import aligned
from convcheck.all_sizes.pieces import ONE, Entry, Piece, axis_of
from convcheck.all_sizes.readers.arithmetic import number, operand
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value
from convcheck.all_sizes.whole_numbers import NUMBERS, from_function, function_of, indicator


def arange(call: Call) -> Value:
    """`start`, `start + step` and so on: whole numbers, or floats that are."""
    start = number(call, call["start"] or 0)
    step = number(call, 1 if call["step"] is None else call["step"])
    if not step.is_Integer:
        raise CannotProve(f"in steps of {step}")
    (size,) = call.shape
    axis = axis_of(size)
    n = "n0" if axis != ONE else ""
    index = f"{call.sizes.text(start)} + {step}*{n or 0}"
    bounds = f"0 <= n0 < {call.sizes.text(size)}" if n else "true"
    relation = isl.Map(f"[{call.sizes.names}] -> {{ [{n}] -> [{index}] : {bounds} }}")
    return Value(call.sizes, (axis,), (Piece((0,), sympy.Integer(1), (Entry(NUMBERS, (0,)),), relation),))


def both(call: Call) -> tuple[Value, Any, Any]:
    """Return both operands of the same axes as functions of the place, and a tensor with these axes."""
    one, other = call["self"], call["other"]
    if not isinstance(one, Value):
        one = operand(call, one, other)
    one, other = aligned(one, operand(call, other, one))
    return one, function_of(one), function_of(other)


def divisor(call: Call) -> int:
    """Return what is divided by. Raises CannotProve where it is no positive number."""
    other = call["other"]
    if isinstance(other, Value):
        function = function_of(other)
        low, high = function.min_val(), function.max_val()
        if not low.is_int() or not low.eq(high):
            raise CannotProve("by a tensor")
        by = int(low.to_python())
    else:
        size = number(call, other)
        if not size.is_Integer:
            raise CannotProve(f"by {size}")
        by = int(size)
    if by <= 0:
        raise CannotProve(f"by {by}")
    return by


def floor_divide(call: Call) -> Value:
    """`self // other`, by a number."""
    value: Value = call["self"]
    if isinstance(call["other"], Value):
        value, _ = aligned(value, call["other"])
    return from_function(value, function_of(value).scale_down_val(isl.Val(divisor(call))).floor())


def remainder(call: Call) -> Value:
    """`self % other`, by a number."""
    value: Value = call["self"]
    if isinstance(call["other"], Value):
        value, _ = aligned(value, call["other"])
    return from_function(value, function_of(value).mod_val(isl.Val(divisor(call))))


def compared(method: str) -> Reader:
    """Return the reader of a comparison, by isl's name for it."""

    def read(call: Call) -> Value:
        like, one, other = both(call)
        return indicator(like, getattr(one, method)(other))

    return read


def minimum(call: Call) -> Value:
    """The smaller one, entry by entry."""
    like, one, other = both(call)
    return from_function(like, one.min(other))


def maximum(call: Call) -> Value:
    """The larger one, entry by entry."""
    like, one, other = both(call)
    return from_function(like, one.max(other))


COMPARISONS = {"eq": "eq_set", "ne": "ne_set", "lt": "lt_set", "le": "le_set", "gt": "gt_set", "ge": "ge_set"}
READERS: Mapping[str, Reader] = {
    "arange": arange,
    "floor_divide": floor_divide,
    "remainder": remainder,
}
