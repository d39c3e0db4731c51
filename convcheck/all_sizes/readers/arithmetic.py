"""Sums and products of tensors, entry by entry, and sums along axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy
import torch

from convcheck.all_sizes.conditions import check_not_zero
from convcheck.all_sizes.layout import aligned
from convcheck.all_sizes.new_values import constant
from convcheck.all_sizes.numbers import fraction
from convcheck.all_sizes.operators import reciprocal_of
from convcheck.all_sizes.pieces import ONE
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value


def number(call: Call, value: Any) -> Any:
    """Return a number, or an expression in sizes, as it is: a float is a fraction, and True is 1."""
    if isinstance(value, bool):
        return sympy.Integer(value)
    if isinstance(value, float):
        return fraction(value)
    return call.sizes.size(value)


def operand(call: Call, value: Any, like: Value) -> Value:
    """Return an argument that is a tensor or a number as a tensor."""
    return value if isinstance(value, Value) else constant(call.sizes, like.axes, number(call, value))


def add(call: Call) -> Value:
    """`self + alpha * other`."""
    if call.node.meta["val"].dtype == torch.bool:
        raise CannotProve("of booleans")
    one: Value = call["self"]
    one, other = aligned(one, operand(call, call["other"], one).times(number(call, call["alpha"])))
    return one.plus(other)


def sub(call: Call) -> Value:
    """`self - alpha * other`."""
    one: Value = call["self"]
    one, other = aligned(one, operand(call, call["other"], one).times(-number(call, call["alpha"])))
    return one.plus(other)


def rsub(call: Call) -> Value:
    """`other - alpha * self`."""
    one: Value = call["self"]
    one, other = aligned(one.times(-number(call, call["alpha"])), operand(call, call["other"], one))
    return one.plus(other)


def mul(call: Call) -> Value:
    """`self * other`."""
    one, other = call["self"], call["other"]
    if not isinstance(other, Value):
        factor = number(call, other)
        if factor == 0 and (operator := call.sources.may_be_infinite(one)) is not None:
            raise CannotProve(f"0 times what {operator} makes")
        result: Value = one.times(factor)
        return result
    if one is other:
        one = other = call.sources.named(one)
    return call.sources.product(one, other)


def neg(call: Call) -> Value:
    """`-self`."""
    value: Value = call["self"]
    return value.times(-1)


def div(call: Call) -> Value:
    """`self / other`."""
    value, by = call["self"], call["other"]
    if call["rounding_mode"] is not None:
        raise CannotProve("with rounding")
    if isinstance(by, Value):
        return call.sources.product(value, reciprocal_of(call.sources, by))
    by = number(call, by)
    check_not_zero(call.sizes, by)
    result: Value = value.times(1 / by)
    return result


def sum_(call: Call) -> Value:
    """The sum along some axes."""
    return _summed(call, call["self"])


def mean(call: Call) -> Value:
    """The mean along some axes."""
    value: Value = call["self"]
    count = sympy.prod([value.size(axis) for axis in _axes(call, value)])
    check_not_zero(call.sizes, count)
    return _summed(call, value).times(sympy.Integer(1) / count)


def _axes(call: Call, value: Value) -> list[int]:
    asked = call["dim"]
    if not asked and asked != 0:
        return list(range(value.rank))
    return [axis % value.rank for axis in ([asked] if isinstance(asked, int) else asked)]


def _summed(call: Call, value: Value) -> Value:
    for axis in sorted(_axes(call, value), reverse=True):
        value = value.summed(axis)
        if call["keepdim"]:
            value = value.with_one(axis)
    return value


def cumsum(call: Call) -> Value:
    """Every entry the sum of those up to it along an axis."""
    value: Value = call["self"]
    axis = call.axis("dim", value.rank)
    value = value.flat(axis)
    if value.axes[axis] == ONE:
        return value
    # [n] -> [n, k], where k is at most n.
    return value.indexed(axis, [value.axes[axis]] * 2, ["n1"], "n1 <= n0").summed(axis + 1)


READERS: Mapping[str, Reader] = {
    "add.Tensor": add,
    "add.Scalar": add,
    "sub.Tensor": sub,
    "sub.Scalar": sub,
    "rsub": rsub,
    "mul.Tensor": mul,
    "mul.Scalar": mul,
    "neg": neg,
    "div.Tensor": div,
    "div.Scalar": div,
    "sum": sum_,
    "cumsum": cumsum,
    "mean": mean,
}
