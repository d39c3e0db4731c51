"""Powers and roots of entries. One over a root is one function, whichever operators make it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy

from convcheck.all_sizes.new_values import constant
from convcheck.all_sizes.operators import reciprocal_of, root
from convcheck.all_sizes.readers.arithmetic import number
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.sources import Sources
from convcheck.all_sizes.value import Value

MOST_POWER = 4
"""Whole powers up to this one are polynomials."""


def sqrt(call: Call) -> Value:
    """The root."""
    return root(call.sources, call["self"])


def rsqrt(call: Call) -> Value:
    """One over the root."""
    return reciprocal_of(call.sources, root(call.sources, call["self"]))


def reciprocal(call: Call) -> Value:
    """One over every entry."""
    return reciprocal_of(call.sources, call["self"])


def square(sources: Sources, value: Value) -> Value:
    """Return the square of every entry."""
    value = sources.named(value)
    return value.product(value)


def pow_(call: Call) -> Value:
    """A power with one exponent."""
    value, exponent = call["self"], call["exponent"]
    if not isinstance(value, Value) or isinstance(exponent, Value):
        raise CannotProve("with a tensor as exponent")
    return power(call.sources, value, number(call, exponent))


def power(sources: Sources, value: Value, exponent: Any) -> Value:
    """Return a power of every entry."""
    if exponent == 0:
        return constant(value.sizes, value.axes, sympy.Integer(1))
    if exponent.is_Integer and 1 <= exponent <= MOST_POWER:
        result = value = value if exponent == 1 else sources.named(value)
        for _ in range(int(exponent) - 1):
            result = result.product(value)
        return result
    if exponent == sympy.Rational(1, 2):
        return root(sources, value)
    if exponent == -sympy.Rational(1, 2):
        return reciprocal_of(sources, root(sources, value))
    if exponent == -1:
        return reciprocal_of(sources, value)
    return sources.applied("power", (exponent,), value)


def linalg_vector_norm(call: Call) -> Value:
    """The root of the sum of squares along axes. Refuses other norms."""
    value: Value = call["self"]
    order = call["ord"] if "ord" in call.arguments else call["p"]
    if order != 2:
        raise CannotProve(f"of order {order}")
    asked = call["dim"]
    axes = range(value.rank) if asked is None else [asked] if isinstance(asked, int) else asked
    total = square(call.sources, value)
    for axis in sorted((one % value.rank for one in axes), reverse=True):
        total = total.summed(axis)
        total = total.with_one(axis) if call["keepdim"] else total
    return root(call.sources, total)


READERS: Mapping[str, Reader] = {
    "sqrt": sqrt,
    "rsqrt": rsqrt,
    "reciprocal": reciprocal,
    "pow.Tensor_Scalar": pow_,
    "linalg_vector_norm": linalg_vector_norm,
    "norm.ScalarOpt_dim": linalg_vector_norm,
}
