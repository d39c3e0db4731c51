"""Comparisons, masks and choices: entries that are 0 or 1, and what is chosen by them.

Minus infinity is what masks write; softmax reads it as an entry that is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import islpy as isl
import sympy
import torch

from convcheck.all_sizes.layout import aligned
from convcheck.all_sizes.operators import is_truth
from convcheck.all_sizes.readers.arithmetic import operand
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Piece, Value, box_at, constant, places

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


def unequal(call: Call) -> Value:
    """`self != other`."""
    return one_minus(equal(call))


def _positive(call: Call, value: Value) -> Value:
    return call.sources.applied("positive", (), value, zero=sympy.Integer(0), truth=True)


def _boolean(call: Call, *names: str) -> list[Value]:
    """Return arguments that are truths, with the same axes. Raises CannotProve for numbers."""
    values = [call[name] for name in names]
    for name in names:
        node = call.node.args[names.index(name)]
        if getattr(node, "meta", {}).get("val").dtype != torch.bool:  # type: ignore[union-attr]
            raise CannotProve("of numbers")
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
    finite, infinite = value.without_infinities()
    return not finite.pieces and infinite.pieces == constant(value.sizes, value.axes, ONE).pieces


def masked_fill(call: Call) -> Value:
    """A number, or a tensor of one entry, where a mask is 1."""
    value: Value = call["self"]
    return chosen(call["mask"], operand(call, call["value"], value), value)


def triangle(keep: Callable[[str, str, int], str]) -> Reader:
    """Return the reader of entries on one side of a diagonal of matrices; the others are zero."""

    def read(call: Call) -> Value:
        value: Value = call["self"]
        for axis in (-2, -1):
            value = value.flat(value.rank + axis)
        axes = value.axes[-2:]
        (at,) = places(axes)
        rows, columns = (("n0" if axes[0][0] else "0"), (f"n{len(axes[0][0])}" if axes[1][0] else "0"))
        inside = box_at(value.sizes, axes, at)
        names = ", ".join(f"n{number}" for number in range(inside.dim(isl.dim_type.set)))
        condition = isl.Set(f"{{ [{names}] : {keep(rows, columns, int(call['diagonal']))} }}")
        mask = Value(value.sizes, axes, (Piece(at, ONE, (), isl.Map.from_domain(inside.intersect(condition))),))
        value, mask = aligned(value, mask)
        return value.multiplied(mask)

    return read


def to_dtype(call: Call) -> Value:
    """The same entries. Refuses to cut fractions off."""
    value: Value = call["self"]
    new, node = call.node.meta["val"].dtype, call.node.args[0]
    old = node.meta["val"].dtype  # type: ignore[union-attr]
    if new == torch.bool and old != torch.bool and not is_truth(value):
        return one_minus(call.sources.applied("zero", (), value, zero=ONE, truth=True))
    if old.is_floating_point and not new.is_floating_point and new != torch.bool:
        raise CannotProve("fractions are cut off")
    return value


READERS: Mapping[str, Reader] = {
    "gt": greater,
    "lt": lower,
    "ge": at_least,
    "le": at_most,
    "eq": equal,
    "ne": unequal,
    "logical_not": logical_not,
    "bitwise_not": logical_not,
    "logical_and": logical_and,
    "bitwise_and": logical_and,
    "logical_or": logical_or,
    "bitwise_or": logical_or,
    "where.self": where,
    "where.ScalarOther": where,
    "where.ScalarSelf": where,
    "where.Scalar": where,
    "masked_fill": masked_fill,
    "tril": triangle(lambda row, column, diagonal: f"{column} - {row} <= {diagonal}"),
    "triu": triangle(lambda row, column, diagonal: f"{column} - {row} >= {diagonal}"),
    "_to_copy": to_dtype,
}
