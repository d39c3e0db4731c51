"""Operators on entries one by one: sums, products, powers, and division by constants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from convcheck.tracing.reading import (
    VARIABLE,
    Call,
    Known,
    NotPolynomial,
    Operator,
    divided,
    limited,
    multiplied,
    number,
    product,
    summed,
)


def _sum(call: Call) -> Known:
    self, other = call.known("self"), call.known("other")
    alpha = number(1 if call["alpha"] is None else call["alpha"])
    for one, eps in ((self, other), (other, self)):
        # A running variance and eps, on the way to a root.
        plain = eps.constant is not None and eps.constant.numel() == 1 and float(alpha.constant or 0.0) == 1
        if one.variance is not None and one.variance[1] is None and plain:
            assert eps.constant is not None
            return replace(summed(one, eps), variance=(one.variance[0], float(eps.constant)))
    return summed(self, multiplied(other, alpha))


def _difference(call: Call) -> Known:
    alpha = number(1 if call["alpha"] is None else call["alpha"])
    return summed(multiplied(call.known("self"), alpha), multiplied(call.known("other"), alpha))


def _product(call: Call) -> Known:
    return multiplied(call.known("self"), call.known("other"))


def _quotient(call: Call) -> Known:
    if call["rounding_mode"] is not None:
        raise NotPolynomial("rounds a quotient")
    return divided(call.known("self"), call.known("other"))


def _power(call: Call) -> Known:
    base, exponent = call["self"], call["exponent"]
    if not isinstance(base, Known) or isinstance(exponent, Known):
        raise NotPolynomial("has a variable in an exponent")
    if base.variance is not None and base.variance[1] is not None and abs(exponent) == 0.5:
        return _root(base) if exponent > 0 else VARIABLE
    if exponent != int(exponent) or exponent < 0:
        raise NotPolynomial(f"raises to the power {exponent:g}")
    return multiplied(*[base] * int(exponent))


def _root(known: Known) -> Known:
    if known.variance is None or known.variance[1] is None:
        raise NotPolynomial("takes a root")
    # It is drawn as 1/2 or 1/4.
    return Known(degree=1, bits=2, rooted=True)


def _square_root(call: Call) -> Known:
    return _root(call.known("self"))


def _inverse_root(call: Call) -> Known:
    _root(call.known("self"))
    return VARIABLE


def _reciprocal(call: Call) -> Known:
    return divided(number(1), call.known("self"))


def _addcmul(call: Call) -> Known:
    value = number(1 if call["value"] is None else call["value"])
    return summed(call.known("self"), multiplied(call.known("tensor1"), call.known("tensor2"), value))


def _lerp(call: Call) -> Known:
    return multiplied(summed(call.known("self"), call.known("end")), call.known("weight"))


def _mix(self: Any, end: Any, weight: Any) -> Any:
    return self + (end + self) * weight


def _plus(self: Any, other: Any, *, alpha: Any = 1) -> Any:
    return self + other * alpha


def _same(self: Any) -> Any:
    return self


OPERATORS = {
    "add": Operator(_sum, _plus, scalars=("self", "other", "alpha")),
    "sub": Operator(_difference, _plus, scalars=("self", "other", "alpha")),
    "rsub": Operator(_difference, lambda self, other, alpha=1: other + self * alpha, scalars=("other", "alpha")),
    "mul": Operator(_product, scalars=("self", "other")),
    "div": Operator(_quotient, scalars=("self", "other")),
    "neg": Operator(lambda call: limited(replace(call.tensors[0], constant=None, variance=None)), _same),
    "square": Operator(lambda call: multiplied(call.tensors[0], call.tensors[0])),
    "pow": Operator(_power),
    "sqrt": Operator(_square_root),
    "rsqrt": Operator(_inverse_root),
    "reciprocal": Operator(_reciprocal),
    "addcmul": Operator(_addcmul, scalars=("value",)),
    "lerp": Operator(_lerp, _mix, scalars=("weight",)),
    "outer": Operator(product),
}
