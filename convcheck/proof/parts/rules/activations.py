"""Functions of every entry by itself. What is made of another one is written out, so that code that does so is met."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from convcheck.proof.parts.fields import Field, Numbers, lifted

_UNARY = (
    "abs sign hardshrink softshrink threshold rrelu floor ceil round trunc frac exp exp2 expm1 log log2 log10 log1p "
    "sin cos tan asin acos atan sinh cosh asinh acosh atanh erf erfc erfinv tanh sigmoid softplus log_sigmoid "
    "elu selu celu leaky_relu logit"
)


def _unary(name: str, field: Field, given: Any) -> Any:
    """Apply a function that is known by its name and its options."""
    x, options = given["self"], {key: value for key, value in given.items() if key not in ("self", "training")}
    if not isinstance(x, Numbers) or any(isinstance(value, Numbers) for value in options.values()):
        return NotImplemented
    shown = "" if name in ("exp", "log") else f" {options}"
    field.cut(name)
    return field.function(f"{name}{shown}" if options else name, x)


def _clamped(low: Any, high: Any, field: Field, given: Any) -> Any:
    """Cut off below and above: at numbers, or at arguments of these names."""
    x = given["self"]
    limits = [given.get(one) if isinstance(one, str) else one for one in (low, high)]
    if any(one is not None and not isinstance(one, (int, float)) for one in limits):
        return NotImplemented
    field.cut("relu" if limits == [0, None] else "clamp")
    lower, upper = (None if one is None else float(one) for one in limits)
    return field.function(f"clamp {lower} {upper}", x)


def _gelu(field: Field, given: Any) -> Any:
    x = given["self"]
    field.cut("gelu")
    half = field.scale(x, 0.5)
    if given.get("approximate") == "tanh":
        cube = field.scale(field.multiply(field.multiply(x, x), x), 0.044715)
        inner = field.function("tanh", field.scale(field.add(x, cube), math.sqrt(2 / math.pi)))
    else:
        inner = field.function("erf", field.scale(x, math.sqrt(0.5)))
    return field.multiply(half, field.add(inner, field.lift(1.0)))


def _silu(field: Field, given: Any) -> Any:
    field.cut("silu")
    return field.multiply(given["self"], field.function("sigmoid", given["self"]))


def _mish(field: Field, given: Any) -> Any:
    x = given["self"]
    field.cut("mish")
    # As `softplus` with its usual options.
    return field.multiply(x, field.function("tanh", field.function("softplus {'beta': 1, 'threshold': 20}", x)))


def _hard_sigmoid(field: Field, x: Numbers) -> Numbers:
    return field.scale(field.function("clamp 0.0 6.0", field.add(x, field.lift(3.0))), 6.0, inverse=True)


def _prelu(field: Field, given: Any) -> Any:
    x, weight = given["self"], lifted(field, given["weight"])
    field.cut("prelu")
    positive = field.function("gt 0.0", x, differentiable=False)
    if math.prod(weight.shape) > 1:
        weight = field.linear(lambda one: one.reshape(-1, *[1] * (len(x.shape) - 2)), weight)
    negative = field.multiply(weight, field.subtract(field.lift(1.0), positive))
    return field.multiply(x, field.add(positive, negative))


RULES = {
    **{name: partial(_unary, name) for name in _UNARY.split()},
    "relu": partial(_clamped, 0.0, None),
    "relu6": partial(_clamped, 0.0, 6.0),
    "hardtanh": partial(_clamped, "min_val", "max_val"),
    "clamp": partial(_clamped, "min", "max"),
    "clip": partial(_clamped, "min", "max"),
    "clamp_min": partial(_clamped, "min", None),
    "clamp_max": partial(_clamped, None, "max"),
    "gelu": _gelu,
    "silu": _silu,
    "mish": _mish,
    "hardsigmoid": lambda field, given: _hard_sigmoid(field, given["self"]),
    "hardswish": lambda field, given: field.multiply(given["self"], _hard_sigmoid(field, given["self"])),
    "prelu": _prelu,
}
