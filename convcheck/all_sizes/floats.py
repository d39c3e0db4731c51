"""Tells where Python computes with lengths as floats and rounds: no relation states what it makes of them then."""

from __future__ import annotations

from typing import Any

import sympy
from torch.utils._sympy.functions import IntTrueDiv, ToFloat

LARGEST_DENOMINATOR = 1024
"""Floats with as few digits behind the point are added and multiplied without rounding."""
ROUNDING = frozenset(("FloatPow", "FloatTrueDiv", "IntTrueDiv", "OpaqueUnaryFn_sqrt", "OpaqueUnaryFn_log2"))


def is_short(number: Any) -> bool:
    """Tell whether a float has few digits behind the point."""
    return float(number * LARGEST_DENOMINATOR).is_integer() and abs(float(number)) < 2**32


def is_exact(expression: Any) -> bool:
    """Tell whether Python makes an expression in lengths without rounding."""
    if expression.is_Integer or expression.is_Symbol:
        return True
    if expression.is_Number:
        return is_short(expression)
    name = type(expression).__name__
    if name in ROUNDING:
        by = expression.args[-1]
        halved = name != "FloatPow" and by.is_Number and by > 0 and is_short(by) and is_short(1 / sympy.Rational(by))
        return bool(halved) and is_exact(expression.args[0])
    return not name.startswith("OpaqueUnaryFn") and all(map(is_exact, expression.args))


def is_decided(expression: Any) -> bool:
    """Tell whether what is cut off or compared with a short number is what it is without rounding.

    Besides what is exact it is a quotient of whole numbers: it is rounded to a number between the same whole ones.
    """
    expression = expression.args[0] if isinstance(expression, ToFloat) else expression
    return is_exact(expression) or (isinstance(expression, IntTrueDiv) and all(map(is_exact, expression.args)))


def _has_sign_of_reals(expression: Any) -> bool:
    """Tell whether rounding leaves the sign of an expression: that of products, quotients and powers."""
    multiplies = expression.is_Mul or type(expression).__name__ in ROUNDING
    return is_exact(expression) or (multiplies and all(map(_has_sign_of_reals, expression.args)))


def is_guard_decided(guard: Any) -> bool:
    """Tell whether a condition holds where it holds without rounding."""
    if isinstance(guard, sympy.core.relational.Relational):
        one, other = guard.args
        if other.is_zero and _has_sign_of_reals(one):
            return True
        return (is_exact(one) and is_exact(other)) or (is_decided(one) and other.is_Number and is_short(other))
    return all(map(is_guard_decided, guard.args))
