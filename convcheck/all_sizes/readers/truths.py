"""Comparisons, masks and choices: entries that are 0 or 1, and what is chosen by them.

Minus infinity is what masks write; softmax reads it as an entry that is not there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import sympy
import torch
from torch import fx

from convcheck.all_sizes.layout import aligned
from convcheck.all_sizes.new_values import as_truth, constant, without_infinities
from convcheck.all_sizes.operators import always_some, finite_part
from convcheck.all_sizes.readers import whole_numbers
from convcheck.all_sizes.readers.arithmetic import operand
from convcheck.all_sizes.readers.largest import along, axes_of
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value
from convcheck.all_sizes.whole_numbers import is_known

ONE = sympy.Integer(1)


def one_minus(value: Value) -> Value:
    """Return 1 where a tensor is 0, and 0 where it is 1."""
    return constant(value.sizes, value.axes, ONE).plus(value.times(-1))


def _less(call: Call) -> Value:
    """Return `self - other`."""
    one: Value = call["self"]
    one, other = aligned(one, operand(call, call["other"], one))
    return one.plus(other.times(-1))


def greater(call: Call) -> Value:
    """`self > other`."""
    return _positive(call, _less(call))


def lower(call: Call) -> Value:
    """`self < other`."""
    return _positive(call, _less(call).times(-1))


def at_least(call: Call) -> Value:
    """`self >= other`."""
    return one_minus(lower(call))


def at_most(call: Call) -> Value:
    """`self <= other`."""
    return one_minus(greater(call))


def equal(call: Call) -> Value:
    """`self == other`."""
    return call.sources.applied("zero", (), _less(call), zero=ONE, truth=True)


def is_infinite(call: Call) -> Value:
    """`self == -inf`. Entries of inputs are finite."""
    value: Value = call["self"]
    if (operator := call.sources.may_be_infinite(value)) is not None:
        raise CannotProve(f"what {operator} makes may be infinite")
    if not value.infinite:
        return Value(value.sizes, value.axes, ())
    return one_minus(finite_part(value)[1])


def all_along(call: Call) -> Value:
    """Whether all truths along axes are 1."""
    (value,) = _boolean(call, "self")
    failing = one_minus(value)
    axes = axes_of(call, value.rank)
    if len(axes) == 1 and always_some(failing, axes[0]):
        result = failing.times(0).summed(axes[0])
        return result.with_one(axes[0]) if call["keepdim"] else result
    return one_minus(as_truth(along(call, failing, bool(call["keepdim"]))))


def any_along(call: Call) -> Value:
    """Whether a truth along axes is 1."""
    (value,) = _boolean(call, "self")
    return as_truth(along(call, value, bool(call["keepdim"])))


def unequal(call: Call) -> Value:
    """`self != other`."""
    return one_minus(equal(call))


def _positive(call: Call, value: Value) -> Value:
    return call.sources.applied("positive", (), value, zero=sympy.Integer(0), truth=True)


def _boolean(call: Call, *names: str) -> list[Value]:
    """Return arguments that are truths, with the same axes. Raises CannotProve for numbers."""
    for node in call.node.args[: len(names)]:
        if not isinstance(node, fx.Node) or node.meta["val"].dtype != torch.bool:
            raise CannotProve("of numbers")
    values = [call[name] for name in names]
    return list(aligned(*values)) if len(values) == 2 else values


def logical_not(call: Call) -> Value:
    """`not self`."""
    return one_minus(_boolean(call, "self")[0])


def logical_and(call: Call) -> Value:
    """`self and other`."""
    one, other = _boolean(call, "self", "other")
    return one.product(other)


def logical_or(call: Call) -> Value:
    """`self or other`: `1 - (1 - self)(1 - other)`."""
    one, other = _boolean(call, "self", "other")
    return one_minus(one_minus(one).product(one_minus(other)))


def where(call: Call) -> Value:
    """`self` where the condition is 1, `other` where it is 0."""
    condition, one, other = call["condition"], call["self"], call["other"]
    one, other = (operand(call, value, condition) for value in (one, other))
    return chosen(condition, one, other)


def chosen(condition: Value, one: Value, other: Value) -> Value:
    """Return one tensor where a truth is 1, another where it is 0."""
    one, other = aligned(one, other)
    condition, one = aligned(condition, one)
    one, other = aligned(one, other)
    if _is_infinite(other) and not one.infinite:
        return one.plus(one_minus(condition).multiplied(other))
    if _is_infinite(one) and not other.infinite:
        return other.plus(condition.multiplied(one))
    return condition.multiplied(one).plus(one_minus(condition).multiplied(other))


def _is_infinite(value: Value) -> bool:
    """Tell whether every entry is minus infinity."""
    finite, infinite = without_infinities(value)
    return not finite.pieces and infinite.pieces == constant(value.sizes, value.axes, ONE).pieces


def masked_fill(call: Call) -> Value:
    """A number, or a tensor of one entry, where a mask is 1."""
    value: Value = call["self"]
    return chosen(call["mask"], operand(call, call["value"], value), value)


COMPARISONS: Mapping[str, Reader] = {
    "gt": greater,
    "lt": lower,
    "ge": at_least,
    "le": at_most,
    "eq": equal,
    "ne": unequal,
}


def compared(name: str, otherwise: Reader) -> Reader:
    """Return the reader of a comparison, which is known where both sides are known whole numbers."""

    def read(call: Call) -> Any:
        other = call["other"]
        if other == -math.inf and name in ("eq", "ne"):
            return is_infinite(call) if name == "eq" else one_minus(is_infinite(call))
        if is_known(call["self"]) and (is_known(other) or not isinstance(other, Value)):
            try:
                return whole_numbers.compared(whole_numbers.COMPARISONS[name])(call)
            except CannotProve:
                # Fractions are no whole numbers.
                return otherwise(call)
        return otherwise(call)

    return read


READERS: Mapping[str, Reader] = {
    **{name: compared(name, otherwise) for name, otherwise in COMPARISONS.items()},
    **dict.fromkeys(("logical_not", "bitwise_not"), logical_not),
    **dict.fromkeys(("logical_and", "bitwise_and"), logical_and),
    **dict.fromkeys(("logical_or", "bitwise_or"), logical_or),
    "where.self": where,
    "masked_fill": masked_fill,
    **dict.fromkeys(("all", "all.dim", "all.dims"), all_along),
    **dict.fromkeys(("any", "any.dim", "any.dims"), any_along),
}
