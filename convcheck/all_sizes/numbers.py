"""Numbers in code: a float stands for a fraction, or for the root of a whole number that it is nearest to."""

from __future__ import annotations

import math
from typing import Any

import sympy

from convcheck.all_sizes.sizes import CannotProve

SMALLEST_ROOTED = 1e-9
"""No smaller number is taken for a root, or one over a root."""
LARGEST_ROOTED = 1 << 20


def fraction(value: float) -> Any:
    """Return a number as it is meant: roots of whole numbers, and one over these, are no fractions.

    Code computes scales such as `d ** -0.5`, once, or as two roots of them; as fractions their product would differ.

    Raises:
        CannotProve: it is no number, or above all numbers.
    """
    if math.isnan(value) or value == math.inf:
        raise CannotProve(f"the number {value}")
    if value == -math.inf:
        return -sympy.oo
    exact = sympy.Rational(value)
    if exact.q <= LARGEST_ROOTED or not SMALLEST_ROOTED <= value <= 1 / SMALLEST_ROOTED:
        return exact
    for power in (2, 4):
        for sign in (1, -1):
            whole = round(value ** (sign * power))
            if 2 <= whole <= LARGEST_ROOTED and value in _ways(whole, sign, power):
                return sympy.Integer(whole) ** sympy.Rational(sign, power)
    return exact


def _ways(whole: int, sign: int, power: int) -> set[float]:
    """Return what code computes for a root: rounded once, or on the way too."""
    root = math.sqrt(whole)
    if power == 4:
        ways = {math.sqrt(root), whole**0.25}
        return ways if sign > 0 else {1 / one for one in ways} | {whole**-0.25, math.sqrt(1 / root), root**-0.5}
    return {root} if sign > 0 else {1 / root, whole**-0.5, math.sqrt(1 / whole)}
