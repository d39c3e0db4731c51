"""Sums, products and quotients of whole numbers, as in `Linear(16 * 5 * 5, 120)`."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping

from convcheck.sizes.limits import MAX_INT64

_NONE: Mapping[str, int] = {}


def computed(node: ast.expr, known: Mapping[str, int] = _NONE) -> int | None:
    """Return the number that an expression stands for, with what is known of names; None where it is none.

    Nothing larger than torch's lengths is computed, so that no power takes the machine down.
    """
    match node:
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            return number
        case ast.Name(id=text):
            return known.get(text)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = computed(operand, known)
            return None if value is None else -value
        case ast.BinOp(left=left, op=operator, right=right):
            first, second = computed(left, known), computed(right, known)
            if first is None or second is None:
                return None
            result = _value(first, operator, second)
            return result if result is not None and abs(result) <= MAX_INT64 else None
    return None


def _value(first: int, operator: ast.operator, second: int) -> int | None:
    match operator:
        case ast.Add():
            return first + second
        case ast.Sub():
            return first - second
        case ast.Mult():
            return first * second
        case ast.FloorDiv() if second:
            return first // second
        case ast.Mod() if second:
            return first % second
        case ast.Pow() if second >= 0 and second * math.log2(abs(first) or 1) < MAX_INT64.bit_length():
            return int(first**second)
    return None
