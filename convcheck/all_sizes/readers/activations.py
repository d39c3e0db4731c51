"""Functions of single entries, such as activations: polynomials of a few functions that are sources.

Refuses random ones (`rrelu` in training), and what counts in whole numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import sympy

from convcheck.all_sizes.cuts import split
from convcheck.all_sizes.layout import aligned
from convcheck.all_sizes.new_values import constant
from convcheck.all_sizes.readers import whole_numbers
from convcheck.all_sizes.readers.arithmetic import number
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value
from convcheck.all_sizes.whole_numbers import is_known

ZERO = sympy.Integer(0)
HALF = sympy.Rational(1, 2)
AT_ZERO: Mapping[str, Any] = {
    "relu": ZERO,
    "tanh": ZERO,
    "sigmoid": HALF,
    "erf": ZERO,
    "abs": ZERO,
    "sign": ZERO,
    "sin": ZERO,
    "cos": sympy.Integer(1),
    "atan": ZERO,
    "floor": ZERO,
    "round": ZERO,
    "log1p": ZERO,
    "expm1": ZERO,
    "log": None,
}
"""Functions with a name and no options, and what each makes of zero."""


def function(call: Call, name: str, value: Value) -> Value:
    """Return a function of every entry."""
    return call.sources.applied(name, (), value, zero=AT_ZERO[name])


def _reader(name: str) -> Reader:
    def read(call: Call) -> Value:
        return function(call, name, call["self"])

    return read


def shifted(value: Value, by: Any) -> Value:
    """Return a tensor plus a number."""
    return value.plus(constant(value.sizes, value.axes, by))


def silu(call: Call) -> Value:
    """`x * sigmoid(x)`."""
    value: Value = call["self"]
    return value.product(function(call, "sigmoid", value))


def gelu(call: Call) -> Value:
    """`x / 2 * (1 + erf(x / sqrt(2)))`, or what approximates it by tanh."""
    value: Value = call["self"]
    if call["approximate"] == "tanh":
        factor = sympy.Rational(math.sqrt(2 / math.pi))
        plain = call.sources.named(value)
        cube = plain.product(plain).product(plain)
        inner = function(call, "tanh", value.plus(cube.times(sympy.Rational(0.044715))).times(factor))
    else:
        inner = function(call, "erf", value.times(1 / sympy.sqrt(2)))
    return value.product(shifted(inner, 1)).times(HALF)


def leaky_relu(call: Call) -> Value:
    """`relu(x) - slope * relu(-x)`, as `slope * x + (1 - slope) * relu(x)`."""
    value: Value = call["self"]
    slope = number(call, call["negative_slope"])
    return value.times(slope).plus(function(call, "relu", value).times(1 - slope))


def prelu(call: Call) -> Value:
    """`relu(x) - weight * relu(-x)`, with a weight for every channel."""
    value: Value = call["self"]
    weight: Value = call["weight"]
    for _ in range(value.rank - 2 if weight.rank == 1 and value.rank > 1 else 0):
        weight = weight.with_one(weight.rank)
    value, weight = aligned(value, weight)
    positive = function(call, "relu", value)
    return positive.plus(weight.product(value.plus(positive.times(-1))))


def elu(call: Call) -> Value:
    """`x` above zero, `alpha * (exp(x) - 1)` below."""
    if call["scale"] != 1 or call["input_scale"] != 1:
        raise CannotProve("with scales")
    return call.sources.applied("elu", (number(call, call["alpha"]),), call["self"], zero=ZERO)


def softplus(call: Call) -> Value:
    """`log(1 + exp(beta * x)) / beta`, and `x` above a threshold: rounding, if that is torch's own or a higher one."""
    options = [number(call, call["beta"])]
    if call["threshold"] < 20:
        options.append(number(call, call["threshold"]))
    return call.sources.applied("softplus", tuple(options), call["self"])


