"""Division, means, powers, roots and casts."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from convcheck.proof.parts.fields import Field, Numbers, Unproven, Whole, lifted
from convcheck.tracing.facts import SIGNIFICANT_BITS

MOST_FACTORS = 16


def _is_scalar(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.numel() == 1 and value.is_floating_point()
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _product(field: Field, given: Any) -> Any:
    x, y = given["self"], given["other"]
    if isinstance(y, Numbers) and _is_scalar(x):
        x, y = y, x
    if isinstance(x, Numbers) and x.infinite and _is_scalar(y):
        return scaled(field, x, y)
    return NotImplemented


def scaled(field: Field, x: Numbers, number: Any, *, inverse: bool = False) -> Numbers:
    """Multiply with a number, or divide by one; what is infinite keeps or changes its sign, as the number has it."""
    if not x.infinite:
        return field.multiply(x, field.lift(number, inverse=inverse))
    sign = math.copysign(1.0, float(number))
    finite = field.linear(lambda one: one.masked_fill(one.isinf(), 0.0), x)
    product = field.multiply(finite, field.lift(number, inverse=inverse))
    result: Numbers = field.run(
        lambda one, whole: torch.where(whole.isinf(), whole * sign, one), (product, x), product.degree, adds=True
    )
    return result


def _quotient(field: Field, given: Any) -> Any:
    if given.get("rounding_mode") is not None:
        raise Unproven("a quotient is rounded")
    x, y = given["self"], given["other"]
    if isinstance(y, Whole):
        return field.divide(lifted(field, x), field.whole(y))
    if not isinstance(y, Numbers):
        if _is_scalar(y) and isinstance(x, Numbers):
            return scaled(field, x, y, inverse=True)
        return field.multiply(lifted(field, x), field.lift(y, inverse=True))
    return field.divide(lifted(field, x), y)


def _mean(field: Field, given: Any) -> Any:
    x = given["self"]
    dims = given.get("dim") or range(len(x.shape))
    return field.mean(x, list(dims), keep=bool(given.get("keepdim")))


def _power(field: Field, given: Any) -> Any:
    x, exponent = given["self"], given["exponent"]
    if not isinstance(x, Numbers) or not isinstance(exponent, (int, float)):
        raise Unproven("a power has a variable in its exponent")
    if exponent == int(exponent) and 1 <= abs(exponent) <= MOST_FACTORS:
        result = x
        for _ in range(abs(int(exponent)) - 1):
            result = field.multiply(result, x)
        return result if exponent > 0 else field.function("1 / x", result)
    if exponent == 0:
        return field.linear(torch.ones_like, x)
    root = field.function("sqrt", x)
    if abs(exponent) == 0.5:
        return root if exponent > 0 else field.function("1 / x", root)
    return field.function(f"power {exponent!r}", x)


def _root(field: Field, given: Any) -> Any:
    return field.function("sqrt", given["self"])


def _inverse_root(field: Field, given: Any) -> Any:
    return field.function("1 / x", field.function("sqrt", given["self"]))


def _reciprocal(field: Field, given: Any) -> Any:
    return field.function("1 / x", given["self"])


def _cast(field: Field, given: Any) -> Any:
    """Return the same numbers: rounding is judged elsewhere. A mask becomes the numbers 0 and 1."""
    x, dtype = given["self"], given.get("dtype")
    to_float = dtype is None or dtype.is_floating_point
    if isinstance(x, Whole):
        if dtype is None or not to_float:
            return NotImplemented
        return field.whole(x)
    if not to_float:
        raise Unproven("numbers are rounded to whole ones")
    if dtype is not None and dtype not in SIGNIFICANT_BITS:
        raise Unproven(f"computes in {dtype}")
    return x


def _variance(field: Field, given: Any, *, root: bool) -> Any:
    return spread(field, given, root=root)[0]


def spread(field: Field, given: Any, *, root: bool) -> tuple[Numbers, Numbers]:
    """Return the variance, or its root, and the mean."""
    x, keep = given["self"], bool(given.get("keepdim"))
    dims = list(given.get("dim") or range(len(x.shape)))
    correction = given["correction"] if "correction" in given else int(given.get("unbiased", True))
    correction = 1 if correction is None else correction
    mean = field.mean(x, dims, keep=True)
    away = field.subtract(x, mean)
    count = math.prod(x.shape[dim] for dim in dims)
    if count == correction:
        raise Unproven("divides by zero")
    squares = field.sum(field.multiply(away, away), dims, keep=keep)
    result = field.scale(squares, float(count - correction), inverse=True)
    return (field.function("sqrt", result) if root else result), mean if keep else field.mean(x, dims)


def _norm(field: Field, given: Any) -> Any:
    x, order = given["self"], given.get("ord", given.get("p", 2))
    if order != 2:
        raise Unproven(f"a norm of order {order}")
    dims = given.get("dim")
    dims = list(range(len(x.shape))) if dims is None or dims == [] else [dims] if isinstance(dims, int) else list(dims)
    return field.function("sqrt", field.sum(field.multiply(x, x), dims, keep=bool(given.get("keepdim"))))


def _same(_field: Field, given: Any) -> Any:
    if given.get("train"):
        raise Unproven("numbers are dropped at random")
    return given["input"]


RULES = {
    "mul": _product,
    "div": _quotient,
    "mean": _mean,
    "pow": _power,
    "sqrt": _root,
    "rsqrt": _inverse_root,
    "reciprocal": _reciprocal,
    "_to_copy": _cast,
    "var": lambda field, given: _variance(field, given, root=False),
    "std": lambda field, given: _variance(field, given, root=True),
    "var_mean": lambda field, given: spread(field, given, root=False),
    "linalg_vector_norm": _norm,
    "dropout": _same,
}