def rounded(call: Call) -> Value:
    """The nearest whole number. Refuses to round to decimals."""
    if call["decimals"]:
        raise CannotProve("to decimals")
    return function(call, "round", call["self"])


def mish(call: Call) -> Value:
    """`x * tanh(log(1 + exp(x)))`."""
    value: Value = call["self"]
    return value.product(function(call, "tanh", call.sources.applied("softplus", (sympy.Integer(1),), value)))


def hardsigmoid(call: Call) -> Value:
    """`min(max(x + 3, 0), 6) / 6`."""
    return clamped(call, shifted(call["self"], 3), ZERO, sympy.Integer(6)).times(sympy.Rational(1, 6))


def hardswish(call: Call) -> Value:
    """`x * min(max(x + 3, 0), 6) / 6`."""
    value: Value = call["self"]
    return value.product(hardsigmoid(call))


def hardtanh(call: Call) -> Value:
    """`min(max(x, low), high)`."""
    return clamped(call, call["self"], number(call, call["min_val"]), number(call, call["max_val"]))


def clamp(call: Call) -> Value:
    """`min(max(x, low), high)`, of which one may be missing."""
    low, high = call["min"], call["max"]
    if isinstance(low, Value) or isinstance(high, Value):
        raise CannotProve("by a tensor")
    return clamped(call, call["self"], *(None if one is None else number(call, one) for one in (low, high)))


def clamped(call: Call, value: Value, low: Any, high: Any) -> Value:
    """Return a tensor kept between two numbers, of which one may be missing."""
    if high is None and low == 0:
        return function(call, "relu", value)
    zero = ZERO
    if low is not None and _is_below(call, zero, low):
        zero = low
    if high is not None and _is_below(call, high, zero):
        zero = high
    return call.sources.applied("clamp", (low, high), value, zero=zero)


def _is_below(call: Call, one: Any, other: Any) -> bool:
    """Tell whether a number is below another, which may both depend on sizes. Raises CannotProve."""
    difference = sympy.expand(other - one)
    if difference.is_number:
        return bool(difference > 0)
    if call.sizes.implies(">=", -difference):
        return False
    if call.sizes.implies(">", difference):
        return True
    raise CannotProve("a limit that depends on sizes")


def glu(call: Call) -> Value:
    """The first half along an axis times `sigmoid` of the second."""
    value: Value = call["self"]
    axis = call.axis("dim", value.rank)
    half = call.shape[axis]
    value = split(value, axis, [half, half])
    one, other = value.segment(axis, 0), value.segment(axis, 1)
    return one.product(function(call, "sigmoid", other))


def extreme(name: str, known: Reader) -> Reader:
    """Return the reader of the larger or smaller of two tensors, entry by entry."""

    def read(call: Call) -> Value:
        if is_known(call["self"]) and is_known(call["other"]):
            result: Value = known(call)
            return result
        return call.sources.applied(name, (), call["self"], call["other"], commutes=True)

    return read


def dropout(call: Call) -> tuple[Value, Value]:
    """The tensor itself: nothing is dropped outside of training."""
    if call["train"]:
        raise CannotProve("in training")
    value: Value = call["input"]
    return value, constant(value.sizes, value.axes, 1)


READERS: Mapping[str, Reader] = {
    **{name: _reader(name) for name in AT_ZERO},
    "silu": silu,
    "gelu": gelu,
    "leaky_relu": leaky_relu,
    "_prelu_kernel": prelu,
    "elu": elu,
    "softplus": softplus,
    "round.decimals": rounded,
    "mish": mish,
    "hardsigmoid": hardsigmoid,
    "hardswish": hardswish,
    "hardtanh": hardtanh,
    "clamp": clamp,
    "clamp_min": clamp,
    "clamp_max": clamp,
    "glu": glu,
    "maximum": extreme("maximum", whole_numbers.maximum),
    "minimum": extreme("minimum", whole_numbers.minimum),
    "native_dropout": dropout,
}
